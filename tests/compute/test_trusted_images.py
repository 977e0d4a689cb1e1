"""Servers that are made only of images that certain certificates answer for (trusted_image_certificates, since 2.63)."""

from typing import Any

import pytest
from tests.compute.fakes import IMAGE, an_image
from tests.compute.world import World, a_world

from pileus.compute.config import ComputeConfig

OTHER = "44444444-4444-4444-8444-444444444444"
GOOD, BAD = "aaaaaaaa-4444-4444-8444-444444444444", "bbbbbbbb-4444-4444-8444-444444444444"
CERTIFICATES = "trusted_image_certificates"


def sign(world: World) -> None:
    """One image is signed, the other is not."""
    world.images.images[IMAGE] = an_image(properties={"img_signature_certificate_uuid": GOOD})
    world.images.images[OTHER] = an_image(id=OTHER, name="other")


async def boot(world: World, **about: Any) -> str:
    """The id of a server that was asked for."""
    return await world.boot(at="2.63", networks="none", **about)


async def rebuilt(world: World, id: str, **about: Any) -> Any:
    """The answer to a rebuild, once all is quiet."""
    answered = await world.act(id, at="2.63", rebuild=about)
    await world.settle()
    return answered


async def test_a_server_boots_from_an_image_that_its_certificates_answer_for() -> None:
    async with a_world() as world:
        sign(world)
        id = await boot(world, **{CERTIFICATES: [BAD, GOOD]})
        shown = await world.show(id, at="2.63")
        assert ("ACTIVE", [BAD, GOOD]) == (shown["status"], shown[CERTIFICATES])
        assert CERTIFICATES not in await world.show(id, at="2.62")
        assert (await world.show(await boot(world), at="2.63"))[CERTIFICATES] is None


@pytest.mark.parametrize("image", [IMAGE, OTHER], ids=["signed by another", "not signed"])
async def test_a_server_whose_image_they_do_not_answer_for_is_in_error_and_nowhere(image: str) -> None:
    async with a_world() as world:
        sign(world)
        id = await boot(world, imageRef=image, **{CERTIFICATES: [BAD]})
        shown = await world.show(id, at="2.63")
        assert "Image signature certificate validation failed for certificate" in shown["fault"]["message"]
        assert [] == await world.hosts.wanted_list("h1", "server")
        assert [] == await world.placement.claims(id)


async def test_who_names_none_gets_the_operators() -> None:
    async with a_world(config=ComputeConfig(trusted_image_certificates=(GOOD,))) as world:
        sign(world)
        assert [GOOD] == (await world.show(await boot(world), at="2.63"))[CERTIFICATES]
        old = await world.boot(imageRef=OTHER)
        assert [GOOD] == (await world.show(old, at="2.63"))[CERTIFICATES]


async def test_a_rebuild_changes_keeps_and_takes_them_away() -> None:
    async with a_world() as world:
        sign(world)
        id = await boot(world)
        answered = await rebuilt(world, id, imageRef=IMAGE, **{CERTIFICATES: [GOOD]})
        assert [GOOD] == answered.body["server"][CERTIFICATES]
        await rebuilt(world, id, imageRef=IMAGE)
        shown = await world.show(id, at="2.63")
        assert ("ACTIVE", [GOOD]) == (shown["status"], shown[CERTIFICATES])
        await rebuilt(world, id, imageRef=OTHER, **{CERTIFICATES: None})
        shown = await world.show(id, at="2.63")
        assert ("ACTIVE", OTHER, None) == (shown["status"], shown["image"]["id"], shown[CERTIFICATES])


async def test_a_rebuild_that_they_forbid_leaves_the_disk_as_it_was() -> None:
    async with a_world() as world:
        sign(world)
        id = await boot(world, **{CERTIFICATES: [GOOD]})
        (before,) = await world.hosts.wanted_list("h1", "server")
        await rebuilt(world, id, imageRef=OTHER)
        shown = await world.show(id, at="2.63")
        assert ("ERROR", IMAGE) == (shown["status"], shown["image"]["id"])
        assert "certificate validation failed" in shown["fault"]["message"]
        await world.act(id, reboot={"type": "HARD"})
        await world.settle()
        (after,) = await world.hosts.wanted_list("h1", "server")
        assert [before.body[name] for name in ("root", "disk_generation")] == [
            after.body[name] for name in ("root", "disk_generation")
        ]
        assert "ACTIVE" == (await world.show(id))["status"]


@pytest.mark.parametrize(
    "wrong", [[], [""], "x", [GOOD, GOOD], [1], [f"{number}" for number in range(51)], ["x" * 256]]
)
async def test_what_is_no_list_of_them_is_refused(wrong: Any) -> None:
    async with a_world() as world:
        id = await boot(world)
        server = {"name": "s", "flavorRef": "small", "imageRef": IMAGE, "networks": "none", CERTIFICATES: wrong}
        refused = await world.ask("POST", "/v2.1/servers", {"server": server}, at="2.63")
        assert (400, True) == (refused.status, CERTIFICATES in str(refused.body))
        assert 400 == (await world.act(id, at="2.63", rebuild={"imageRef": IMAGE, CERTIFICATES: wrong})).status
        assert 400 == (await world.act(id, at="2.62", rebuild={"imageRef": IMAGE, CERTIFICATES: [GOOD]})).status


async def test_servers_that_boot_from_volumes_take_none() -> None:
    async with a_world(volumes=True) as world:
        sign(world)
        disk = {"boot_index": 0, "uuid": IMAGE, "source_type": "image", "destination_type": "volume", "volume_size": 1}
        server = {"name": "s", "flavorRef": "small", "networks": "none", "block_device_mapping_v2": [disk]}
        refused = await world.ask("POST", "/v2.1/servers", {"server": {**server, CERTIFICATES: [GOOD]}}, at="2.63")
        assert (400, True) == (refused.status, "not supported when booting from volume" in str(refused.body))
