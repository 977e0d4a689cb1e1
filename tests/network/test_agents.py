"""Agents are hosts in Neutron's words; schedulers say what OVN does."""

import datetime as dt
from typing import Any

Open = Any


async def test_an_agent_is_described_but_not_switched_off(net: Open) -> None:
    async with net() as n:
        await n.hosts.register("h1", {})
        gateway, metadata = await n.get("agents", "root")
        assert ("OVN Controller Gateway agent", "OVN Metadata agent") == (gateway["agent_type"], metadata["agent_type"])
        answer = await n.put("agents", gateway["id"], "root", description="rack 4", admin_state_up=True)
        assert (200, "rack 4") == (answer.status, answer.body["agent"]["description"])
        assert "rack 4" == (await n.get(f"agents/{gateway['id']}", "root"))["description"]
        assert 400 == (await n.put("agents", gateway["id"], "root", admin_state_up=False)).status
        assert 403 == (await n.put("agents", gateway["id"], "mona", description="x")).status
        assert 404 == (await n.put("agents", "nobody", "root", description="x")).status


async def test_the_agent_of_a_dead_host_is_deleted_until_the_host_is_heard_again(net: Open) -> None:
    async with net() as n:
        await n.hosts.register("h1", {})
        (agent, _) = await n.get("agents", "root")
        assert 400 == (await n.delete("agents", agent["id"], "root")).status
        n.clock.move(dt.timedelta(hours=1).total_seconds())
        assert 204 == (await n.delete("agents", agent["id"], "root")).status
        assert 404 == (await n.ask("GET", f"/v2.0/agents/{agent['id']}", who="root")).status
        assert 1 == len(await n.get("agents", "root"))
        n.clock.move(1)
        await n.hosts.register("h1", {})
        assert (await n.get(f"agents/{agent['id']}", "root"))["alive"]


async def test_nobody_schedules_dhcp_since_ovn_answers_itself(net: Open) -> None:
    async with net() as n:
        await n.hosts.register("h1", {})
        network, _ = await n.network()
        (agent, _) = await n.get("agents", "root")
        place = f"/v2.0/agents/{agent['id']}/dhcp-networks"
        assert [] == await n.get(f"networks/{network}/dhcp-agents", "root")
        assert [] == await n.get(f"agents/{agent['id']}/dhcp-networks", "root")
        added = await n.ask("POST", place, {"network_id": network}, "root")
        assert (409, "InvalidDHCPAgent") == (added.status, added.kind)
        gone = await n.ask("DELETE", f"{place}/{network}", who="root")
        assert (409, "NetworkNotHostedByDhcpAgent") == (gone.status, gone.kind)
        assert 403 == (await n.ask("GET", place, who="mona")).status


async def test_routers_with_a_way_out_may_be_on_any_gateway_host(net: Open) -> None:
    async with net() as n:
        await n.hosts.register("h1", {})
        await n.hosts.register("h2", {})
        await n.hosts.register("h3", {"physical_networks": []})
        outside, _ = await n.outside()
        router = await n.make("routers", external_gateway_info={"network_id": outside})
        inner = await n.make("routers", name="inner")
        found = await n.get(f"routers/{router['id']}/l3-agents", "root")
        assert [("h1", 100), ("h2", 99)] == [(each["host"], each["ha_chassis_priority"]) for each in found]
        assert [] == await n.get(f"routers/{inner['id']}/l3-agents", "root")
        gateways = {
            agent["host"]: agent for agent in await n.get("agents", "root") if "Controller" in agent["agent_type"]
        }
        assert "OVN Controller agent" == gateways["h3"]["agent_type"]
        place = f"agents/{gateways['h1']['id']}/l3-routers"
        assert [router["id"]] == [each["id"] for each in await n.get(place, "root")]
        assert [] == await n.get(f"agents/{gateways['h3']['id']}/l3-routers", "root")
        again = await n.ask("POST", f"/v2.0/{place}", {"router_id": router["id"]}, "root")
        assert (409, "RouterHostedByL3Agent") == (again.status, again.kind)
        answer = await n.ask(
            "POST", f"/v2.0/agents/{gateways['h3']['id']}/l3-routers", {"router_id": router["id"]}, "root"
        )
        assert (409, "InvalidL3Agent") == (answer.status, answer.kind)
        assert 409 == (await n.ask("DELETE", f"/v2.0/{place}/{router['id']}", who="root")).status
        assert 404 == (await n.ask("DELETE", f"/v2.0/{place}/{inner['id']}", who="root")).status
