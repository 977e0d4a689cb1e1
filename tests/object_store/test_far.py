"""Storage servers keep one contract, whether they are called in this process or over the network."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from tests.object_store.machines import Machines, elsewhere

from pileus.main import object_certificates as certificates
from pileus.main.state import State
from pileus.object_store.errors import (
    DeviceUnusable,
    Exists,
    Missing,
    NotEmpty,
    StorageProblem,
    Superseded,
    Unreachable,
    WrongPolicy,
)
from pileus.object_store.models.listings import ContainerRow, ObjectRow, Subdir, Wanted
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.models.shards import ACCOUNT as SHARDS
from pileus.object_store.models.shards import Shape, Shard
from pileus.object_store.ring.places import Place
from pileus.object_store.storage.interface import (
    AccountBook,
    ContainerBook,
    Found,
    FoundFile,
    Heard,
    Spot,
    StorageServer,
    Told,
)
from pileus.object_store.storage.published import Reached

OBJECT, CONTAINER, ACCOUNT = Name("AUTH_p1", "c", "o\u00fc"), Name("AUTH_p1", "c"), Name("AUTH_p1")
LARGE = bytes(range(251)) * 20_000  # five blocks
STAMPS = [f"{1_000_000_000 + at}.00000" for at in range(9)]


class Setting:
    """One storage server, and where things are on it."""

    def __init__(self, machines: Machines, server: StorageServer) -> None:
        self.machines = machines
        self.server = server
        self.rings = machines.hosts["h1"].cluster.rings

    def place(self, path: Name) -> Place:
        return next(at for at in self.rings.places(path) if at.device.host == "h1")

    @property
    def spot(self) -> Spot:
        return Spot(self.place(OBJECT), 0, self.rings.hash(OBJECT))

    async def put(self, body: bytes, stamp: str, told: Told | None = None, *, only_new: bool = False) -> None:
        upload = await self.server.objects.upload(self.spot, len(body))
        try:
            for at in range(0, len(body), 1 << 20):
                await upload.write(body[at : at + (1 << 20)])
            about = {"content-length": str(len(body)), "etag": "e", "name": str(OBJECT), "x-object-meta-a": "\u00fc"}
            await upload.keep(stamp, about, told, only_new=only_new)
        finally:
            await upload.drop()

    async def body(self, found: Found | FoundFile, start: int = 0, length: int = 1 << 30) -> bytes:
        return b"".join([part async for part in found.read(start, length)])


Story = Callable[[Setting], Awaitable[None]]


@pytest.fixture(params=["in this process", "over the network"])
def tell(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Story], None]:
    """Runs a story with a storage server that is near, or far."""

    async def whole(story: Story) -> None:
        machines = Machines(tmp_path, replicas=2.0, part_power=2)
        try:
            host = await machines.join("h1", await machines.open())
            near = request.param == "in this process"
            await story(Setting(machines, host.server if near else machines.app.servers.far("h1")))
        finally:
            await machines.close()

    return lambda story: asyncio.run(whole(story))


def test_objects_are_kept_read_replaced_and_deleted(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        objects = at.server.objects
        with pytest.raises(Missing):
            await objects.open(at.spot)
        for body, stamp in ((b"", STAMPS[0]), (b"small", STAMPS[1]), (LARGE, STAMPS[2])):
            await at.put(body, stamp)
            found = await objects.open(at.spot)
            assert (len(body), stamp, stamp) == (found.size, found.stamp, found.changed)
            assert "\u00fc" == found.metadata["x-object-meta-a"]
            assert body == await at.body(found)
            assert body[3:] == await at.body(found, 3)
            assert body[2:1_500_000] == await at.body(found, 2, 1_499_998)
            await found.close()
        with pytest.raises(Superseded) as older:
            await at.put(b"old", STAMPS[1])
        assert STAMPS[2] == older.value.stamp
        with pytest.raises(Exists):
            await at.put(b"again", STAMPS[3], only_new=True)
        before = await objects.update(at.spot, STAMPS[3], {"x-object-meta-a": "b"}, None)
        assert "\u00fc" == before["x-object-meta-a"]
        head = await objects.open(at.spot, whole=False)
        assert ("b", STAMPS[3], len(LARGE)) == (head.metadata["x-object-meta-a"], head.changed, head.size)
        await head.close()
        assert STAMPS[2] == await objects.delete(at.spot, STAMPS[4], str(OBJECT), None)
        with pytest.raises(Missing) as gone:
            await objects.open(at.spot)
        assert STAMPS[4] == gone.value.stamp

    tell(story)


def test_an_open_object_stays_whole_whatever_is_written(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        await at.put(LARGE, STAMPS[0])
        found = await at.server.objects.open(at.spot)
        await at.put(b"other", STAMPS[1])
        assert LARGE == await at.body(found)
        await found.close()
        parts = (await at.server.objects.open(at.spot)).read(0, 5)
        assert b"other" == b"".join([part async for part in parts])

    tell(story)


def test_an_upload_that_is_not_kept_leaves_nothing(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        upload = await at.server.objects.upload(at.spot, len(LARGE))
        await upload.write(LARGE)
        await upload.drop()
        tmp = Path(at.machines.folder / "h1" / "disk0" / "tmp")
        async with asyncio.timeout(60):
            while list(tmp.iterdir()):  # the other end notices in its own time
                await asyncio.sleep(0.01)
        with pytest.raises(Missing):
            await at.server.objects.open(at.spot)

    tell(story)


def test_a_device_that_is_away_says_so(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        (at.machines.folder / "h1" / "disk0" / "tmp").rename(at.machines.folder / "h1" / "away")
        with pytest.raises(DeviceUnusable):
            await at.server.objects.upload(at.spot, 2 << 20)
        with pytest.raises(DeviceUnusable):
            await at.server.containers.put(at.place(CONTAINER), CONTAINER, {}, STAMPS[0], None, 0)

    tell(story)


def test_a_container_is_divided_and_its_shards_report(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        containers, place = at.server.containers, at.place(CONTAINER)
        with pytest.raises(Missing):
            await containers.shape(place, CONTAINER)
        await containers.put(place, CONTAINER, {}, STAMPS[0], None, 0)
        assert not (await containers.shape(place, CONTAINER)).shards
        shards = [
            Shard(account=f"{SHARDS}AUTH_p1", name=name, lower=lower, upper=upper, stamp=STAMPS[1])
            for name, lower, upper in (("one", "", "m"), ("two", "m", ""))
        ]
        await containers.reshape(place, CONTAINER, shards)
        await containers.reshape(place, CONTAINER, [msgspec.structs.replace(shards[0], upper="k", stamp=STAMPS[0])])
        assert shards == list((await containers.shape(place, CONTAINER)).shards)
        # While rows of its range are still here a shard's report does not count; those of none never do.
        await containers.tally(place, CONTAINER, "two", 3, 30, STAMPS[2])
        await containers.tally(place, CONTAINER, "three", 3, 30, STAMPS[2])
        assert 0 == (await containers.facts(place, CONTAINER)).count
        book = ContainerBook(await containers.facts(place, CONTAINER), {}, [], Shape(shards=shards, whole=True))
        await at.server.replicas.take_container(place, book)
        await containers.tally(place, CONTAINER, "two", 3, 30, STAMPS[2])
        await containers.tally(place, CONTAINER, "two", 4, 40, STAMPS[1])
        facts = await containers.facts(place, CONTAINER)
        assert (3, 30, "sharded") == (facts.count, facts.bytes, facts.sharded)
        with pytest.raises(Unreachable):  # its shards were never made: that is no empty listing
            await containers.listed(place, CONTAINER, Wanted())

    tell(story)


def test_containers_and_accounts_are_listed(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        containers, place = at.server.containers, at.place(CONTAINER)
        with pytest.raises(Missing):
            await containers.facts(place, CONTAINER)
        assert await containers.put(place, CONTAINER, {"x-container-meta-a": "b"}, STAMPS[0], None, 0)
        assert not await containers.put(place, CONTAINER, {}, STAMPS[1], None, 0)
        with pytest.raises(WrongPolicy):
            await containers.put(place, CONTAINER, {}, STAMPS[1], 1, 0)
        rows = [ObjectRow(name=name, stamp=STAMPS[2], size=4, etag="e") for name in ("a/1", "a/2", "b\u00fc")]
        await containers.merge(place, CONTAINER, rows)
        facts, entries = await containers.listed(place, CONTAINER, Wanted(delimiter="/"))
        assert ([Subdir("a/"), rows[2]], 3, 12) == (entries, facts.count, facts.bytes)
        assert rows[0] == await containers.row(place, CONTAINER, "a/1")
        assert await containers.row(place, CONTAINER, "none") is None
        with pytest.raises(NotEmpty):
            await containers.delete(place, CONTAINER, STAMPS[3])
        await containers.post(place, CONTAINER, {"x-container-meta-a": ""}, STAMPS[3])
        assert {} == (await containers.facts(place, CONTAINER)).metadata
        accounts, place = at.server.accounts, at.place(ACCOUNT)
        assert await accounts.put(place, ACCOUNT, {}, STAMPS[0])
        await accounts.merge(place, ACCOUNT, [ContainerRow(name="c", put_stamp=STAMPS[0], changed=STAMPS[0], count=3)])
        _, listed = await accounts.listed(place, ACCOUNT, Wanted())
        assert ["c"] == [entry.name for entry in listed]
        await accounts.post(place, ACCOUNT, {"x-account-meta-a": "b"}, STAMPS[1])
        assert {"x-account-meta-a": "b"} == (await accounts.facts(place, ACCOUNT)).metadata
        await accounts.delete(place, ACCOUNT, STAMPS[2])
        assert (await accounts.facts(place, ACCOUNT, deleted_too=True)).deleted

    tell(story)


def test_replicas_are_compared_and_handed_over(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        replicas, spot = at.server.replicas, at.spot
        await at.put(LARGE, STAMPS[0])
        suffix = spot.hash[-2:]
        assert [suffix] == list(await replicas.suffixes(spot.place, 0))
        names = await replicas.names(spot.place, 0, suffix)
        file = await replicas.read(spot.place, 0, names[0])
        there = at.machines.app.server
        theirs = next(one for one in at.rings.places(OBJECT) if one.device.host == "")
        await there.replicas.take(theirs, 0, names[0], file)
        await file.close()
        assert await there.replicas.suffixes(theirs, 0) == await replicas.suffixes(spot.place, 0)
        await at.server.objects.delete(spot, STAMPS[1], str(OBJECT), None)
        again = await there.replicas.read(theirs, 0, names[0])
        await replicas.take(spot.place, 0, names[0], again)  # what is older is not taken, and that is no failure
        await again.close()
        with pytest.raises(Missing):
            await at.server.objects.open(spot)
        with pytest.raises(Missing):
            await replicas.read(spot.place, 0, names[0])
        newer = names[0].replace(STAMPS[0], STAMPS[2])
        again = await there.replicas.read(theirs, 0, names[0])
        await replicas.take(spot.place, 0, newer, again)
        await again.close()
        found = await at.server.objects.open(spot)
        assert LARGE == await at.body(found)
        await found.close()

    tell(story)


def test_ledgers_learn_what_others_know(tell: Callable[[Story], None]) -> None:
    async def story(at: Setting) -> None:
        replicas, place = at.server.replicas, at.place(CONTAINER)
        first = at.machines.app.server
        theirs = next(one for one in at.rings.places(CONTAINER) if one.device.host == "")
        await first.containers.put(theirs, CONTAINER, {"x-container-meta-a": "b"}, STAMPS[0], None, 0)
        facts = await first.containers.facts(theirs, CONTAINER)
        assert -1 == await replicas.heard(place, "AUTH_p1", "c", "x")
        row = ObjectRow(name="o", stamp=STAMPS[1], size=4)
        said = {"x-container-meta-a": ("b", STAMPS[0])}
        await replicas.take_container(place, ContainerBook(facts, said, [row], heard=Heard("x", 7)))
        assert (7, 0) == tuple([await replicas.heard(place, "AUTH_p1", "c", teller) for teller in ("x", "y")])
        found = await at.server.containers.facts(place, CONTAINER)
        assert ({"x-container-meta-a": "b"}, 1) == (found.metadata, found.count)
        place = at.place(ACCOUNT)
        await at.server.accounts.put(place, ACCOUNT, {}, STAMPS[0])
        known = await at.server.accounts.facts(place, ACCOUNT)
        await replicas.take_account(place, AccountBook(known, {}, [ContainerRow(name="x", put_stamp=STAMPS[0])]))
        assert ["x"] == [one.name for one in (await at.server.accounts.listed(place, ACCOUNT, Wanted()))[1]]
        assert 0 == await replicas.heard(place, "AUTH_p1", None, "x")

    tell(story)


def test_only_machines_of_the_cluster_are_answered(tmp_path: Path) -> None:
    async def story() -> None:
        machines = Machines(tmp_path / "ours", replicas=2.0, part_power=2)
        others = Machines(tmp_path / "theirs", replicas=2.0, part_power=2)
        try:
            first = await machines.open()
            await machines.join("h1", first)
            await others.open()
            await others.join("h1", first)
            place = next(iter(others.app.cluster.rings.accounts.places(0)))
            stranger = elsewhere(machines.clock, others.state, first, host=None)  # with another authority's certificate
            try:
                with pytest.raises(Unreachable):
                    await stranger.servers.far("").accounts.facts(place, ACCOUNT)
            finally:
                await stranger.close()
            assert machines.app.keeper is not None
            expelled = machines.hosts["h1"]
            machines.app.keeper.expel("h1")
            with pytest.raises(Unreachable, match="not admitted"):
                await expelled.servers.far("").accounts.facts(place, ACCOUNT)
        finally:
            await others.close()
            await machines.close()

    asyncio.run(story())


def test_a_controller_without_disks_serves_what_the_hosts_keep(tmp_path: Path) -> None:
    async def story() -> None:
        machines = Machines(tmp_path, replicas=3.0, part_power=2)
        further = None
        try:
            first = await machines.open()
            for name in ("h1", "h2", "h3"):
                await machines.join(name, first)
            await machines.put("c", b"")
            await machines.put("c/o", LARGE)
            state = State(tmp_path / "further")
            for name in ("ca.pem", "ca.key"):  # as the operator copies them
                target = certificates.folder(state) / name
                target.write_bytes((certificates.folder(machines.state) / name).read_bytes())
            certificates.ensure_controller(state)
            further = elsewhere(machines.clock, state, first, host=None)
            assert await further.workers.follower.run() is not None
            asking = Machines.over(machines, further)
            assert LARGE == (await asking.ask("GET", "c/o")).body
            assert 201 == (await asking.ask("PUT", "c/p", b"new")).status
            assert b"new" == (await machines.ask("GET", "c/p")).body
            assert ["o", "p"] == await machines.listing("c")
            await machines.app.channel.close()  # the first controller is gone, with its disk
            assert LARGE == (await asking.ask("GET", "c/o")).body
            assert 201 == (await asking.ask("PUT", "c/q", LARGE)).status
            assert LARGE == (await asking.ask("GET", "c/q")).body
        finally:
            if further is not None:
                await further.close()
            await machines.close()

    asyncio.run(story())


def test_a_policy_that_is_added_is_known_to_all_machines(tmp_path: Path) -> None:
    async def story() -> None:
        machines = Machines(tmp_path, replicas=2.0, part_power=2, policies=("gold",))
        again = None
        try:
            await machines.put("c", b"")
            host = await machines.join("h1", await machines.open())
            policies = ("gold", "silver plate", "archive 2+1")
            again = Machines(tmp_path, replicas=2.0, part_power=2, policies=policies)
            known = {policy.name: policy.fragments for policy in again.app.cluster.rings.policies.values()}
            assert {"gold": None, "silver plate": None, "archive": (2, 1)} == known
            assert host.atlas.take(again.app.atlas.cluster)
            assert known == {policy.name: policy.fragments for policy in host.cluster.rings.policies.values()}
            assert [0, 1, 2] == next(iter(host.server.devices)).policies
        finally:
            if again is not None:
                await again.close()
            await machines.close()

    asyncio.run(story())


def test_a_machine_that_knows_no_rings_acknowledges_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        machines = Machines(tmp_path, replicas=2.0, part_power=2)
        lonely = elsewhere(machines.clock, State(tmp_path / "lonely"), Reached("127.0.0.1", 1), host=None)
        try:
            with pytest.raises(StorageProblem):
                await lonely.workers.follower.run()
            asking = Machines.over(machines, lonely)
            assert 503 == (await asking.ask("PUT", "c")).status
            assert 503 == (await asking.ask("PUT", "c/o", b"x")).status
        finally:
            await lonely.close()
            await machines.close()

    asyncio.run(story())
