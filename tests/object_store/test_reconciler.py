"""A container that both sides of a parted cluster made, each with another policy: everything written on either side is found."""

from pathlib import Path

import pytest
from tests.object_store.world import Service, run

from pileus.kit.flow.failpoint import FaultInjected, arm
from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.models.shards import Shape
from pileus.object_store.storage.interface import ContainerBook
from pileus.object_store.workers import sharder as sharders

CONTAINER = Name("AUTH_p1", "c")
LARGE = bytes(range(256)) * 2000


def options(folder: Path, other: str = "other") -> dict[str, object]:
    devices = tuple(str(folder / f"disk{at}") for at in range(4))
    return {"replicas": 3.0, "part_power": 2, "devices": devices, "policies": ("first", other)}


async def other_side(service: Service, created: str, policy: int = 0) -> None:
    """What the replicas of a side that made the container at another time have to say."""
    facts = ContainerFacts(account=CONTAINER.account, container="c", created=created, put_stamp=created, policy=policy)
    for place in service.app.cluster.rings.places(CONTAINER):
        await service.app.cluster.servers.of(place).replicas.take_container(
            place, ContainerBook(facts, {}, [], Shape())
        )
    service.app.cluster.changed(CONTAINER)


async def policies(service: Service) -> set[str]:
    return {(await service.ask("HEAD", "c")).headers["x-storage-policy"] for _ in range(3)}


async def reconciled(service: Service) -> str | None:
    service.clock.move(60)
    return await service.app.workers.reconciler.run()


async def made(service: Service) -> str:
    """The container of the later creation, with objects under its policy; return when the other one was made."""
    earlier = service.app.cluster.stamps.next()
    assert 201 == (await service.ask("PUT", "c", headers={"x-storage-policy": "other"})).status
    await service.put("c/small", b"small", x_object_meta_colour="blue")
    await service.put("c/large", LARGE, content_type="x/y")
    assert 202 == (await service.ask("POST", "c/large", headers={"x-object-meta-size": "XL"})).status
    await service.put("c/gone", b"gone")
    return earlier


@pytest.mark.parametrize("other", ["other", "other 2+1"])
def test_what_was_written_under_the_policy_that_lost_is_found_under_the_one_that_won(
    tmp_path: Path, other: str
) -> None:
    async def story(service: Service) -> None:
        earlier = await made(service)
        listed = (await service.ask("GET", "c", query="format=json")).json
        assert None is await reconciled(service)
        await other_side(service, earlier)
        assert {"first"} == await policies(service)
        assert 404 == (await service.ask("GET", "c/small")).status
        assert "3 objects brought under their policy" == await reconciled(service)

        small = await service.ask("GET", "c/small")
        assert (b"small", "blue") == (small.body, small.headers["x-object-meta-colour"])
        large = await service.ask("GET", "c/large")
        assert (LARGE, "x/y", "XL") == (
            large.body,
            large.headers["content-type"],
            large.headers["x-object-meta-size"],
        )
        now = (await service.ask("GET", "c", query="format=json")).json
        told = ("name", "hash", "bytes", "content_type")
        assert [[one[key] for key in told] for one in listed] == [[one[key] for key in told] for one in now]
        assert 204 == (await service.ask("DELETE", "c/gone")).status
        assert None is await reconciled(service)
        data = [one for one in tmp_path.rglob("*.data") if "objects-1" in str(one)]
        assert [] == data  # nothing is left under the other policy
        for name in ("small", "large"):
            assert 204 == (await service.ask("DELETE", f"c/{name}")).status
        assert 204 == (await service.ask("DELETE", "c")).status

    run(tmp_path, story, **options(tmp_path, other))


def test_what_was_written_since_under_the_policy_that_won_is_not_overwritten(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        earlier = await made(service)
        await other_side(service, earlier)
        await service.put("c/small", b"newer")
        await reconciled(service)
        assert b"newer" == (await service.ask("GET", "c/small")).body
        assert b"gone" == (await service.ask("GET", "c/gone")).body

    run(tmp_path, story, **options(tmp_path))


@pytest.mark.parametrize("place", ["written", "removed"])
def test_a_reconciler_that_dies_between_its_steps_goes_on_with_the_next_pass(tmp_path: Path, place: str) -> None:
    async def story(service: Service) -> None:
        await other_side(service, await made(service))
        arm(f"object.reconcile@{place}:raise")
        try:
            with pytest.raises(FaultInjected):
                await reconciled(service)
        finally:
            arm("")
        await reconciled(service)
        assert ["gone", "large", "small"] == await service.listing("c")
        for name, body in (("gone", b"gone"), ("large", LARGE), ("small", b"small")):
            assert body == (await service.ask("GET", f"c/{name}")).body
        assert None is await reconciled(service)
        assert [] == [one for one in tmp_path.rglob("*.data") if "objects-1" in str(one)]

    run(tmp_path, story, **options(tmp_path))


def test_a_divided_container_is_reconciled_as_well(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        earlier = service.app.cluster.stamps.next()
        assert 201 == (await service.ask("PUT", "c", headers={"x-storage-policy": "other"})).status
        names = [f"o{at:02}" for at in range(20)]
        for name in names:
            await service.put(f"c/{name}", name.encode())
        await sharders.ask_for(service.app.cluster, CONTAINER, 8)
        for _ in range(2):
            await service.app.workers.sharder.run()
        await other_side(service, earlier)
        assert "20 objects brought under their policy" == await reconciled(service)
        for name in names:
            assert name.encode() == (await service.ask("GET", f"c/{name}")).body
        assert names == await service.listing("c")

    run(tmp_path, story, **options(tmp_path))


def replica(path: Path, created: str, policy: int, deleted: str = "") -> ContainerLedger:
    ledger = ContainerLedger(str(path / f"{created}-{policy}-{deleted}" / "x.db"))
    facts = ContainerFacts(account="a", container="c", created=created, put_stamp=created, policy=policy)
    ledger.join(facts, {}, [])
    if deleted:
        ledger.delete(deleted)
    return ledger


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("2", 1, ""), ("1", 0, ""), ("1", 0)),
        (("2", 0, ""), ("2", 1, ""), ("2", 0)),
        (("1", 0, "2"), ("3", 1, ""), ("3", 1)),
        (("1", 0, "3"), ("2", 1, ""), ("2", 1)),
    ],
    ids=["the earlier creation", "at the same moment", "one was deleted before", "both are deleted"],
)
def test_both_replicas_come_to_the_same_policy(
    tmp_path: Path, one: tuple[str, int, str], other: tuple[str, int, str], expected: tuple[str, int]
) -> None:
    ledgers = [replica(tmp_path, *one), replica(tmp_path, *other)]
    facts = [ledger.facts(deleted_too=True) for ledger in ledgers]
    for ledger, said in zip(ledgers, reversed(facts), strict=True):
        ledger.join(said, {}, [])
    for ledger in ledgers:
        now = ledger.facts(deleted_too=True)
        assert expected == (now.created, now.policy)
        ledger.ledger.close()
