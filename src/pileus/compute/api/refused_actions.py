"""Actions the API knows and this cloud does not offer yet: they say so, to those who might use them."""

from pileus.compute import errors
from pileus.compute.api.service import ACTION_PATH, api, server_find
from pileus.compute.app import Compute
from pileus.compute.models.servers import Server
from pileus.kit.http import Call
from pileus.kit.http.route import Handler
from pileus.kit.policy import PROJECT_MANAGER, Rule


def manager(name: str) -> Rule:
    """One of compute's rules that lets a project's managers."""
    return Rule(f"os_compute_api:{name}", PROJECT_MANAGER)


# name, rule, first version, last version
REFUSED: tuple[tuple[str, Rule, str, str], ...] = (
    ("os-migrateLive", manager("os-migrate-server:migrate_live"), "2.1", "2.104"),
)


def _refusing(name: str) -> Handler:
    async def refuse(call: Call[Compute], server: Server) -> None:
        raise errors.NotOffered(what=name)

    refuse.__doc__ = f"Refuse {name}, which is not offered yet."
    return refuse


for _name, _rule, _since, _until in REFUSED:
    api.action(ACTION_PATH, _name, _rule, find=server_find, since=_since, until=_until)(_refusing(_name))
