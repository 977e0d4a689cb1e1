"""What the API had once: it says so, and to no one without a token."""

import pytest
from tests.compute.world import a_world

GONE = (
    ("GET", "/os-agents"), ("POST", "/os-agents"), ("GET", "/os-cells"), ("GET", "/os-cells/capacities"),
    ("POST", "/os-cells/sync_instances"), ("GET", "/os-cloudpipe"), ("GET", "/os-certificates/root"),
    ("GET", "/os-fixed-ips/192.0.2.1"), ("GET", "/os-floating-ip-dns"), ("PUT", "/os-floating-ip-dns/a/entries/b"),
    ("GET", "/os-floating-ips-bulk"), ("GET", "/os-fping"), ("POST", "/os-networks"), ("POST", "/os-networks/add"),
    ("DELETE", "/os-networks/1"), ("POST", "/os-tenant-networks"), ("GET", "/os-security-group-default-rules"),
    ("GET", "/servers/1/consoles"), ("GET", "/servers/1/os-virtual-interfaces"),
)  # fmt: skip


@pytest.mark.parametrize("at", ["2.1", "2.104"])
async def test_what_is_gone_is_gone_at_every_microversion(at: str) -> None:
    async with a_world() as world:
        for method, path in GONE:
            answered = await world.ask(method, f"/v2.1{path}", at=at)
            assert (410, 410) == (answered.status, answered.body["computeFault"]["code"]), path
            assert 401 == (await world.ask(method, f"/v2.1{path}", by=None, at=at)).status


async def test_actions_that_are_gone() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 410 == (await world.act(id, at="2.104", resetNetwork=None)).status
        assert 410 == (await world.act(id, at="2.5", os_getRDPConsole={"type": "rdp-html5"})).status
        assert 400 == (await world.act(id, at="2.6", os_getRDPConsole={"type": "rdp-html5"})).status
        reserve = await world.ask("POST", "/v2.1/os-fixed-ips/192.0.2.1/action", {"reserve": None})
        assert 410 == reserve.status


async def test_machines_never_were_changed_here() -> None:
    async with a_world() as world:
        for method, path, body in (
            ("POST", "", {"node": {}}), ("DELETE", "/1", None), ("POST", "/1/action", {"add_interface": {}}),
        ):  # fmt: skip
            for at, status in (("2.35", 400), ("2.36", 404)):
                assert (
                    status
                    == (await world.ask(method, f"/v2.1/os-baremetal-nodes{path}", body, by="root", at=at)).status
                )


async def test_a_path_whose_actions_all_came_later_is_none() -> None:
    async with a_world() as world:
        id = await world.boot()
        path = f"/v2.1/servers/{id}/migrations/1/action"
        assert 404 == (await world.ask("POST", path, {"force_complete": None}, by="root", at="2.21")).status
        assert 400 == (await world.ask("POST", path, {"nonsense": None}, by="root", at="2.22")).status


async def test_a_microversion_beyond_the_last_is_a_fault_that_says_so() -> None:
    async with a_world() as world:
        answered = await world.ask("GET", "/v2.1/servers", at="2.105")
        assert (406, 406) == (answered.status, answered.body["computeFault"]["code"])
