"""A server's ports join security groups and leave them, all together."""

from typing import Any

import pytest

from pileus.kit.auth import Caller
from pileus.network.errors import SecurityGroupNotFound
from pileus.ports.network import NicRequest

Open = Any
ALICE = Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"}))


async def test_all_ports_of_a_server_join_and_leave(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        web = await n.make("security-groups", name="web")
        await n.ports.make_ports(ALICE, "s1", "web", [NicRequest(network_id=network), NicRequest(network_id=network)])
        for _ in range(2):
            await n.ports.join_group("s1", "p1", "web")
        ports = (await n.ports.ports_of(["s1"]))["s1"]
        assert [["default", "web"]] * 2 == [sorted(port.security_groups) for port in ports]
        assert await n.ports.leave_group("s1", "p1", web["id"])
        assert not await n.ports.leave_group("s1", "p1", "web")
        ports = (await n.ports.ports_of(["s1"]))["s1"]
        assert [("default",)] * 2 == [port.security_groups for port in ports]
        with pytest.raises(SecurityGroupNotFound):
            await n.ports.join_group("s1", "p1", "nothing")
