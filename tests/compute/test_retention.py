"""The history of a server's actions stays as long as the server, and a month longer."""

from tests.compute.world import a_world

from pileus.compute.manifest import living
from pileus.kit.flow.retention import KEPT_FOR, Retention


async def test_actions_stay_as_long_as_the_server_and_a_month_longer():
    async with a_world("a") as world:
        kept, doomed = await world.boot(), await world.boot()
        world.clock.move(3 * KEPT_FOR.total_seconds())
        await world.settle()
        retention = Retention(world.app.db, world.clock, living(world.app))
        assert await retention.forget_old() == 0
        assert (await world.ask("DELETE", f"/v2.1/servers/{doomed}")).status == 204
        await world.settle()
        assert await retention.forget_old() == 0
        world.clock.move(KEPT_FOR.total_seconds() + 60)
        assert await retention.forget_old() == 2  # its boot and its deletion
        actions = await world.ask("GET", f"/v2.1/servers/{kept}/os-instance-actions")
        assert [action["action"] for action in actions.body["instanceActions"]] == ["create"]
