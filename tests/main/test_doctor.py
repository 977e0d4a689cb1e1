"""Faults are planted in a cloud, one after another: each is found, with cause and remedy, and mended where that is promised."""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.main.assembled import SETTINGS, assembled

from pileus.main import doctor_servers
from pileus.main.doctor import LOOK_AGAIN_S, Finding, Patient, examine, examine_settled, mend
from pileus.main.doctor_machine import Sight, ThisMachine, damage_of
from pileus.main.doctor_visit import CHECKS, patient
from pileus.main.opened import opened
from pileus.main.state import State
from pileus.network.drivers.fake import FakeFabric
from pileus.network.drivers.interface import Topology
from pileus.network.drivers.ovn.plug import device
from pileus.network.flows.topology import topology
from pileus.network.store.world import world

NOBODY = "0f0f0f0f-0000-4000-8000-000000000000"


@dataclasses.dataclass
class FakeMachine:
    """A machine that a test furnishes."""

    state: State
    shows: frozenset[Sight] = frozenset({"servers", "networks"})
    pid: int | None = 1
    running: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    folders: set[str] = dataclasses.field(default_factory=set)
    dead: list[str] = dataclasses.field(default_factory=list)
    links: set[str] = dataclasses.field(default_factory=set)
    spaces: set[str] = dataclasses.field(default_factory=set)
    room: tuple[int, int] = (50 << 30, 100 << 30)

    def controller(self) -> int | None:
        return self.pid

    def qemus(self) -> Sequence[tuple[str, int]]:
        return list(self.running)

    def directories(self) -> set[str]:
        return set(self.folders)

    def dead_daemons(self) -> Sequence[str]:
        return self.dead

    async def taps(self) -> set[str]:
        return set(self.links)

    def doors(self) -> set[str]:
        return set(self.spaces)

    def damage(self) -> str | None:
        return damage_of(self.state)

    def free(self) -> tuple[int, int]:
        return self.room

    async def remove_server(self, id: str) -> None:
        self.running = [(found, pid) for found, pid in self.running if found != id]
        self.folders.discard(id)

    async def remove_tap(self, name: str) -> None:
        self.links.discard(name)

    async def remove_door(self, network_id: str) -> None:
        self.spaces.discard(network_id)


@dataclasses.dataclass
class Ward:
    """A cloud with two servers that run, one that is off and one that was deleted; nobody is at work on it."""

    patient: Patient
    machine: FakeMachine
    fabric: FakeFabric
    state: State
    one: str
    two: str
    off: str
    deleted: str
    network: str

    def sql(self, text: str, *values: object) -> list[tuple[object, ...]]:
        """Somebody edits behind our back."""
        with contextlib.closing(sqlite3.connect(self.state.database, isolation_level=None)) as connection:
            return connection.execute(text, values).fetchall()

    async def findings(self) -> list[Finding]:
        return await examine(self.patient, CHECKS)


@contextlib.asynccontextmanager
async def ward(path: Path) -> AsyncIterator[Ward]:
    """The cloud, examined beside a machine that fits it."""
    async with assembled(path) as cloud:
        _, image, network = await cloud.furnish()
        ids = [await cloud.boot(image, network, name) for name in ("one", "two", "off", "deleted")]
        stopped = await cloud.ask("POST", f"/compute/v2.1/servers/{ids[2]}/action", {"os-stop": None})
        assert stopped.status == 202
        assert (await cloud.ask("DELETE", f"/compute/v2.1/servers/{ids[3]}")).status == 204
        await cloud.until_quiet()
        state = cloud.state
    async with opened(state, SETTINGS) as db:
        machine, fabric = FakeMachine(state), FakeFabric()
        examined = patient(state, SETTINGS, db, machine, fabric)
        made = Ward(examined, machine, fabric, state, *ids, network=network)
        machine.running = [(ids[0], 101), (ids[1], 102)]
        machine.folders = set(ids[:3])
        machine.links = {device(str(row[0])) for row in made.sql("select id from ports where server_id is not null")}
        machine.spaces = {network}
        await fabric.sync(topology(await world(db), ["h1"], SETTINGS.network.dns_domain))
        yield made


Plant = Callable[[Ward], Iterator[None]]
PLANTS: list[tuple[str, bool, Plant]] = []


def plants(code: str, *, mended: bool) -> Callable[[Plant], Plant]:
    """The function plants a fault that is found under this code; after its `yield` it takes back what stays."""

    def keep(plant: Plant) -> Plant:
        PLANTS.append((code, mended, plant))
        return plant

    return keep


@plants("server.wish", mended=True)
def a_wish_is_lost(ward: Ward) -> Iterator[None]:
    ward.sql("delete from wanted where id = ?", ward.one)
    yield


@plants("server.wish", mended=True)
def a_wish_is_turned(ward: Ward) -> Iterator[None]:
    ward.sql("update wanted set body = json_set(body, '$.power', 'off') where id = ?", ward.one)
    yield


@plants("wish.without_server", mended=True)
def a_host_is_told_of_a_server_that_is_not(ward: Ward) -> Iterator[None]:
    ward.sql(
        "insert into wanted select host, kind, ?, generation + 100, body, gone from wanted where id = ?",
        NOBODY,
        ward.one,
    )
    yield
    ward.sql("delete from wanted where id = ?", NOBODY)


@plants("server.stranger", mended=True)
def a_host_reports_a_server_that_is_not(ward: Ward) -> Iterator[None]:
    ward.sql("insert into seen select host, kind, ?, generation, body, present, failure, updated from seen where id = ?",
             NOBODY, ward.one)  # fmt: skip
    yield
    ward.sql("delete from seen where id = ?", NOBODY)
    ward.sql("delete from wanted where id = ?", NOBODY)


ATTACHMENT = (
    "insert into volume_attachments (id, volume_id, project_id, server_id, status, created_at) "
    "values (?, ?, 'p', ?, 'attached', '2026-01-01T00:00:00.000000Z')"
)
DISK = (
    "insert into server_volumes (id, server_id, volume_id, attachment_id, place, delete_on_termination, created_at) "
    "values (?, ?, ?, ?, 1, 0, '2026-01-01T00:00:00.000000Z')"
)


def a_volume(ward: Ward) -> None:
    ward.sql(
        "insert into volumes (id, project_id, user_id, name, size, status, attach_status, content, bootable, multiattach, "
        "metadata, image_metadata, consumes_quota, created_at) "
        "values (?, 'p', 'u', 'v', 1, 'in-use', 'attached', 0, 0, 0, '{}', '{}', 1, '2026-01-01T00:00:00.000000Z')",
        NOBODY,
    )


def no_volume(ward: Ward) -> None:
    for table in ("server_volumes", "volume_attachments", "volumes"):
        ward.sql(f"delete from {table}")


@plants("volume.orphaned_attachment", mended=True)
def an_attachment_outlives_its_server(ward: Ward) -> Iterator[None]:
    a_volume(ward)
    ward.sql(ATTACHMENT, NOBODY, NOBODY, ward.deleted)
    yield
    no_volume(ward)


@plants("volume.not_kept", mended=False)
def an_attachment_is_lost(ward: Ward) -> Iterator[None]:
    a_volume(ward)
    ward.sql(DISK, NOBODY, ward.one, NOBODY, NOBODY)
    yield
    no_volume(ward)


@plants("volume.of_deleted_server", mended=True)
def a_disk_outlives_its_server(ward: Ward) -> Iterator[None]:
    a_volume(ward)
    ward.sql(ATTACHMENT, NOBODY, NOBODY, ward.deleted)
    ward.sql(DISK, NOBODY, ward.deleted, NOBODY, NOBODY)
    yield
    no_volume(ward)


def a_disk_is_lost(ward: Ward, kind: str) -> Iterator[None]:
    ward.sql("insert into wanted values ('h1', ?, ?, 5, ?, 0)", kind, NOBODY,
             f'{{"backend": "file", "origin": {{"kind": "disk", "id": "{NOBODY}"}}}}')  # fmt: skip
    ward.sql("insert into seen values ('h1', ?, ?, 5, '{\"content\": null}', 1, null, '2026-01-01T00:00:00.000000Z')",
             kind, NOBODY)  # fmt: skip
    yield
    for table in ("wanted", "seen"):
        ward.sql(f"delete from {table} where id = ?", NOBODY)


@plants("volume.lost", mended=False)
def a_volume_s_file_is_removed(ward: Ward) -> Iterator[None]:
    yield from a_disk_is_lost(ward, "volume")


@plants("snapshot.lost", mended=False)
def a_snapshot_s_file_is_removed(ward: Ward) -> Iterator[None]:
    yield from a_disk_is_lost(ward, "volume_snapshot")


@plants("host.silent", mended=False)
def a_host_falls_silent(ward: Ward) -> Iterator[None]:
    ward.sql("insert into hosts values ('h9', '{}', '2020-01-01T00:00:00.000000Z', '2020-01-01T00:00:00.000000Z')")
    yield
    ward.sql("delete from hosts where name = 'h9'")


@plants("server.host_unknown", mended=False)
def a_host_is_removed_with_a_server_on_it(ward: Ward) -> Iterator[None]:
    (kept,) = ward.sql("select * from hosts")
    ward.sql("delete from hosts")
    yield
    ward.sql(f"insert into hosts values ({', '.join('?' for _ in kept)})", *kept)


@plants("server.nobody_builds", mended=True)
def a_boot_loses_its_operation(ward: Ward) -> Iterator[None]:
    (kept,) = ward.sql("select launched_at from servers where id = ?", ward.two)
    ward.sql("update servers set launched_at = null where id = ?", ward.two)
    yield
    ward.sql("update servers set launched_at = ?, broken = 0, fault = null where id = ?", kept[0], ward.two)


@plants("server.not_running", mended=False)
def a_qemu_is_gone(ward: Ward) -> Iterator[None]:
    ward.machine.running.remove((ward.one, 101))
    yield
    ward.machine.running.append((ward.one, 101))


@plants("server.still_running", mended=False)
def a_qemu_runs_that_should_not(ward: Ward) -> Iterator[None]:
    ward.machine.running.append((ward.off, 103))
    yield
    ward.machine.running.remove((ward.off, 103))


@plants("server.twice", mended=False)
def a_server_runs_twice(ward: Ward) -> Iterator[None]:
    ward.machine.running.append((ward.one, 104))
    yield
    ward.machine.running.remove((ward.one, 104))


@plants("qemu.stranger", mended=True)
def a_deleted_server_runs_on(ward: Ward) -> Iterator[None]:
    ward.machine.running.append((ward.deleted, 105))
    yield


@plants("qemu.stranger", mended=False)
def a_server_runs_that_nobody_knows(ward: Ward) -> Iterator[None]:
    ward.machine.running.append((NOBODY, 106))
    yield
    ward.machine.running.remove((NOBODY, 106))


@plants("directory.stranger", mended=True)
def a_deleted_server_leaves_its_directory(ward: Ward) -> Iterator[None]:
    ward.machine.folders.add(ward.deleted)
    yield


@plants("room.without_server", mended=True)
def room_is_held_for_nobody(ward: Ward) -> Iterator[None]:
    ward.sql("insert into consumers select ?, project_id, user_id, consumer_type, generation, created_at from consumers "
             "where id = ?", NOBODY, ward.one)  # fmt: skip
    ward.sql("insert into allocations select ?, provider, resource_class, used from allocations where consumer = ?",
             NOBODY, ward.one)  # fmt: skip
    ward.sql("update inventories set used = (select sum(used) from allocations a where a.provider = inventories.provider "
             "and a.resource_class = inventories.resource_class)")  # fmt: skip
    yield


@plants("room.without_server", mended=True)
def room_is_held_by_work_that_is_done(ward: Ward) -> Iterator[None]:
    (done,) = ward.sql("select id from operations where state = 'done' order by id limit 1")
    ward.sql("insert into consumers select ?, project_id, user_id, consumer_type, generation, created_at from consumers "
             "where id = ?", *done, ward.one)  # fmt: skip
    ward.sql("insert into allocations select ?, provider, resource_class, used from allocations where consumer = ?",
             *done, ward.one)  # fmt: skip
    ward.sql("update inventories set used = (select sum(used) from allocations a where a.provider = inventories.provider "
             "and a.resource_class = inventories.resource_class)")  # fmt: skip
    yield


@plants("server.without_room", mended=True)
def a_server_loses_its_room(ward: Ward) -> Iterator[None]:
    ward.sql("delete from allocations where consumer = ?", ward.one)
    ward.sql("delete from consumers where id = ?", ward.one)
    ward.sql("update inventories set used = (select sum(used) from allocations a where a.provider = inventories.provider "
             "and a.resource_class = inventories.resource_class)")  # fmt: skip
    yield


@plants("room.miscounted", mended=True)
def a_sum_is_wrong(ward: Ward) -> Iterator[None]:
    ward.sql("update inventories set used = used + 7 where resource_class = 'VCPU'")
    yield


@plants("port.without_server", mended=True)
def a_port_outlives_its_server(ward: Ward) -> Iterator[None]:
    ward.sql("update servers set deleted_at = created_at where id = ?", ward.two)
    yield
    ward.sql("update servers set deleted_at = null where id = ?", ward.two)


@plants("port.elsewhere", mended=True)
def a_port_is_bound_to_another_host(ward: Ward) -> Iterator[None]:
    ward.sql("update ports set host = 'h7' where server_id = ?", ward.one)
    yield


@plants("tap.stranger", mended=True)
def a_tap_is_left_over(ward: Ward) -> Iterator[None]:
    ward.machine.links.add("tap0f0f0f0f-00")
    yield


@plants("tap.missing", mended=False)
def a_tap_is_deleted(ward: Ward) -> Iterator[None]:
    ((port,),) = ward.sql("select id from ports where server_id = ?", ward.one)
    ward.machine.links.discard(device(str(port)))
    yield
    ward.machine.links.add(device(str(port)))


@plants("door.stranger", mended=True)
def a_namespace_is_left_over(ward: Ward) -> Iterator[None]:
    ward.machine.spaces.add(NOBODY)
    yield


@plants("daemon.dead", mended=False)
def a_daemon_ends(ward: Ward) -> Iterator[None]:
    ward.machine.dead.append("ovn-northd")
    yield
    ward.machine.dead.clear()


@plants("network.differs", mended=True)
def the_switch_is_emptied(ward: Ward) -> Iterator[None]:
    ward.fabric.topology = Topology()
    yield


@plants("image.file_missing", mended=False)
def an_image_loses_its_file(ward: Ward) -> Iterator[None]:
    ((file,),) = ward.sql("select place from image_copies")
    whole = ward.state / "images" / str(file)
    shutil.move(whole, ward.state / "kept")
    yield
    shutil.move(ward.state / "kept", whole)


@plants("image.file_cut", mended=False)
def an_image_loses_its_end(ward: Ward) -> Iterator[None]:
    ((file,),) = ward.sql("select place from image_copies")
    whole = ward.state / "images" / str(file)
    shutil.copy(whole, ward.state / "kept")
    os.truncate(whole, whole.stat().st_size - 1)
    yield
    shutil.move(ward.state / "kept", whole)


@plants("image.file_stranger", mended=True)
def a_file_belongs_to_no_image(ward: Ward) -> Iterator[None]:
    (ward.state / "images" / NOBODY).write_bytes(b"x")
    yield


@plants("operation.stuck", mended=True)
def an_operation_is_stuck(ward: Ward) -> Iterator[None]:
    ward.sql("update operations set state = 'stuck', failure = 'no way back' where subject = ? and flow = 'server.boot'",
             f"server:{ward.one}")  # fmt: skip
    yield
    ward.sql("update operations set state = 'done' where subject = ?", f"server:{ward.one}")


@plants("operation.forgotten", mended=False)
def an_operation_is_forgotten(ward: Ward) -> Iterator[None]:
    ward.sql("update operations set state = 'running', look_again_at = '2020-01-01T00:00:00.000000Z', updated = '2020-01-01T00:00:00.000000Z' where subject = ? "
             "and flow = 'server.boot'", f"server:{ward.one}")  # fmt: skip
    yield
    ward.sql("update operations set state = 'done' where subject = ?", f"server:{ward.one}")


@plants("operation.waits", mended=False)
def a_deletion_waits_for_its_host(ward: Ward) -> Iterator[None]:
    ward.sql("update operations set state = 'running', flow = 'server.delete', step = 'remove from host', begun = '2020-01-01T00:00:00.000000Z', "
             "waiting_why = 'waiting for host vm to remove the server' where subject = ? and flow = 'server.boot'",
             f"server:{ward.one}")  # fmt: skip
    yield
    ward.sql("update operations set state = 'done', flow = 'server.boot' where subject = ?", f"server:{ward.one}")


@plants("cloud.down", mended=False)
def the_cloud_is_down(ward: Ward) -> Iterator[None]:
    ward.machine.pid = None
    yield
    ward.machine.pid = 1


@plants("disk.full", mended=False)
def the_disk_fills(ward: Ward) -> Iterator[None]:
    ward.machine.room = (10 << 20, 100 << 30)
    yield
    ward.machine.room = (50 << 30, 100 << 30)


@pytest.mark.slow
async def test_every_planted_fault_is_found_and_mended_where_promised(tmp_path: Path) -> None:
    wrong = []
    async with ward(tmp_path) as made:
        assert await made.findings() == []
        for code, mended, plant in PLANTS:
            planted = plant(made)
            next(planted)
            found = [finding for finding in await made.findings() if finding.code == code]
            if len(found) < 1 or not all(one.what and one.cause and one.remedy for one in found):
                wrong.append((plant.__name__, "not found", await made.findings()))
            if found and (found[0].mend is not None) != mended:
                wrong.append((plant.__name__, "promises otherwise", found))
            failed = {finding.code: why for finding, why in (await mend(found)).items() if why is not None}
            again = [finding for finding in await made.findings() if finding.code == code]
            if failed or (mended and again):
                wrong.append((plant.__name__, "not mended", failed or again))
            list(planted)
            await mend(await made.findings())
    assert wrong == []
    assert len(PLANTS) >= 20


@pytest.mark.slow
async def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        state = cloud.state
    whole = state.database.read_bytes()
    assert damage_of(state) is None
    state.database.write_bytes(whole[:8192] + b"\xa5" * 4096 + whole[12288:])
    assert damage_of(state)


def test_what_cannot_be_seen_is_not_judged(tmp_path: Path) -> None:
    machine = ThisMachine(State(tmp_path), SETTINGS)
    assert machine.shows == frozenset()


async def test_a_check_that_breaks_is_a_finding_and_the_others_are_made(tmp_path: Path) -> None:
    async def broken(patient: Patient) -> list[Finding]:
        raise OSError("no such socket")

    async def fine(patient: Patient) -> list[Finding]:
        return [Finding("x", "y", "z", "c", "r")]

    found = await examine(None, [broken, fine])  # type: ignore[arg-type]
    assert ["check.failed", "x"] == [one.code for one in found]


async def test_only_what_is_wrong_at_every_look_is_told(tmp_path: Path) -> None:
    looks = iter([("going", "stays"), ("stays", "coming"), ("coming", "stays", "going")])
    tables = iter([{"a", "b"}, {"b", "c"}, {"c"}])
    fine, paused = 0, []

    async def moves(patient: Patient) -> list[Finding]:
        return [Finding("x", subject, "z", "c", "r") for subject in next(looks)]

    async def sums_up(patient: Patient) -> list[Finding]:
        return [Finding("y", "all", "z", "c", "r", parts=frozenset(next(tables)))]

    async def is_fine(patient: Patient) -> list[Finding]:
        nonlocal fine
        fine += 1
        return []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    found = await examine_settled(None, [is_fine, sums_up, moves], pause)  # type: ignore[arg-type]
    assert [("y", "all"), ("x", "stays")] == [(one.code, one.subject) for one in found]
    assert (1, list(LOOK_AGAIN_S)) == (fine, paused)


class Meanwhile:
    """Hosts of a cloud at work: a server comes into being while somebody reads what is wanted of them, and what they report."""

    def __init__(self, ward: Ward) -> None:
        self._ward = ward
        self._hosts = ward.patient.hosts

    def __getattr__(self, name: str) -> object:
        return getattr(self._hosts, name)

    async def wanted_list(self, **which: object) -> object:
        self._one_more()
        return await self._hosts.wanted_list(**which)  # type: ignore[arg-type]

    async def seen_list(self, **which: object) -> object:
        self._one_more()
        return await self._hosts.seen_list(**which)  # type: ignore[arg-type]

    def _one_more(self) -> None:
        id = str(uuid.uuid4())
        for table in ("servers", "wanted", "seen"):
            columns = [str(row[1]) for row in self._ward.sql(f"pragma table_info({table})")]
            kept = ", ".join("?1" if name == "id" else name for name in columns if name != "generation")
            named = ", ".join(name for name in columns if name != "generation")
            if "generation" in columns:
                kept, named = f"{kept}, (select max(generation) + 1 from {table})", f"{named}, generation"
            self._ward.sql(
                f"insert into {table} ({named}) select {kept} from {table} where id = ?2", id, self._ward.one
            )


@pytest.mark.slow
async def test_a_server_that_is_made_between_two_readings_is_not_told_to_go(tmp_path: Path) -> None:
    async with ward(tmp_path) as made:
        busy = msgspec.structs.replace(made.patient, hosts=Meanwhile(made))  # type: ignore[arg-type]
        for check in (doctor_servers.wishes, doctor_servers.reports):
            found = {one.code for one in await check(busy)}
            assert not found & {"wish.without_server", "server.stranger"}
