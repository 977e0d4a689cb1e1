"""The story of a server: what was asked of it, and how each step went."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.service import Link, admin, api, fine_moment, period_asked, reader
from pileus.compute.app import Compute
from pileus.compute.commands.servers import server_get, server_get_even_deleted
from pileus.compute.models.servers import Server, host_id
from pileus.kit.auth import Caller
from pileus.kit.flow.operation import Past, State, StepRun
from pileus.kit.http import Call, F, Query, Version, Wire
from pileus.kit.http.dialect import next_link

ACTIONS = "/servers/{server_id}/os-instance-actions"
EVENTS = "os_compute_api:os-instance-actions:events"
DETAILS = "os_compute_api:os-instance-actions:events:details"
MOST = 1000

NAMES = {
    "server.boot": "create",
    "server.reboot_hard": "reboot",
    "server.crash_dump": "trigger_crash_dump",
    "server.live_migrate": "live-migration",
    "server.change_password": "changePassword",
    "server.create_image": "createImage",
    "server.create_backup": "createBackup",
    "server.resize_confirm": "confirmResize",
    "server.resize_revert": "revertResize",
    "server.shelve_volume": "shelve",
    "server.rebuild_volume": "rebuild",
    "server.snapshot_volumes": "createImage",
}
EVENT_NAMES = {
    ("server.boot", "claim room"): "conductor_schedule_and_build_instances",
    ("server.boot", "bind ports"): "network_setup_instance_on_host",
    ("server.boot", "ready volumes"): "compute_prep_block_device",
    ("server.boot", "start on host"): "compute__do_build_and_run_instance",
    ("server.start", "power on"): "compute_start_instance",
    ("server.stop", "power off"): "compute_stop_instance",
    ("server.reboot", "reboot"): "compute_reboot_instance",
    ("server.reboot_hard", "reboot"): "compute_reboot_instance",
    ("server.pause", "pause"): "compute_pause_instance",
    ("server.unpause", "unpause"): "compute_unpause_instance",
    ("server.suspend", "suspend"): "compute_suspend_instance",
    ("server.resume", "resume"): "compute_resume_instance",
    ("server.crash_dump", "interrupt"): "compute_trigger_crash_dump",
    ("server.change_password", "set password"): "compute_set_admin_password",
    ("server.create_image", "await the copy"): "compute_snapshot_instance",
    ("server.rebuild", "rebuild"): "compute_rebuild_instance",
    ("server.rebuild_volume", "rebuild"): "compute_rebuild_instance",
    ("server.rescue", "rescue"): "compute_rescue_instance",
    ("server.unrescue", "unrescue"): "compute_unrescue_instance",
    ("server.resize", "claim room"): "compute_prep_resize",
    ("server.resize", "power off"): "compute_resize_instance",
    ("server.resize", "reshape"): "compute_finish_resize",
    ("server.resize_confirm", "confirm"): "compute_confirm_resize",
    ("server.resize_revert", "go back"): "compute_revert_resize",
    ("server.resize_revert", "start"): "compute_finish_revert_resize",
    ("server.shelve", "await the copy"): "compute_shelve_instance",
    ("server.shelve", "remove from host"): "compute_shelve_offload_instance",
    ("server.unshelve", "claim room"): "conductor_unshelve_instance",
    ("server.unshelve", "start on host"): "compute_unshelve_instance",
    ("server.attach_interface", "plug"): "compute_attach_interface",
    ("server.detach_interface", "unplug"): "compute_detach_interface",
    ("server.attach_volume", "plug"): "compute_attach_volume",
    ("server.detach_volume", "unplug"): "compute_detach_volume",
    ("server.extend_volume", "tell the guest"): "compute_extend_volume",
    ("server.swap_volume", "mirror"): "compute_swap_volume",
    ("server.migrate", "claim room"): "compute_prep_resize",
    ("server.migrate", "power off"): "compute_resize_instance",
    ("server.migrate", "reshape"): "compute_finish_resize",
    ("server.live_migrate", "claim room"): "conductor_live_migrate_instance",
    ("server.live_migrate", "await it there"): "compute_pre_live_migration",
    ("server.live_migrate", "send it"): "compute_live_migration",
    ("server.live_migrate", "switch over"): "compute_post_live_migration_at_destination",
    ("server.evacuate", "start"): "compute_rebuild_instance",
    ("server.create_backup", "await the copy"): "compute_backup_instance",
    ("server.disk_failed", "heed"): "compute_disk_failed",
    ("server.delete", "remove from host"): "compute_terminate_instance",
    ("server.delete", "release volumes"): "compute_detach_volume",
    ("server.delete", "release ports"): "network_deallocate_for_instance",
    ("server.delete", "release room"): "conductor_release_allocations",
    ("server.delete", "close the row"): "conductor_destroy_instance",
}
# Of what nobody asked for, the owner is told why; of what was asked for, steps tell it to admins.
BY_ITSELF = {"server.disk_failed"}
RESULTS = {"done": "Success", "failed": "Error", "stuck": "Error"}

api.declare(admin("os-instance-actions:events"), admin("os-instance-actions:events:details"))


class EventView(Wire, kw_only=True):
    """How one step went."""

    event: str
    start_time: str | None
    finish_time: str | None
    result: str | None
    traceback: Annotated[str | None, F(rule=EVENTS)]
    host: Annotated[str | None, F(since="2.62", rule=EVENTS)]
    host_id: Annotated[str, F("hostId", since="2.62")]
    details: Annotated[str | None, F(since="2.84", rule=DETAILS)]


class ActionView(Wire, kw_only=True):
    """What was asked of a server."""

    action: str
    server_id: Annotated[str, F("instance_uuid")]
    request_id: str | None
    user_id: str | None
    project_id: str | None
    start_time: str | None
    message: str | None
    updated_at: Annotated[str | None, F(since="2.58")]


class ActionShown(ActionView, kw_only=True):
    """The same with its steps."""

    old_events: Annotated[list[EventView], F("events", until="2.50", rule=EVENTS)]
    events: Annotated[list[EventView], F(since="2.51")]


class ActionList(Wire, kw_only=True):
    """What was asked of a server, newest first."""

    actions: Annotated[list[ActionView], F("instanceActions")]
    links: Annotated[list[Link] | UnsetType, F(since="2.58")] = UNSET


class ActionQuery(Query):
    """Which part of the story."""

    __exact_since__: ClassVar[Version] = Version(2, 58)
    limit: Annotated[Annotated[int, msgspec.Meta(ge=0)] | None, F(since="2.58")] = None
    marker: Annotated[str | None, F(since="2.58")] = None
    changes_since: Annotated[str | None, F("changes-since", since="2.58")] = None
    changes_before: Annotated[str | None, F("changes-before", since="2.66")] = None


async def _living(app: Compute, caller: Caller, server_id: str, **_more: str) -> Server:
    return await server_get(app, caller, server_id)


async def _any(app: Compute, caller: Caller, server_id: str, **_more: str) -> Server:
    return await server_get_even_deleted(app, caller, server_id)


def _values(server: Server, past: Past) -> dict[str, Any]:
    op = past.operation
    failed = op.state in {State.FAILED, State.STUCK}
    return {
        "action": NAMES.get(op.flow, op.flow.partition(".")[2]),
        "server_id": server.id,
        "request_id": op.request_id,
        "user_id": op.user_id,
        "project_id": op.project_id,
        "start_time": fine_moment(op.created),
        "message": (op.failure if op.flow in BY_ITSELF else "Error") if failed else None,
        "updated_at": fine_moment(op.updated),
    }


def _event(server: Server, flow: str, run: StepRun) -> EventView:
    name = EVENT_NAMES.get((flow, run.step), f"compute_{run.step.replace(' ', '_')}")
    return EventView(
        event=f"{name}_undo" if run.undoing else name,
        start_time=fine_moment(run.started),
        finish_time=fine_moment(run.finished),
        result=RESULTS.get(run.result) if run.result is not None else None,
        traceback=run.why,
        host=run.host,
        host_id=host_id(server.project_id, run.host),
        details=run.why,
    )


async def _index(call: Call[Compute], server: Server, query: ActionQuery) -> ActionList:
    found = await call.app.engine.history(server.subject, limit=MOST)
    since, before = period_asked(query.changes_since, query.changes_before)
    kept = [past for past in found if (since is None or past.operation.updated >= since)
            and (before is None or past.operation.updated <= before)]  # fmt: skip
    if query.marker is not None:
        ids = [past.operation.request_id for past in kept]
        if query.marker not in ids:
            raise errors.BadRequest(why=f"Marker {query.marker} not found.")
        kept = kept[ids.index(query.marker) + 1 :]
    limit = MOST if query.limit is None else min(query.limit, MOST)
    page, more = kept[:limit], len(kept) > limit
    following = (
        [Link(rel="next", href=next_link(call, marker=page[-1].operation.request_id))] if more and page else UNSET
    )
    return ActionList(actions=[ActionView(**_values(server, past)) for past in page], links=following)


@api.get(ACTIONS, reader("os-instance-actions:list"), find=_living, until="2.20")
async def index_of_living(call: Call[Compute], server: Server, query: ActionQuery) -> ActionList:
    """List what was asked of a server."""
    return await _index(call, server, query)


@api.get(ACTIONS, reader("os-instance-actions:list"), find=_any, since="2.21")
async def index(call: Call[Compute], server: Server, query: ActionQuery) -> ActionList:
    """List what was asked of a server, be it deleted."""
    return await _index(call, server, query)


async def _show(call: Call[Compute], server: Server, request_id: str) -> ActionShown:
    for past in await call.app.engine.history(server.subject, limit=MOST):
        if past.operation.request_id == request_id:
            events = [_event(server, past.operation.flow, run) for run in reversed(past.steps)]
            return ActionShown(**_values(server, past), old_events=events, events=events)
    raise errors.NoSuchAction(request=request_id, server=server.id)


@api.get(
    ACTIONS + "/{request_id}", reader("os-instance-actions:show"), key="instanceAction", find=_living, until="2.20"
)
async def show_of_living(call: Call[Compute], server: Server, request_id: str) -> ActionShown:
    """Show how something that was asked of a server went."""
    return await _show(call, server, request_id)


@api.get(ACTIONS + "/{request_id}", reader("os-instance-actions:show"), key="instanceAction", find=_any, since="2.21")
async def show(call: Call[Compute], server: Server, request_id: str) -> ActionShown:
    """Show how something that was asked of a server went, be it deleted."""
    return await _show(call, server, request_id)
