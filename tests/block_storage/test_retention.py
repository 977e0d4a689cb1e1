"""What was done with volumes is told as long as they are there."""

from tests.block_storage.world import a_world

from pileus.block_storage.manifest import living
from pileus.kit.flow.retention import KEPT_FOR, Retention


async def test_operations_stay_as_long_as_what_they_are_about() -> None:
    async with a_world() as world:
        kept, doomed = await world.volume(), await world.volume()
        answered = await world.ask("POST", "/snapshots", {"snapshot": {"volume_id": kept, "name": "then"}})
        assert answered.status == 202
        await world.settle()
        assert (await world.ask("DELETE", f"/volumes/{doomed}")).status == 202
        await world.settle()
        retention = Retention(world.db, world.clock, living(world.app))
        assert await retention.forget_old() == 0
        world.clock.move(KEPT_FOR.total_seconds() + 60)
        assert await retention.forget_old() == 2  # the creation of the volume that is gone, and its deletion
        (made,) = await world.engine.history(f"volume:{kept}")
        assert made.operation.flow == "volume.create"
        snapshot = answered.body["snapshot"]["id"]
        assert len(await world.engine.history(f"volume_snapshot:{snapshot}")) == 1
