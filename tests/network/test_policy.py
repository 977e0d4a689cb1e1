"""Who may do what: defaults as published, and every route refuses strangers."""

import re
from pathlib import Path
from typing import Any

import pytest

from pileus.network.api.rules import RULES
from pileus.network.manifest import API

Open = Any
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "policies.tsv"
RULED = [route for route in API.routes if route.rule is not None]


def test_rules_and_their_defaults_are_neutrons() -> None:
    lines = (line.split("\t") for line in GOLDEN.read_text().splitlines())
    published = {line[1]: line[2] for line in lines if line[0] == "network"}
    assert RULES == {name: published[name] for name in RULES}


@pytest.mark.parametrize("route", RULED, ids=lambda route: f"{route.method} {route.path}")
async def test_every_route_refuses_strangers(net: Open, route: Any) -> None:
    async with net() as n:
        path = "/v2.0" + re.sub(r"\{.*?\}", "x", route.path)
        for token in (None, "nonsense"):
            assert 401 == (await n.ask(route.method, path, {}, token)).status


async def test_callers_without_a_role_neither_see_nor_change(net: Open) -> None:
    async with net() as n:
        network, subnet = await n.network()
        port = await n.make("ports", network_id=network)
        router = await n.make("routers")
        group = await n.make("security-groups", name="g")
        things = {
            "networks": network, "subnets": subnet, "ports": port["id"], "routers": router["id"],
            "security-groups": group["id"],
        }  # fmt: skip
        for collection, id in things.items():
            assert 403 == (await n.ask("GET", f"/v2.0/{collection}/{id}", who="nobody")).status, collection
            for who in ("nobody", "rita"):
                assert 403 == (await n.put(collection, id, who, name="x")).status, collection
                assert 403 == (await n.delete(collection, id, who)).status, collection
            assert [] == await n.get(collection, "nobody")
        bodies = {
            "networks": {}, "routers": {}, "security-groups": {"name": "x"}, "ports": {"network_id": network},
            "subnets": {"network_id": network, "ip_version": 4, "cidr": "10.7.0.0/24"},
            "security-group-rules": {"security_group_id": group["id"], "direction": "ingress"},
        }  # fmt: skip
        for collection, body in bodies.items():
            for who in ("nobody", "rita"):
                answer = await n.post(collection, who, **body)
                assert (403, "PolicyNotAuthorized") == (answer.status, answer.kind), collection
        await n.hosts.register("h1", {})
        assert [] == await n.get("agents", "mona")
        (agent, _) = await n.get("agents", "root")
        assert 403 == (await n.ask("GET", f"/v2.0/agents/{agent['id']}", who="mona")).status
