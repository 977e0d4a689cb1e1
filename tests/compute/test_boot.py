"""From a request to a running server, and what comes between."""

from tests.compute.fakes import IMAGE, NETWORK
from tests.compute.world import a_world


async def test_a_server_boots() -> None:
    async with a_world() as world:
        answered = await world.create()
        assert 202 == answered.status
        made = answered.body["server"]
        assert {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"} == made.keys()
        assert f"http://cloud:1/compute/v2.1/servers/{made['id']}" == answered.headers["location"]
        before = await world.show(made["id"])
        assert ("BUILD", "building", "scheduling") == (
            before["status"], before["OS-EXT-STS:vm_state"], before["OS-EXT-STS:task_state"],
        )  # fmt: skip
        await world.settle()
        server = await world.show(made["id"])
        assert ("ACTIVE", "active", None, 1) == (
            server["status"], server["OS-EXT-STS:vm_state"], server["OS-EXT-STS:task_state"],
            server["OS-EXT-STS:power_state"],
        )  # fmt: skip
        assert "10.0.0.11" == server["addresses"]["private"][0]["addr"]
        assert "fixed" == server["addresses"]["private"][0]["OS-EXT-IPS:type"]
        assert IMAGE == server["image"]["id"]
        assert "h1" == world.placement.held[made["id"]].host
        assert {"h1"} == {port.host for port in world.networks.ports[made["id"]]}
        assert NETWORK == world.networks.ports[made["id"]][0].network_id
