"""/recon and the workers' lines: what tools that watch Swift ask, and how far each worker is."""

import asyncio
from pathlib import Path

from tests.object_store.machines import Machines
from tests.object_store.world import Service, run

from pileus.object_store import manifest

SHAPES = {
    "async": {"async_pending", "async_pending_last"},
    "auditor/account": {
        "account_audits_passed", "account_audits_failed", "account_audits_since", "account_auditor_pass_completed",
    },
    "auditor/container": {
        "container_audits_passed", "container_audits_failed", "container_audits_since",
        "container_auditor_pass_completed",
    },
    "auditor/object": {"object_auditor_stats_ALL", "object_auditor_stats_ZBF"},
    "driveaudit": {"drive_audit_errors"},
    "expirer/object": {"object_expiration_pass", "expired_last_pass"},
    "load": {"1m", "5m", "15m", "tasks", "processes"},
    "quarantined": {"accounts", "containers", "objects", "policies"},
    "reconstruction/object": {"object_reconstruction_time", "object_reconstruction_last"},
    "relinker": {"devices", "workers"},
    "replication/account": {"replication_time", "replication_stats", "replication_last"},
    "replication/container": {"replication_time", "replication_stats", "replication_last"},
    "replication/object": {
        "replication_time", "replication_stats", "replication_last", "object_replication_time", "object_replication_last",
    },
    "sharding": {"sharding_stats", "sharding_time", "sharding_last"},
    "updater/container": {"container_updater_sweep"},
    "updater/object": {"object_updater_sweep", "object_updater_stats", "object_updater_last"},
    "version": {"version"},
}  # fmt: skip


def devices(folder: Path) -> dict[str, object]:
    return {"devices": tuple(str(folder / f"disk{at}") for at in range(3)), "replicas": 3.0, "part_power": 2}


def test_recon_says_what_swift_says(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        async def ask(what: str, token: str | None = "root") -> object:
            said = await service.ask("GET", f"/recon/{what}", token=token)
            assert 200 == said.status, (what, said)
            return said.json

        await service.put("c", b"")
        await service.put("c/o")
        for standing in manifest.standing(service.app):
            if standing.name != "objects: what the cluster is":
                await standing.do()
        for what, keys in SHAPES.items():
            found = await ask(what)
            assert isinstance(found, dict)
            assert keys == found.keys(), what
        assert isinstance(await ask("time"), float)
        assert {"/": sorted(str(tmp_path / f"disk{at}") for at in range(3))} == await ask("devices")
        assert [] == await ask("unmounted")
        (tmp_path / "disk1" / "tmp").rename(tmp_path / "disk1" / "away")
        assert [{"device": str(tmp_path / "disk1"), "mounted": False}] == await ask("unmounted")
        assert {"drive_audit_errors": 1} == await ask("driveaudit")
        usage = await ask("diskusage")
        assert isinstance(usage, list)
        assert [True, False, True] == [one["mounted"] for one in usage]
        assert {"device", "mounted", "size", "used", "avail"} == usage[0].keys()
        for what in ("ringmd5", "swiftconfmd5", "mem", "sockstat", "mounted"):
            assert await ask(what), what
        assert 401 == (await service.ask("GET", "/recon/async", token=None)).status
        assert 403 == (await service.ask("GET", "/recon/async")).status
        assert 404 == (await service.ask("GET", "/recon/nothing", token="root")).status
        assert 405 == (await service.ask("PUT", "/recon/async", token="root")).status

    run(tmp_path, story, **devices(tmp_path))


def test_every_worker_has_a_line_with_progress_and_may_rest(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        works = {one.name: one.do for one in manifest.standing(service.app)}
        lines = {line.name: line for line in service.app.workforce.lines()}
        assert works.keys() == lines.keys()
        assert {
            "objects: copies", "objects: fragments", "objects: audit", "objects: containers that were not told",
            "objects: accounts that were not told", "objects: what expires", "objects: deleted accounts",
            "objects: large containers", "objects: links for more partitions", "objects: dispersion",
            "objects: copies of listings",
        } <= lines.keys()  # fmt: skip
        await service.put("c", b"")
        for number in range(4):
            await service.put(f"c/o{number}")
        await works["objects: audit"]()
        audit = lines["objects: audit"]
        assert (1, 4 * 3) == (audit.passes, audit.seen - 6)  # and the listings of container and account
        assert audit.failed == 0
        assert "100.00 %" in str(await works["objects: dispersion"]())
        assert lines["objects: dispersion"].seen
        assert service.app.workforce.pause("audit", paused=True)
        await works["objects: audit"]()
        assert (1, True) == (audit.passes, audit.paused)
        service.app.workforce.pause("audit", paused=False)
        await works["objects: audit"]()
        assert 2 == audit.passes
        assert not service.app.workforce.pause("no such worker", paused=True)

    run(tmp_path, story, **devices(tmp_path))


def test_recon_of_another_machine(tmp_path: Path) -> None:
    async def story() -> None:
        machines = Machines(tmp_path, replicas=2.0, part_power=2)
        try:
            host = await machines.join("h1", await machines.open())
            manifest.standing(host)
            for path in ("async", "diskusage", "replication/object"):
                said = await machines.ask("GET", f"/recon/{path}", query="host=h1", token="root")
                assert 200 == said.status, said
            assert [str(tmp_path / "h1" / "disk0")] == [
                one["device"].removeprefix("h1:")
                for one in (await machines.ask("GET", "/recon/diskusage", query="host=h1", token="root")).json
            ]
            for host_name in ("nobody", "h1/../x"):
                said = await machines.ask("GET", "/recon/async", query=f"host={host_name}", token="root")
                assert 503 == said.status
        finally:
            await machines.close()

    asyncio.run(story())
