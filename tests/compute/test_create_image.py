"""Images made of servers."""

from tests.compute.fakes import IMAGE
from tests.compute.world import World, a_world


async def test_an_image_is_made_while_the_server_goes_on() -> None:
    async with a_world() as world:
        id = await world.boot()
        answered = await world.act(id, createImage={"name": "snap", "metadata": {"why": "test"}})
        assert 202 == answered.status
        image_id = answered.headers["location"].rpartition("/v2/images/")[2]
        assert "queued" == world.images.images[image_id].status
        shown = await world.show(id)
        assert ("ACTIVE", "image_snapshot") == (shown["status"], shown["OS-EXT-STS:task_state"])
        await world.settle()
        image = world.images.images[image_id]
        assert ("active", "qcow2", "p1", 1) == (image.status, image.disk_format, image.owner, image.min_disk)
        assert {
            "os_distro": "pileus", "image_type": "snapshot", "instance_uuid": id, "user_id": "alice",
            "base_image_ref": IMAGE, "image_location": "snapshot", "image_state": "available", "owner_id": "p1",
            "why": "test",
        } == image.properties  # fmt: skip
        shown = await world.show(id)
        assert ("ACTIVE", None) == (shown["status"], shown["OS-EXT-STS:task_state"])
        assert (await world.drivers["h1"].look(id)).snapshot is None
        assert "server.image_created" in [event.kind for event in await world.app.events.of_subject(f"server:{id}")]


async def test_newer_clients_find_the_id_in_the_body() -> None:
    async with a_world() as world:
        id = await world.boot()
        answered = await world.ask("POST", f"/v2.1/servers/{id}/action", {"createImage": {"name": "s"}}, at="2.45")
        assert answered.body["image_id"] in world.images.images
        assert "location" not in answered.headers


async def test_the_copy_can_be_of_a_server_that_stands_still() -> None:
    async with a_world() as world:
        id = await world.boot()
        for action, status in (("pause", "PAUSED"), ("unpause", "ACTIVE"), ("suspend", "SUSPENDED")):
            await world.act(id, **{action: None})
            await world.settle()
            assert 202 == (await world.act(id, createImage={"name": "s"})).status
            await world.settle()
            assert status == (await world.show(id))["status"]
        assert 3 == len(world.images.taken)


async def test_an_image_that_cannot_be_made_does_not_stay() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.images.full = True
        assert 202 == (await world.act(id, createImage={"name": "s"})).status
        await world.settle()
        assert [IMAGE] == list(world.images.images)
        assert "ACTIVE" == (await world.show(id))["status"]
        assert (await world.drivers["h1"].look(id)).snapshot is None
        path = f"/v2.1/servers/{id}/os-instance-actions"
        actions = (await world.ask("GET", path)).body["instanceActions"]
        assert ("createImage", "Error") == (actions[0]["action"], actions[0]["message"])


async def test_what_does_not_fit_is_refused() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 400 == (await world.act(id, createImage={})).status
        assert 400 == (await world.act(id, createImage={"name": ""})).status
        await world.act(id, createImage={"name": "s"})
        answered = await world.act(id, createImage={"name": "s"})
        said = answered.body["conflictingRequest"]["message"]
        assert (409, f"Cannot 'createImage' instance {id} while it is in task_state image_snapshot") == (
            answered.status,
            said,
        )


async def test_a_copy_that_cannot_be_read_says_why() -> None:
    async with a_world() as world:
        id = await world.boot()
        world.drivers["h1"].fail_next("give", "the disk is on fire", times=10)
        await world.act(id, createImage={"name": "s"})
        await world.settle()
        (past, *_) = await world.engine.history(f"server:{id}")
        assert "the disk is on fire" in (past.operation.failure or "")
        assert [IMAGE] == list(world.images.images)


def backups(world: World) -> list[str | None]:
    """The names of backups, oldest first."""
    return [image.name for image in world.images.images.values() if image.properties.get("image_type") == "backup"]


async def test_of_each_kind_of_backup_the_newest_stay() -> None:
    async with a_world() as world:
        id = await world.boot()
        for name, kind in (("d1", "daily"), ("w1", "weekly"), ("d2", "daily"), ("d3", "daily")):
            wish = {"name": name, "backup_type": kind, "rotation": "2", "metadata": {"by": "cron"}}
            answered = await world.act(id, at="2.45", createBackup=wish)
            assert 202 == answered.status
            assert "image_backup" == (await world.show(id))["OS-EXT-STS:task_state"]
            await world.settle()
            image = world.images.images[answered.body["image_id"]]
            assert ("active", kind, "cron", id) == (
                image.status, image.properties["backup_type"], image.properties["by"], image.properties["instance_uuid"],
            )  # fmt: skip
        assert ["w1", "d2", "d3"] == backups(world)
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions")).body["instanceActions"]
        assert ("createBackup", None) == (actions[0]["action"], actions[0]["message"])


async def test_without_rotation_no_backup_stays() -> None:
    async with a_world() as world:
        id = await world.boot()
        wish = {"name": "d", "backup_type": "daily", "rotation": 1}
        assert "/v2/images/" in (await world.act(id, createBackup=wish)).headers["location"]
        await world.settle()
        answered = await world.act(id, createBackup={**wish, "rotation": 0})
        assert (202, True) == (answered.status, "location" not in answered.headers)
        await world.settle()
        assert [] == backups(world)


async def test_a_backup_that_fails_takes_no_older_one_away() -> None:
    async with a_world() as world:
        id = await world.boot()
        wish = {"name": "d1", "backup_type": "daily", "rotation": 1}
        await world.act(id, createBackup=wish)
        await world.settle()
        world.drivers["h1"].fail_next("give", "the disk is on fire", times=10)
        await world.act(id, createBackup={**wish, "name": "d2"})
        await world.settle()
        assert ["d1"] == backups(world)


async def test_backups_that_make_no_sense_are_refused() -> None:
    async with a_world() as world:
        id = await world.boot()
        wish = {"name": "d", "backup_type": "daily", "rotation": 1}
        for wrong in ({"name": ""}, {"rotation": -1}, {"rotation": "x"}, {"backup_type": 1}, {"more": 1}):
            assert 400 == (await world.act(id, createBackup={**wish, **wrong})).status
        assert 400 == (await world.act(id, createBackup={"name": "d"})).status


async def test_a_lock_keeps_servers_from_changes_and_not_from_copies() -> None:
    async with a_world() as world:
        id = await world.boot()
        await world.act(id, by="root", lock=None)
        assert 202 == (await world.act(id, createImage={"name": "i"})).status
        await world.settle()
        assert 202 == (await world.act(id, createBackup={"name": "d", "backup_type": "daily", "rotation": 1})).status
        await world.settle()
        assert 409 == (await world.act(id, os_stop=None)).status


async def test_the_quota_of_metadata_counted_for_images_until_2_38() -> None:
    async with a_world() as world:
        id = await world.boot()
        asked = {"name": "copy", "metadata": {f"k{n}": "v" for n in range(129)}}
        for at, status in (("2.38", 403), ("2.39", 202)):
            assert status == (await world.act(id, at=at, createImage=asked)).status
