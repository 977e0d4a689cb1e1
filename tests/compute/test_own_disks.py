"""Disks of a server's own: scratch and swap, as its flavor says or as was asked for, and where volumes come then."""

from typing import Any

import pytest
from tests.compute.fakes import IMAGE
from tests.compute.test_volumes import attach, listed
from tests.compute.world import World, a_world

BLANK = {"source_type": "blank", "destination_type": "local"}


async def disks(world: World, id: str) -> list[tuple[str, str | None]]:
    """Size and format of each disk its host is told of, besides the one it boots from."""
    (wish,) = [wish for wish in await world.hosts.wanted_list("h1", "server") if wish.id == id]
    return [
        (f"{disk['size_gib']}+{disk.get('size_mib', 0)}", disk.get("format")) for disk in wish.body.get("disks", [])
    ]


async def a_roomy_world_flavor(world: World) -> None:
    await world.flavor("roomy", swap=1536, **{"OS-FLV-EXT-DATA:ephemeral": 4})


def root() -> dict[str, Any]:
    return {
        "boot_index": 0,
        "source_type": "image",
        "destination_type": "local",
        "uuid": IMAGE,
        "delete_on_termination": True,
    }


async def test_a_server_has_the_scratch_and_swap_disks_of_its_flavor() -> None:
    async with a_world(volumes=True) as world:
        await a_roomy_world_flavor(world)
        id, volume = await world.boot(flavorRef="roomy"), await world.volume()
        assert [("4+0", "ext4"), ("1+512", "swap")] == await disks(world, id)
        await attach(world, id, volume)
        await world.settle()
        assert ["/dev/vdd"] == [one["device"] for one in await listed(world, id)]
        assert [] == await disks(world, await world.boot())


async def test_a_server_has_the_disks_it_asks_for_within_what_its_flavor_allows() -> None:
    async with a_world(volumes=True) as world:
        await a_roomy_world_flavor(world)
        asked = [
            root(),
            {**BLANK, "volume_size": 512, "guest_format": "swap", "boot_index": -1},
            {**BLANK, "volume_size": 2, "guest_format": "vfat"},
            {**BLANK, "volume_size": 1},
        ]
        three = [asked[0], *asked[2:]]
        id = await world.boot(flavorRef="roomy", block_device_mapping_v2=three)
        assert [("2+0", "vfat"), ("1+0", "ext4"), ("1+512", "swap")] == await disks(world, id)
        small = await world.boot(flavorRef="roomy", block_device_mapping_v2=[asked[0], asked[1]])
        assert [("4+0", "ext4"), ("0+512", "swap")] == await disks(world, small)


@pytest.mark.parametrize(
    ("devices", "why"),
    [
        ([{**BLANK, "volume_size": 5}], "Ephemeral disks requested are larger than the instance type allows."),
        ([{**BLANK, "volume_size": 1537, "guest_format": "swap"}], "Swap drive requested is larger than"),
        ([{**BLANK, "volume_size": 1, "guest_format": "swap"}] * 2, "More than one swap drive requested."),
        ([{**BLANK, "volume_size": 1}] * 3, "You specified more local devices than the limit allows"),
        ([{**BLANK, "volume_size": 1, "guest_format": "ntfs"}], "Format ntfs is not one of"),
        ([{"source_type": "blank", "destination_type": "volume"}], "need to have non-zero size"),
        (
            [{"source_type": "blank", "destination_type": "volume", "volume_size": 1, "volume_type": "gone"}],
            "Volume type gone could not be found.",
        ),
        ([{**BLANK, "volume_size": 1, "boot_index": 2}], "Boot sequence for the instance"),
    ],
)
async def test_disks_that_cannot_be_are_refused_in_known_words(devices: list[dict[str, Any]], why: str) -> None:
    async with a_world(volumes=True) as world:
        await a_roomy_world_flavor(world)
        answered = await world.create(
            flavorRef="roomy", block_device_mapping_v2=[root(), *devices], at="2.67", networks="none"
        )
        assert (400, True) == (answered.status, why in answered.body["badRequest"]["message"]), answered.body
        assert [] == (await world.ask("GET", "/v2.1/servers")).body["servers"]


async def test_a_server_that_grows_grows_the_disks_its_flavor_gave_it() -> None:
    async with a_world(volumes=True) as world:
        await a_roomy_world_flavor(world)
        await world.flavor("roomier", swap=2048, **{"OS-FLV-EXT-DATA:ephemeral": 8})
        await world.flavor("swapping", swap=1024)
        id = await world.boot(flavorRef="roomy")
        assert 202 == (await world.act(id, resize={"flavorRef": "roomier"})).status
        await world.settle()
        assert [("8+0", "ext4"), ("2+0", "swap")] == await disks(world, id)
        plain, volume = await world.boot(), await world.volume()
        await attach(world, plain, volume)
        await world.settle()
        refused = await world.act(plain, resize={"flavorRef": "swapping"})
        assert (400, True) == (refused.status, "has a swap disk, which would be /dev/vdb" in str(refused.body))
        swapping = await world.boot(flavorRef="swapping")
        refused = await world.act(swapping, resize={"flavorRef": "roomier"})
        assert (400, True) == (refused.status, "would come before the server's swap disk" in str(refused.body))
