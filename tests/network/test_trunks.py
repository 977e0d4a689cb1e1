"""Trunks: ports reached through another port by tagged frames."""

from typing import Any

from pileus.kit.auth import Caller

Open = Any
Json = dict[str, Any]
ALICE = Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"}))


async def _ports(n: Any, count: int, **network: Any) -> list[str]:
    """Ids of ports, each on a network of its own."""
    found = []
    for number in range(count):
        id, _ = await n.network(cidr=f"10.{number}.0.0/24", **network)
        found.append((await n.make("ports", network_id=id))["id"])
    return found


def _sub(port: str, tag: int = 42, kind: str = "vlan") -> Json:
    return {"port_id": port, "segmentation_type": kind, "segmentation_id": tag}


async def _change(n: Any, trunk: str, verb: str, *subports: Json, who: str = "alice") -> Any:
    return await n.ask("PUT", f"/v2.0/trunks/{trunk}/{verb}_subports", {"sub_ports": list(subports)}, who)


async def test_a_trunk_is_made_with_subports_that_come_and_go(net: Open) -> None:
    async with net() as n:
        parent, first, second = await _ports(n, 3)
        trunk = await n.make("trunks", port_id=parent, name="t", sub_ports=[_sub(first)])
        assert (parent, "DOWN", True, [_sub(first)]) == tuple(
            trunk[name] for name in ("port_id", "status", "admin_state_up", "sub_ports")
        )
        held = await n.get(f"ports/{first}")
        assert ("trunk:subport", trunk["id"]) == (held["device_owner"], held["device_id"])
        added = await _change(n, trunk["id"], "add", _sub(second, 43))
        assert (200, [_sub(first), _sub(second, 43)]) == (added.status, added.body["sub_ports"])
        assert [_sub(first), _sub(second, 43)] == await n.get(f"trunks/{trunk['id']}/get_subports")
        removed = await _change(n, trunk["id"], "remove", {"port_id": first})
        assert [_sub(second, 43)] == removed.body["sub_ports"]
        free = await n.get(f"ports/{first}")
        assert ("", "") == (free["device_owner"], free["device_id"])
        missing = await _change(n, trunk["id"], "remove", {"port_id": first})
        assert (404, "SubPortNotFound") == (missing.status, missing.kind)
        assert "new" == (await n.put("trunks", trunk["id"], name="new")).body["trunk"]["name"]
        assert [trunk["id"]] == [each["id"] for each in await n.get(f"trunks?port_id={parent}&status=DOWN")]
        assert 204 == (await n.delete("trunks", trunk["id"])).status
        assert "" == (await n.get(f"ports/{second}"))["device_owner"]
        assert 404 == (await n.ask("GET", f"/v2.0/trunks/{trunk['id']}")).status


async def test_a_port_is_on_one_trunk_and_stays_while_it_is(net: Open) -> None:
    async with net() as n:
        parent, first, second = await _ports(n, 3)
        trunk = (await n.make("trunks", port_id=parent, sub_ports=[_sub(first)]))["id"]
        for port, kind in ((parent, "PortInUseAsTrunkParent"), (first, "PortInUseAsSubPort")):
            for answer in (await n.post("trunks", port_id=port), await n.delete("ports", port)):
                assert (409, kind) == (answer.status, answer.kind)
        again = await _change(n, trunk, "add", _sub(first, 44))
        assert (409, "PortInUseAsSubPort") == (again.status, again.kind)
        same_tag = await _change(n, trunk, "add", _sub(second))
        assert (409, "DuplicateSubPort") == (same_tag.status, same_tag.kind)
        assert "" == (await n.get(f"ports/{second}"))["device_id"], "a refusal changes nothing"


async def test_what_cannot_be_a_subport_is_refused(net: Open) -> None:
    async with net() as n:
        parent, port = await _ports(n, 2)
        trunk = (await n.make("trunks", port_id=parent))["id"]
        for wrong in (
            _sub(port, 0), _sub(port, 4095), _sub(port, 1, "vxlan"), {"port_id": port}, _sub(port, 1, "inherit"),
        ):  # fmt: skip
            assert 400 == (await _change(n, trunk, "add", wrong)).status, wrong
        assert 404 == (await _change(n, trunk, "add", _sub("nowhere"))).status
        assert 409 == (await _change(n, trunk, "add", _sub(parent))).status
        narrow, _ = await n.network(cidr="10.9.0.0/24", mtu=1300)
        small = await n.make("ports", network_id=narrow)
        answer = await n.post("trunks", port_id=small["id"], sub_ports=[_sub(port)])
        assert (409, "SubPortMtuGreaterThanTrunkPortMtu") == (answer.status, answer.kind)
        await n.put("ports", port, device_id="a thing")
        used = await _change(n, trunk, "add", _sub(port))
        assert (409, "PortInUse") == (used.status, used.kind)
        assert 200 == (await n.put("trunks", trunk, admin_state_up=False)).status
        off = await _change(n, trunk, "add", _sub(port))
        assert (409, "TrunkDisabled") == (off.status, off.kind)


async def test_a_subport_may_have_the_tag_of_its_network(net: Open) -> None:
    async with net() as n:
        (parent,) = await _ports(n, 1)
        vlan = {
            "provider:network_type": "vlan",
            "provider:physical_network": "external",
            "provider:segmentation_id": 77,
        }
        network = await n.make("networks", "root", mtu=1400, **vlan)
        port = await n.make("ports", "root", network_id=network["id"])
        trunk = await n.make("trunks", "root", port_id=parent, sub_ports=[_sub(port["id"], 1, "inherit")])
        assert 77 == trunk["sub_ports"][0]["segmentation_id"]


async def test_subports_are_where_their_trunk_is(net: Open) -> None:
    async with net() as n:
        parent, port = await _ports(n, 2)
        await n.make("trunks", port_id=parent, sub_ports=[_sub(port)])
        await n.put("ports", parent, "root", **{"binding:host_id": "h1"})
        await n.hosts.register("h1", {})
        await n.settle()
        made = {each.id: each for each in n.fabric.topology.ports}
        assert (parent, 42, "h1") == (made[port].parent, made[port].tag, made[port].host)
        assert made[parent].parent is None
        assert 2 == len(await n.hosts.wanted_list("h1", "metadata")), "guests ask for metadata on the subport's network"
        n.fabric.plug(parent, "h1")
        await n.settle()
        (trunk,) = await n.get("trunks?status=ACTIVE")
        assert parent == trunk["port_id"]


async def test_trunks_of_others_are_not_there(net: Open) -> None:
    async with net() as n:
        parent, _ = await _ports(n, 2)
        trunk = (await n.make("trunks", port_id=parent))["id"]
        assert 404 == (await n.post("trunks", "bob", port_id=parent)).status
        assert [] == await n.get("trunks", "bob")
        assert 404 == (await n.delete("trunks", trunk, "bob")).status
        assert 403 == (await n.delete("trunks", trunk, "rita")).status
        assert 201 == (await n.ask("PUT", f"/v2.0/trunks/{trunk}/tags/x")).status


async def test_a_port_made_for_a_server_stays_when_a_trunk_hangs_on_it(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        (facts,) = await n.ports.make_ports(ALICE, "server-1", "one", "auto")
        await n.make("trunks", port_id=facts.id)
        await n.ports.release_ports("server-1")
        port = await n.get(f"ports/{facts.id}")
        assert ("", network) == (port["device_id"], port["network_id"])
