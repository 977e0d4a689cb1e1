"""What servers boot from: images of every format, each as hosts have to be told of it, and discs in a drive."""

import msgspec
import pytest
from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import HOST_FACTS, World, a_world

from pileus.compute.drivers.interface import FORMATS, Bus, Image, ImageFormat, Stored, Wanted

RAW, QCOW2 = ImageFormat.RAW, ImageFormat.QCOW2


async def image_told(world: World, id: str) -> Image:
    """What the host was told of the server's image."""
    found = await world.hosts.wanted("h1", "server", id)
    assert found is not None
    root = msgspec.convert({**found.body, "id": id}, Wanted).root
    assert root is not None
    assert root.image is not None
    return root.image


@pytest.mark.parametrize(
    ("format", "over", "stored", "root"),
    [
        ("raw", RAW, None, "/dev/vda"),
        ("gpt", RAW, None, "/dev/vda"),
        ("ami", RAW, None, "/dev/vda"),
        ("qcow2", QCOW2, None, "/dev/vda"),
        ("vmdk", RAW, Stored.VMDK, "/dev/vda"),
        ("vdi", RAW, Stored.VDI, "/dev/vda"),
        ("vhd", RAW, Stored.VHD, "/dev/vda"),
        ("vhdx", RAW, Stored.VHDX, "/dev/vda"),
        ("iso", RAW, Stored.ISO, "/dev/hda"),
    ],
)
async def test_a_server_boots_from_an_image_of_every_format(
    format: str, over: ImageFormat, stored: Stored | None, root: str
) -> None:
    async with a_world() as world:
        world.images.images[IMAGE] = an_image(disk_format=format)
        id = await world.boot()
        server = await world.show(id, by="root", at="2.3")
        assert ("ACTIVE", root) == (server["status"], server["OS-EXT-SRV-ATTR:root_device_name"])
        image = await image_told(world, id)
        assert (over, stored) == (image.format, image.stored)
        assert (Bus.IDE if format == "iso" else None) == image.drive


@pytest.mark.parametrize(("bus", "root"), [("ide", "/dev/hda"), ("sata", "/dev/sda"), ("scsi", "/dev/sda")])
async def test_a_disc_is_in_the_drive_its_image_asks_for(bus: str, root: str) -> None:
    async with a_world() as world:
        world.images.images[IMAGE] = an_image(disk_format="iso", properties={"hw_cdrom_bus": bus})
        id = await world.boot()
        assert Bus(bus) is (await image_told(world, id)).drive
        assert root == (await world.show(id, by="root", at="2.3"))["OS-EXT-SRV-ATTR:root_device_name"]


async def test_a_disc_that_was_shelved_is_a_disc_again() -> None:
    async with a_world() as world:
        world.images.images[IMAGE] = an_image(disk_format="iso")
        id = await world.boot()
        for action in ("shelve", "unshelve"):
            assert 202 == (await world.act(id, by="root", **{action: None})).status
            await world.settle()
        image = await image_told(world, id)
        assert (QCOW2, None, Bus.IDE) == (image.format, image.stored, image.drive)
        assert IMAGE != image.id


@pytest.mark.parametrize("format", ["vmdk", "iso"])
async def test_hosts_of_an_earlier_release_boot_from_what_they_know(format: str) -> None:
    async with a_world() as world:
        less = [ability for ability in HOST_FACTS.abilities if ability != FORMATS]
        await world.agents["h1"].set_facts(msgspec.to_builtins(msgspec.structs.replace(HOST_FACTS, abilities=less)))
        world.images.images[IMAGE] = an_image(disk_format=format)
        server = await world.show(await world.boot())
        assert "ERROR" == server["status"]
        assert "h1: runs an earlier release, which cannot do that (formats)" in server["fault"]["message"]
        world.images.images[IMAGE] = an_image()
        assert "ACTIVE" == (await world.show(await world.boot()))["status"]


async def test_an_image_that_hosts_refuse_leaves_a_server_in_error_that_says_why() -> None:
    async with a_world() as world:
        why = f"Image {IMAGE} is refused by this host: it should be vmdk, and is qcow2"
        world.drivers["h1"].fail_next("ensure", why, times=10)
        world.images.images[IMAGE] = an_image(disk_format="vmdk")
        id = await world.boot()
        server = await world.show(id)
        assert "ERROR" == server["status"]
        assert why in server["fault"]["message"]
        actions = (await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions", at="2.51")).body
        (create,) = actions["instanceActions"]
        shown = await world.ask("GET", f"/v2.1/servers/{id}/os-instance-actions/{create['request_id']}", by="root")
        assert why in str(shown.body), shown.body
