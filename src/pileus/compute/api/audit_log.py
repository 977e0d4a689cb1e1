"""The log of hosts' usage audits, which hosts here do not make: usage is read from servers whenever it is asked for."""

import calendar
import datetime as dt
from typing import Any

from pileus.compute import errors
from pileus.compute.api.service import admin, api
from pileus.compute.app import Compute
from pileus.compute.commands import hosts as commands
from pileus.kit.http import Call

PATH = "/os-instance_usage_audit_log"


async def _log(call: Call[Compute], before: dt.datetime) -> dict[str, Any]:
    """The month that was over at a moment, with no host having made an audit in it."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = end - dt.timedelta(days=1)
    begin = end - dt.timedelta(days=calendar.monthrange(last.year, last.month)[1])
    hosts = [host.name for host in await commands.host_list(call.app)]
    return {
        "hosts_not_run": hosts,
        "log": {},
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_not_run": len(hosts),
        "num_hosts_running": 0,
        "overall_status": f"0 of {len(hosts)} hosts done. 0 errors.",
        "period_beginning": f"{begin:%Y-%m-%d %H:%M:%S}",
        "period_ending": f"{end:%Y-%m-%d %H:%M:%S}",
        "total_errors": 0,
        "total_instances": 0,
    }


@api.get(PATH, admin("os-instance-usage-audit-log:list"))
async def index(call: Call[Compute]) -> dict[str, Any]:
    """Show the log of the last month."""
    return {"instance_usage_audit_logs": await _log(call, call.app.clock.now())}


@api.get(PATH + "/{before}", admin("os-instance-usage-audit-log:show"))
async def show(call: Call[Compute], before: str) -> dict[str, Any]:
    """Show the log of the month before a moment."""
    try:
        moment = dt.datetime.fromisoformat(before)
    except ValueError:
        raise errors.BadRequest(why=f"Invalid timestamp for date {before}") from None
    return {"instance_usage_audit_log": await _log(call, moment)}
