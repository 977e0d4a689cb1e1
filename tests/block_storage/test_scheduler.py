"""Which back end a volume is put into; of those that are refused the message and the log say why."""

import logging
from typing import Any

import pytest
from tests.block_storage.world import World, a_store, a_world

from pileus.block_storage.config import BlockStorageConfig
from pileus.block_storage.models.types import asked_of_backends, unmet

THIN = {"thin_provisioning_support": True, "multiattach": True}
HAS = {
    "qos": True, "compression": "False", "total": 100, "speed": "7.5", "colour": "red", "tiers": ["gold", "silver"],
    "inside": {"deep": {"er": "yes"}}, "words": "alpha beta",
}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("qos", "<is> True"), ("qos", "<is> yes"), ("compression", "<is> False"), ("qos", "true"),
        ("total", "= 100"), ("total", "= 99"), ("total", "== 100"), ("total", "!= 99"), ("total", ">= 100"),
        ("total", "<= 100"), ("speed", "> 7"), ("speed", "< 8.0"), ("colour", "s== red"), ("colour", "s!= blue"),
        ("colour", "s< s"), ("colour", "s<= red"), ("colour", "s> a"), ("colour", "s>= red"), ("colour", "red"),
        ("colour", "<or> blue <or> red"), ("words", "<in> beta"), ("tiers", "silver"), ("tiers", "<or> x <or> gold"),
        ("capabilities:total", ">= 5"), ("capabilities:inside:deep:er", "<is> True"), ("vendor:anything", "at all"),
        ("multiattach", "<is> True"), ("RESKEY:availability_zones", "mars"),
    ],
)  # fmt: skip
def test_a_back_end_has_what_is_asked(spec: str, wanted: str) -> None:
    assert unmet(asked_of_backends({spec: wanted}), HAS) is None


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("qos", "<is> False"), ("compression", "<is> True"), ("qos", "no"), ("total", "= 101"), ("total", "== 99"),
        ("total", "!= 100"), ("total", ">= 101"), ("total", "<= 99"), ("speed", "> 7.5"), ("speed", "< 7.5"),
        ("total", ">="), ("colour", ">= 5"), ("colour", "s== Red"), ("colour", "s!= red"), ("colour", "s< red"),
        ("colour", "s> red"), ("colour", "re"), ("colour", "<or> blue <or> green"), ("words", "<in> gamma"),
        ("tiers", "bronze"), ("tiers", "s== bronze"), ("missing", "<is> False"), ("missing", ""), ("missing", "None"),
        ("capabilities:inside:deep:es", "yes"), ("capabilities:total:deep", "100"), ("capabilities:missing", "x"),
    ],
)  # fmt: skip
def test_a_back_end_has_not_what_is_asked_and_why(spec: str, wanted: str) -> None:
    name = spec.removeprefix("capabilities:")
    why = unmet(asked_of_backends({spec: wanted}), HAS)
    assert why is not None
    assert why.startswith(f"{name} is ")
    assert why.endswith(f" and should be {wanted!r}")


async def sized(world: World, host: str, total: float, free: float, capabilities: dict[str, Any] = THIN) -> None:
    """The back end of the host tells that of itself."""
    room = {"name": "fake", "driver": "fake", "total_gib": total, "free_gib": free, "capabilities": capabilities}
    await world.agents[host].set_facts({"volume_backends": [room]})


async def a_type(world: World, **specs: str) -> str:
    named = {key.replace("__", ":"): value for key, value in specs.items()}
    body = {"volume_type": {"name": "kind", "extra_specs": named}}
    return str((await world.got("POST", "/types", body, by="root"))["volume_type"]["name"])


async def why_nowhere(world: World, caplog: pytest.LogCaptureFixture, hints: Any = None, **asked: Any) -> str:
    """What the message says of a volume for which there is no back end; the log says the same of each."""
    body = {"volume": {"size": 5, **asked}, "OS-SCH-HNT:scheduler_hints": hints}
    with caplog.at_level(logging.DEBUG, "pileus.block_storage.flows.choice"):
        made = await world.got("POST", "/volumes", body)
        await world.settle()
    volume = made["volume"]["id"]
    assert "error" == (await world.show(volume))["status"]
    said = (await world.got("GET", f"/messages?resource_uuid={volume}"))["messages"][0]["user_message"]
    fields = [record.__dict__["fields"] for record in caplog.records if record.name.endswith("flows.choice")]
    logged = [each for each in fields if each["volume"] == volume]
    assert logged
    assert all(each["why"] in said for each in logged), (said, logged)
    return str(said)


async def test_room_is_what_may_be_promised_and_what_is_free(caplog: pytest.LogCaptureFixture) -> None:
    config = BlockStorageConfig(over_subscription=2.0, reserved_percent=10)
    async with a_world(config=config) as world:
        await sized(world, "h1", total=10, free=3)
        assert "has 4 GiB left of the 5 it takes: 3 of 10 GiB are free" in await why_nowhere(world, caplog)
        await sized(world, "h1", total=10, free=10)
        await world.volume(size=14)
        said = await why_nowhere(world, caplog)
        assert "has 4 GiB left of the 5 it takes: 10 of 10 GiB are free, 14 are promised of 2 times that, 10% " in said
        assert "available" == (await world.show(await world.volume(size=4)))["status"]


async def test_what_is_not_thin_is_promised_once(caplog: pytest.LogCaptureFixture) -> None:
    async with a_world() as world:
        await sized(world, "h1", total=4, free=4, capabilities={})
        assert "has 4 GiB left of the 5 it takes" in await why_nowhere(world, caplog)
        await sized(world, "h1", total=4, free=4)
        assert "available" == (await world.show(await world.volume(size=5)))["status"]
        thick = await a_type(world, provisioning__type="thick")
        assert "promised of 1 times that" in await why_nowhere(world, caplog, volume_type=thick)


async def test_what_types_ask_for_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async with a_world() as world:
        kind = await a_type(world, capabilities__tier="<or> gold <or> silver")
        await sized(world, "h1", 100, 100, THIN | {"tier": "bronze"})
        said = await why_nowhere(world, caplog, volume_type=kind)
        asked = "tier is 'bronze' and should be '<or> gold <or> silver'"
        assert f"h1@fake#fake: does not have what type kind asks for: {asked}" in said
        await sized(world, "h1", 100, 100, THIN | {"tier": "silver"})
        assert "available" == (await world.show(await world.volume(volume_type=kind)))["status"]


async def test_back_ends_without_multi_attach_say_so(caplog: pytest.LogCaptureFixture) -> None:
    async with a_world() as world:
        kind = await a_type(world, multiattach="<is> True")
        await sized(world, "h1", 100, 100, {})
        assert "has no multi-attach volumes" in await why_nowhere(world, caplog, volume_type=kind)


async def test_admins_hosts_and_hints_refuse_back_ends(caplog: pytest.LogCaptureFixture) -> None:
    async with a_world("h1", "h2") as world:
        one = await world.volume()
        place = (await world.show(one, by="root"))["os-vol-host-attr:host"]
        other = "h2" if place.startswith("h1") else "h1"
        service = {"host": f"{other}@fake", "binary": "cinder-volume"}
        await world.got("PUT", "/os-services/disable", service, by="root")
        said = await why_nowhere(world, caplog, {"different_host": one})
        assert f"{other}@fake#fake: is disabled" in said
        assert f"{place}: has a volume the new one was to be apart from" in said
        await world.got("PUT", "/os-services/enable", service, by="root")
        await sized(world, place.partition("@")[0], 1, 0)
        assert f"{other}@fake#fake: has none of the volumes" in await why_nowhere(world, caplog, {"same_host": [one]})


async def test_back_ends_that_could_not_make_a_volume_are_not_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    async with a_world("h1", "h2") as world:
        for name, why in (("h1", "disk on fire"), ("h2", "disk under water")):
            world.backends[name].fail_next("ensure_disk", why, times=100)
        said = await why_nowhere(world, caplog)
        for name, why in (("h1", "disk on fire"), ("h2", "disk under water")):
            assert f"{name}@fake#fake: could not make the volume:" in said
            assert why in said


async def test_a_volume_goes_where_most_may_be_promised_but_a_copy_to_what_it_is_made_of() -> None:
    async with a_world("h1", more={"h1": [a_store("large", gib=3000)]}) as world:
        await sized_rooms(world, {"fake": 100, "large": 300})
        first = await world.volume(size=1)
        assert "h1@large#large" == (await world.show(first, by="root"))["os-vol-host-attr:host"]
        # What is promised counts, not only what is written.
        await world.got("PUT", "/os-quota-sets/p1", {"quota_set": {"gigabytes": -1}}, by="root")
        await world.volume(size=5000)
        second = await world.volume(size=1)
        assert "h1@fake#fake" == (await world.show(second, by="root"))["os-vol-host-attr:host"]
        copy = await world.volume(size=1, source_volid=first)
        assert "h1@large#large" == (await world.show(copy, by="root"))["os-vol-host-attr:host"]


async def sized_rooms(world: World, totals: dict[str, int]) -> None:
    rooms = [
        {"name": name, "driver": "fake", "total_gib": total, "free_gib": total, "capabilities": THIN}
        for name, total in totals.items()
    ]
    await world.agents["h1"].set_facts({"volume_backends": rooms})
