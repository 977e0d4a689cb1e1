"""What a machine of the cluster says of itself, as Swift's storage servers do below /recon: tools that watch Swift read it.

Shapes and names are Swift's; times are seconds since 1970, durations those of the last pass.
"""

import os
import resource
from collections.abc import Callable, Mapping
from hashlib import md5
from pathlib import Path
from typing import Any

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.storage.devices import LocalDevice
from pileus.object_store.storage.local import LocalServer
from pileus.object_store.storage.published import Atlas
from pileus.object_store.workers.lines import Line, Workforce

VERSION = "2.38.1"  # of the Swift whose answers these are
NAMES = {
    "updater": "objects: containers that were not told",
    "teller": "objects: accounts that were not told",
    "replicator": "objects: copies",
    "reconstructor": "objects: fragments",
    "ledgers": "objects: copies of listings",
    "auditor": "objects: audit",
    "expirer": "objects: what expires",
    "sharder": "objects: large containers",
    "relinker": "objects: links for more partitions",
}
Answer = Callable[[str], object]


class NoSuchCheck(StorageProblem):
    """There is nothing called {name} below /recon."""


class Recon:
    """Answers for one machine. Looks at disks, so it belongs in threads."""

    def __init__(self, server: LocalServer, atlas: Atlas, workforce: Workforce, now: Callable[[], float]) -> None:
        self._server = server
        self._atlas = atlas
        self._workforce = workforce
        self._now = now
        self._checks: Mapping[str, Answer] = {
            "async": self._async,
            "auditor": self._auditor,
            "devices": lambda of: {"/": sorted(device.name for device in self._server.devices)},
            "diskusage": lambda of: [_usage(device) for device in self._server.devices],
            "driveaudit": lambda of: {"drive_audit_errors": sum(not _mounted(one) for one in self._server.devices)},
            "expirer": self._expirer,
            "load": lambda of: _load(),
            "mem": lambda of: _mem(),
            "mounted": lambda of: _mounts(),
            "quarantined": lambda of: self._quarantined(),
            "reconstruction": self._reconstruction,
            "relinker": lambda of: self._relinker(),
            "replication": self._replication,
            "ringmd5": lambda of: self._rings(),
            "sharding": lambda of: self._sharding(),
            "sockstat": lambda of: _sockets(),
            "swiftconfmd5": lambda of: {"cluster.json": _md5(self._atlas.file)},
            "time": lambda of: self._now(),
            "unmounted": lambda of: [
                {"device": one.name, "mounted": False} for one in self._server.devices if not _mounted(one)
            ],
            "updater": self._updater,
            "version": lambda of: {"version": VERSION},
        }

    def answer(self, check: str, of: str = "") -> object:
        """What is asked for: `async`, or `replication` of `object`; raises NoSuchCheck."""
        found = self._checks.get(check)
        if found is None:
            raise NoSuchCheck(name=check)
        return found(of)

    def _line(self, worker: str) -> Line:
        wanted = NAMES[worker]
        return next((line for line in self._workforce.lines() if line.name == wanted), Line(wanted))

    def _async(self, of: str) -> object:
        count = sum(len(names) for one in self._server.devices for _, _, names in os.walk(_below(one, "async_pending")))
        return {"async_pending": count, "async_pending_last": _at(self._line("updater"))}

    def _replication(self, of: str) -> object:
        line = self._line("replicator" if of in {"", "object"} else "ledgers")
        if of not in {"", "object", "container", "account"}:
            raise NoSuchCheck(name=of)
        stats = {"attempted": line.seen, "success": line.done, "failure": line.failed, "start": _at(line)}
        answer = {"replication_time": line.took_s, "replication_stats": stats, "replication_last": _ended(line)}
        if of in {"", "object"}:
            answer |= {"object_replication_time": line.took_s / 60, "object_replication_last": _ended(line)}
        return answer

    def _reconstruction(self, of: str) -> object:
        line = self._line("reconstructor")
        return {"object_reconstruction_time": line.took_s / 60, "object_reconstruction_last": _ended(line)}

    def _updater(self, of: str) -> object:
        if of == "container":
            return {"container_updater_sweep": self._line("teller").took_s}
        if of != "object":
            raise NoSuchCheck(name=of)
        line = self._line("updater")
        stats = {"successes": line.done, "failures": line.failed}
        return {"object_updater_sweep": line.took_s, "object_updater_stats": stats, "object_updater_last": _ended(line)}

    def _auditor(self, of: str) -> object:
        line = self._line("auditor")
        if of in {"account", "container"}:
            return {
                f"{of}_audits_passed": line.seen - line.failed,
                f"{of}_audits_failed": line.failed,
                f"{of}_audits_since": _at(line),
                f"{of}_auditor_pass_completed": line.took_s,
            }
        if of != "object":
            raise NoSuchCheck(name=of)
        stats = {
            "audit_time": line.took_s, "bytes_processed": 0, "errors": int(bool(line.failure)), "passes": line.seen,
            "quarantined": line.failed, "start_time": _at(line),
        }  # fmt: skip
        return {"object_auditor_stats_ALL": stats, "object_auditor_stats_ZBF": {}}

    def _expirer(self, of: str) -> object:
        if of != "object":
            raise NoSuchCheck(name=of)
        line = self._line("expirer")
        return {"object_expiration_pass": line.took_s, "expired_last_pass": line.done}

    def _sharding(self) -> object:
        line = self._line("sharder")
        visited = {"attempted": line.seen, "success": line.seen - line.failed, "failure": line.failed}
        moved = {"min_time": None, "max_time": None, "objects": line.done}
        return {
            "sharding_stats": {"sharding": {"visited": visited, "cleaved": moved}},
            "sharding_time": line.took_s,
            "sharding_last": _ended(line),
        }

    def _relinker(self) -> object:
        line = self._line("relinker")
        of_one = {"timestamp": _ended(line), "total_time": line.took_s, "stats": {"linked": line.done}}
        return {"devices": {one.name: of_one for one in self._server.devices}, "workers": {str(os.getpid()): of_one}}

    def _quarantined(self) -> object:
        found: dict[str, Any] = {"accounts": 0, "containers": 0, "objects": 0, "policies": {}}
        for index in sorted(self._server.rings.policies):
            kept = f"objects-{index}" if index else "objects"
            count = sum(_entries(_below(one, "quarantined", kept)) for one in self._server.devices)
            found["policies"][str(index)] = {"objects": count}
            found["objects"] += count
        for kind in ("accounts", "containers"):
            found[kind] = sum(_entries(_below(one, "quarantined", kind)) for one in self._server.devices)
        return found

    def _rings(self) -> object:
        return {
            f"{name}.ring": md5(msgspec.msgpack.encode(ring), usedforsecurity=False).hexdigest()
            for name, ring in self._atlas.cluster.rings.items()
        }


def _at(line: Line) -> float | None:
    return line.began.timestamp() if line.began is not None else None


def _ended(line: Line) -> float | None:
    return line.began.timestamp() + line.took_s if line.began is not None else None


def _below(device: LocalDevice, *names: str) -> str:
    return os.path.join(device.volume.root, *names)


def _entries(folder: str) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _mounted(device: LocalDevice) -> bool:
    """Whether the device can be used: its directory is there, with the mark that it was prepared."""
    return os.path.isdir(device.volume.tmp)


def _usage(device: LocalDevice) -> object:
    if not _mounted(device):
        return {"device": device.name, "mounted": False, "size": "", "used": "", "avail": ""}
    found = os.statvfs(device.volume.root)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    used = size - found.f_bfree * found.f_frsize
    return {"device": device.name, "mounted": True, "size": size, "used": used, "avail": free}


def _mounts() -> list[dict[str, str]]:
    lines = Path("/proc/mounts").read_text().splitlines()
    return [{"device": device, "path": path} for device, path, *_ in (line.split() for line in lines)]


def _load() -> object:
    one, five, fifteen, tasks, processes = Path("/proc/loadavg").read_text().split()
    return {"1m": float(one), "5m": float(five), "15m": float(fifteen), "tasks": tasks, "processes": int(processes)}


def _mem() -> object:
    pairs = (line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return {name: value.strip() for name, value in pairs}


def _sockets() -> object:
    found: dict[str, int] = {}
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP: inuse"):
            words = line.split()
            pairs = dict(zip(words[1::2], words[2::2], strict=True))
            found = {
                "tcp_in_use": int(pairs["inuse"]),
                "orphan": int(pairs["orphan"]),
                "time_wait": int(pairs["tw"]),
                "tcp_mem_allocated_bytes": int(pairs["mem"]) * resource.getpagesize(),
            }
    six = Path("/proc/net/sockstat6")
    for line in six.read_text().splitlines() if six.exists() else ():
        if line.startswith("TCP6: inuse"):
            found["tcp6_in_use"] = int(line.split()[2])
    return found


def _md5(file: Path) -> str:
    try:
        return md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return ""
