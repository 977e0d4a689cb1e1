"""Every operation of the API refuses strangers, and readers what only members may do; names and defaults are upstream's."""

import re

import pytest
from tests.compute.world import World, a_world

from pileus.compute.api import removed
from pileus.compute.manifest import API
from pileus.kit.http import Route
from pileus.kit.policy import (
    ADMIN,
    ADMIN_OR_SELF,
    ADMIN_OR_SERVICE,
    ANY,
    PROJECT_MANAGER,
    PROJECT_MEMBER,
    PROJECT_READER,
)

GUARDED = [route for route in API.routes if route.rule is not None]


def name(route: Route) -> str:
    return f"{route.method} {route.path} {route.action or ''} {route.since}"


async def ask(world: World, route: Route, server: str, by: str | None, group: str = "x") -> int:
    """The status of the operation, with a body that no operation would accept if it came to that."""
    ids = {"server_id": server, "flavor_id": "small", "project_id": "p1", "group": group}
    path = re.sub(r"\{(\w+)\}", lambda part: ids.get(part[1], "x"), route.path)
    version = max(route.since, (2, 1))
    body = None
    if route.method in {"POST", "PUT"}:
        body = {route.action: None} if route.action else b"{}"
    prefix = "" if path.startswith("//") else "/v2.1"
    answered = await world.ask(route.method, prefix + path, body, by=by, at=f"{version[0]}.{version[1]}")
    return answered.status


@pytest.mark.slow
async def test_every_operation_refuses_strangers() -> None:
    async with a_world() as world:
        server = await world.boot()
        for route in GUARDED:
            assert 401 == await ask(world, route, server, None), name(route)
            assert 401 == await ask(world, route, server, "nonsense"), name(route)


@pytest.mark.slow
async def test_operations_refuse_whom_their_rule_does_not_name() -> None:
    refused = {PROJECT_READER: ["outsider"], PROJECT_MEMBER: ["rita"], ADMIN: ["alice"], PROJECT_MANAGER: ["alice"],
               ADMIN_OR_SERVICE: ["alice"]}  # fmt: skip
    async with a_world() as world:
        server = await world.boot()
        made = await world.ask(
            "POST", "/v2.1/os-server-groups", {"server_group": {"name": "g", "policies": ["affinity"]}}
        )
        group = made.body["server_group"]["id"]
        for route in GUARDED:
            assert route.rule is not None
            if route.rule.default in {ANY, ADMIN_OR_SELF}:
                continue
            for by in refused[route.rule.default]:
                assert 403 == await ask(world, route, server, by, group), f"{name(route)} by {by}"


@pytest.mark.slow
async def test_servers_of_other_projects_do_not_exist() -> None:
    async with a_world() as world:
        server = await world.boot()
        for route in GUARDED:
            # What the API has no more it has of no server.
            if "{server_id}" in route.path and route.handler is not removed.gone:
                assert 404 == await ask(world, route, server, "bob"), name(route)


async def test_keypairs_of_others_are_not_told() -> None:
    async with a_world() as world:
        for method, path in (("GET", ""), ("GET", "/k"), ("DELETE", "/k")):
            answered = await world.ask(method, f"/v2.1/os-keypairs{path}?user_id=bob", at="2.10")
            assert 403 == answered.status
        body = {"keypair": {"name": "k", "user_id": "bob"}}
        assert 403 == (await world.ask("POST", "/v2.1/os-keypairs", body, at="2.10")).status
