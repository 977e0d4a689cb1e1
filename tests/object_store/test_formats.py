"""What an earlier version wrote is read, listed, changed and mended by this one.

`written_by_format_1.json.gz` holds the disks of a small cluster as the version before shards left them: every file, with its extended
attributes. Files written by a later format than this one knows are refused with a reason.
"""

import base64
import gzip
import json
import os
import sqlite3
from pathlib import Path

import pytest
from tests.object_store.world import Service, run

from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.disk.ledger import LaterFormat
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.workers.sharder import Sharder, ask_for

FIXTURE = Path(__file__).parent / "written_by_format_1.json.gz"
BODIES = {"small": b"small " * 100, "large": bytes(range(251)) * 1500}
OPTIONS = {
    "devices": tuple(
        f"w/disk{number}" for number in range(6)
    ),  # below the folder the test is in: names are in the rings
    "replicas": 2.0,
    "part_power": 1,
    "policies": ("whole", "coded 4+2"),
}


def restored(folder: Path) -> None:
    """The disks are as they were."""
    for file in json.loads(gzip.decompress(FIXTURE.read_bytes())):
        path = folder / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(file["bytes"]))
        for name, value in file["attributes"].items():
            os.setxattr(path, name, base64.b64decode(value))


async def as_written(service: Service) -> None:
    for container in ("c", "coded"):
        for name, body in BODIES.items():
            said = await service.ask("GET", f"{container}/{name}")
            assert (200, body) == (said.status, said.body), (container, name)
        assert "b" == (await service.ask("HEAD", f"{container}/small")).headers["x-object-meta-a"]
        assert "yes" == (await service.ask("HEAD", f"{container}/large")).headers["x-object-meta-later"]
        assert 404 == (await service.ask("GET", f"{container}/gone")).status
        assert {*BODIES, "gone"} & {*await service.listing(container)} == {*BODIES}
    assert "blue" == (await service.ask("HEAD", "c")).headers["x-container-meta-colour"]


def versions(folder: Path) -> set[int]:
    """The formats of all ledgers of containers."""
    found = set()
    for file in folder.glob("w/disk*/containers/*/*/*/*.db"):
        connection = sqlite3.connect(file)
        found.add(int(connection.execute("PRAGMA user_version").fetchone()[0]))
        connection.close()
    return found


def test_what_the_version_before_wrote_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restored(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert {1} == versions(tmp_path)

    async def story(service: Service) -> None:
        service.clock.move(3600)
        await as_written(service)
        workers = service.app.workers
        for worker in (workers.ledgers, workers.replicator, workers.reconstructor, workers.auditor, workers.sharder):
            await worker.run()
        assert 0 == workers.auditor.quarantined
        await as_written(service)
        await service.put("c/new", b"new")
        await ask_for(service.app.cluster, Name("AUTH_p1", "c"), 1)
        for _ in range(2):
            await Sharder(service.app.server.devices, service.app.cluster).run()
        assert ["large", "new", "small"] == await service.listing("c")
        assert service.app.keeper is not None
        service.app.keeper.double(1)
        for _ in range(2):
            await workers.relinker.run()
            await workers.follower.run()
        assert [] == service.app.keeper.doubling()
        await as_written(service)

    run(Path("w"), story, **OPTIONS)
    assert {2} == versions(tmp_path)


def test_what_a_later_version_wrote_is_left_alone(tmp_path: Path) -> None:
    ledger = ContainerLedger(str(tmp_path / "x.db"))
    ledger.put(ContainerFacts(account="a", container="c", created="1", put_stamp="1"), {}, "1", None)
    ledger.ledger.close()
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(LaterFormat, match="99"):
        ledger.facts()
    ledger.ledger.close()
    assert before == (tmp_path / "x.db").read_bytes()
