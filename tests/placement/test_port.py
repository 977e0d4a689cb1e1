"""Room is claimed once, where it fits best, and given back."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.placement.harness import build

from pileus.kit.errors import Conflict
from pileus.placement.app import PlacementApp
from pileus.placement.port import PlacementPort
from pileus.ports.placement import Claim, Inventory, Placement, Refusal

FLAVOR = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
OWNER = {"project_id": "p1", "user_id": "u1"}


def host(vcpu: int = 4, ram: int = 4096) -> dict[str, Inventory]:
    return {
        "VCPU": Inventory(total=vcpu, allocation_ratio=2.0),
        "MEMORY_MB": Inventory(total=ram, reserved=512),
        "DISK_GB": Inventory(total=100),
    }


def with_hosts(test: Callable[[Placement, PlacementApp], Awaitable[None]]) -> None:
    async def whole() -> None:
        app = await build()
        port = PlacementPort(app)
        await port.ensure_provider("h1", "id-1", host(), ["COMPUTE_NODE"])
        await port.ensure_provider("h2", "id-2", host(), ["COMPUTE_NODE", "CUSTOM_FAST"])
        try:
            await test(port, app)
        finally:
            await app.db.close()

    asyncio.run(whole())


def test_the_emptiest_host_is_taken() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        hosts = []
        for number in range(4):
            claim = await port.claim(f"s{number}", FLAVOR, **OWNER)
            assert isinstance(claim, Claim)
            hosts.append(claim.host)
        assert ["h1", "h2", "h1", "h2"] == hosts
        assert {"VCPU": 4, "MEMORY_MB": 2048, "DISK_GB": 4} == await port.usage("p1")

    with_hosts(test)


def test_the_same_consumer_keeps_its_claim() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        first = await port.claim("s1", FLAVOR, **OWNER)
        await port.claim("s2", FLAVOR, **OWNER)
        assert first == await port.claim("s1", FLAVOR, **OWNER)
        assert [first] == await port.claims("s1")

    with_hosts(test)


def test_released_room_is_room_again() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        big = {"MEMORY_MB": 3584}
        assert await port.claim("s1", big, force="h1", **OWNER)
        assert not await port.claim("s2", big, force="h1", **OWNER)
        await port.release("s1")
        await port.release("s1")
        assert await port.claim("s2", big, force="h1", **OWNER)
        assert [] == await port.claims("s1")

    with_hosts(test)


def test_a_refusal_names_each_hosts_reason() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        refusal = await port.claim("s1", {"MEMORY_MB": 9000}, required=["CUSTOM_FAST"], **OWNER)
        assert isinstance(refusal, Refusal)
        assert not refusal
        assert (
            ("h1", "lacks CUSTOM_FAST"),
            ("h2", "has 3584 of 3584 MEMORY_MB left, and 9000 is asked for"),
        ) == refusal.reasons
        assert {} == await port.usage("p1")

    with_hosts(test)


def test_hosts_are_left_out_chosen_or_forced() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        async def where(consumer: str, **how: object) -> str:
            claim = await port.claim(consumer, FLAVOR, **OWNER, **how)  # type: ignore[arg-type]
            return claim.host if isinstance(claim, Claim) else str(claim)

        assert "h2" == await where("a", avoid=["h1"])
        assert "h2" == await where("b", among=["id-2"])
        assert "h2" == await where("c", forbidden=["CUSTOM_NONE"], required=["CUSTOM_FAST"])
        assert "h1" == await where("d", force="h1", required=["CUSTOM_FAST"])
        assert "h9: is not known here" == await where("e", force="h9")
        big = await port.claim("f", {"VCPU": 99}, among=["h2"], **OWNER)
        assert isinstance(big, Refusal)
        assert ["h2"] == [name for name, _ in big.reasons]

    with_hosts(test)


def test_a_claim_is_undone_with_the_transaction_it_is_in() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        with pytest.raises(RuntimeError):
            async with app.db.transaction():
                assert await port.claim("s1", FLAVOR, **OWNER)
                raise RuntimeError("the server's row could not be written")
        assert [] == await port.claims("s1")
        assert all(0 == used for room in await port.rooms() for used in room.used.values())

    with_hosts(test)


def test_many_at_once_never_share_the_last_room() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        claims = await asyncio.gather(*(port.claim(f"s{n}", {"VCPU": 1}, **OWNER) for n in range(30)))
        assert 16 == sum(isinstance(claim, Claim) for claim in claims)
        assert [8, 8] == [room.used["VCPU"] for room in await port.rooms()]

    with_hosts(test)


def test_handing_over_frees_what_the_heir_had() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        await port.claim("server", FLAVOR, force="h1", **OWNER)
        await port.claim("resize", {"VCPU": 2, "MEMORY_MB": 1024}, force="h2", **OWNER)
        for _ in range(2):
            await port.hand_over("resize", "server")
            assert [Claim("server", "id-2", "h2", {"MEMORY_MB": 1024, "VCPU": 2})] == await port.claims("server")
        assert [] == await port.claimed_on("h1")
        assert 0 == (await port.rooms())[0].used["VCPU"]

    with_hosts(test)


def test_ensuring_a_provider_again_changes_nothing() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        before = await port.rooms()
        await port.ensure_provider("h1", "id-1", host(), ["COMPUTE_NODE"])
        assert before == await port.rooms()

    with_hosts(test)


def test_a_shrunken_host_keeps_its_claims_and_takes_no_more() -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        await port.claim("s1", FLAVOR, force="h1", **OWNER)
        await port.ensure_provider("h1", "id-1", {"VCPU": Inventory(total=1)}, [])
        room = (await port.rooms())[0]
        assert {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1} == dict(room.used)
        assert frozenset() == room.traits
        assert not await port.claim("s2", FLAVOR, force="h1", **OWNER)
        with pytest.raises(Conflict):
            await port.forget_provider("id-1")
        await port.release("s1")
        await port.ensure_provider("h1", "id-1", {"VCPU": Inventory(total=1)}, [])
        assert {"VCPU": 0} == dict((await port.rooms())[0].used)
        await port.forget_provider("id-1")
        assert ["h2"] == [room.name for room in await port.rooms()]

    with_hosts(test)


@pytest.mark.parametrize("more", [0, 200], ids=["few", "many"])
def test_a_claim_among_some_hosts_lands_on_one_of_them(more: int) -> None:
    async def test(port: Placement, app: PlacementApp) -> None:
        others = [f"absent-{number}" for number in range(more)]
        claim = await port.claim("s1", FLAVOR, among=["h2", *others], **OWNER)
        assert isinstance(claim, Claim)
        assert "h2" == claim.host
        by_id = await port.claim("s2", FLAVOR, among=["id-1", *others], **OWNER)
        assert isinstance(by_id, Claim)
        assert "h1" == by_id.host
        assert isinstance(await port.claim("s3", FLAVOR, among=["absent", *others], **OWNER), Refusal)

    with_hosts(test)
