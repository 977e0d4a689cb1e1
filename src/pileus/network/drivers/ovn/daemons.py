"""The four daemons of a cloud's OVN: started, adopted, repaired, stopped.

    ovsdb-server (three databases) <- ovs-vswitchd, ovn-northd <- ovn-controller

They run in the cloud's own network namespace, in sessions of their own, and outlive this process: a restart finds them by
their pid files. One ovsdb-server holds conf, northbound and southbound; that is two processes and 15 MB fewer.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from pileus.kit.run import ProgramFailed, run
from pileus.kit.timely import timely
from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn import namespace
from pileus.network.drivers.ovn.jsonrpc import RpcFailed, appctl
from pileus.network.drivers.ovn.place import EXTERNAL_BRIDGE, INTEGRATION_BRIDGE, Place

log = logging.getLogger(__name__)

DATABASES = {
    "conf": ("Open_vSwitch", Path("/usr/share/openvswitch/vswitch.ovsschema")),
    "nb": ("OVN_Northbound", Path("/usr/share/ovn/ovn-nb.ovsschema")),
    "sb": ("OVN_Southbound", Path("/usr/share/ovn/ovn-sb.ovsschema")),
}
SERVER = "ovsdb-server"
SWITCH = "ovs-vswitchd"
NORTHD = "ovn-northd"
CONTROLLER = "ovn-controller"
RELAY = "ovsdb-relay"

_LOG_BYTES = 4 << 20
_GONE_S = 5.0
_AFTER_FAILURE_S = 1.0
_PATIENCE_MS = 4000
_CONNECTIONS = "db:OVN_Southbound,SB_Global,connections"


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM by which daemons of several hosts know one another."""

    certificate: str
    key: str
    authority: str

    def options(self) -> list[str]:
        """As OVS' daemons take them."""
        return [f"--private-key={self.key}", f"--certificate={self.certificate}", f"--ca-cert={self.authority}"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a host tells its switch about itself, and which part it has in the cloud.

    With `southbound` ("ssl:HOST:PORT") OVN's databases are elsewhere; with `relay` ("PORT:HOST") other hosts read the
    southbound one here. A relay holds that database alone: hosts do not reach the others.
    """

    host: str
    tunnel_ip: str = "127.0.0.1"
    physical_network: str = "external"
    southbound: str = ""
    relay: str = ""
    tls: Tls | None = None

    @property
    def daemons(self) -> tuple[str, ...]:
        """What runs here, in the order in which they need one another."""
        if self.southbound:
            return (SERVER, SWITCH, CONTROLLER)
        return (SERVER, *((RELAY,) if self.relay else ()), SWITCH, NORTHD, CONTROLLER)

    @property
    def databases(self) -> tuple[str, ...]:
        """What the database server here holds."""
        return ("conf",) if self.southbound else tuple(DATABASES)

    def outside(self, daemon: str) -> bool:
        """Whether a daemon is in the machine's own network, since it talks to other machines, and not in the switch's."""
        return daemon == RELAY or (daemon == CONTROLLER and bool(self.southbound))


class DaemonState(msgspec.Struct, frozen=True):
    """A daemon as `pileus status` shows it."""

    name: str
    pid: int | None
    memory_kib: int = 0
    cpu_s: float = 0.0


class Daemons:
    """Keeps a cloud's OVN running."""

    def __init__(self, place: Place, settings: Settings) -> None:
        self._place = place
        self._settings = settings
        self._one_at_a_time = asyncio.Lock()
        self._patient = True  # An earlier process may have left it so.
        self._written: Settings | None = None  # What the switch has been told.

    def become(self, settings: Settings) -> None:
        """From the next `ensure_running` on, these are the settings."""
        self._settings = settings

    async def ensure_running(self) -> tuple[str, ...]:
        """All daemons run on whole databases; returns the names of those that had to be started."""
        async with self._one_at_a_time:
            self._make_folders()
            started: list[str] = []
            try:
                await self._ensure_namespace()
                await self._ensure_databases()
                for daemon in self._settings.daemons:
                    if not self._in_place(daemon):
                        await self._end_strays(daemon)
                        if daemon == CONTROLLER:
                            await self._write_patience(0 if SWITCH in started else _PATIENCE_MS)
                        await self._start(daemon)
                        started.append(daemon)
                    anew = self._settings != self._written or SERVER in started or self.pid(SWITCH) is None
                    if daemon == SERVER and anew:
                        await self._write_settings()
            except (ProgramFailed, OSError) as failed:
                raise DriverError("start OVN", str(failed)) from failed
            if self._patient and not started:
                await self._write_patience(0)
            await self._trim_logs()
            if started:
                log.info("OVN daemons started", extra={"daemons": started})
            return tuple(started)

    async def keep_running(self, repair: Callable[[], Awaitable[object]], pause_s: float = 30.0) -> None:
        """Never returns: calls `repair` the moment a daemon ends, and every `pause_s` seconds."""
        while True:
            try:
                await self._until_one_ends(pause_s)
                await repair()
            except DriverError as failed:
                log.warning("OVN cannot be repaired", extra={"why": failed.why})
                await asyncio.sleep(_AFTER_FAILURE_S)  # a pause, not a wait: what fails now may work in a second
            except Exception:
                # Whatever it was (a program's half-printed answer, say): who keeps the network running must go on.
                log.exception("the repair of OVN broke")
                await asyncio.sleep(_AFTER_FAILURE_S)

    async def stop(self) -> None:
        """No daemon runs and the namespace is gone."""
        async with self._one_at_a_time:
            for daemon in reversed((*self._settings.daemons, RELAY)):
                await self._end(daemon)
            if namespace.exists(self._place.namespace):
                for daemon in self._settings.daemons:
                    await self._end_strays(daemon)
                await run(["ip", "netns", "delete", self._place.namespace])

    def states(self) -> tuple[DaemonState, ...]:
        """Each daemon with its memory and the CPU time it has used."""
        return tuple(_state(daemon, self.pid(daemon)) for daemon in self._settings.daemons)

    def pid(self, daemon: str) -> int | None:
        """The daemon's process, if it lives."""
        try:
            pid = int(self._place.pidfile(daemon).read_text())
            name = _name(pid)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return None
        return pid if name == _comm(daemon) and state != "Z" else None

    async def control(self, daemon: str, command: str, *args: str) -> str:
        """What a daemon answers to a command on its control socket; raises RpcFailed."""
        path = self._place.control(daemon)
        if daemon == CONTROLLER:  # It takes no --unixctl and names its socket by its process.
            path = self._place.control(f"{daemon}.{self.pid(daemon)}")
        return await appctl(path, command, *args)

    async def vsctl(self, *args: str, wait: bool = True) -> str:
        """What ovs-vsctl prints; with `wait`, the switch has done it when this returns."""
        argv = ["ovs-vsctl", f"--db=unix:{self._place.socket}", "--timeout=20", *([] if wait else ["--no-wait"]), *args]
        try:
            return (await run(argv, env=self._env())).out
        except ProgramFailed as failed:
            raise DriverError("configure Open vSwitch", failed.why) from failed

    def _make_folders(self) -> None:
        for folder in (self._place.run, self._place.root / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        self._place.root.chmod(0o700)

    def _env(self) -> dict[str, str]:
        place = self._place
        folders = {
            f"{kind}_{what}DIR": str(path)
            for kind in ("OVS", "OVN")
            for what, path in (
                ("RUN", place.run),
                ("LOG", place.root / "log"),
                ("DB", place.root),
                ("SYSCONF", place.root),
            )
        }
        # Each thread would otherwise take an arena of its own.
        return {**folders, "MALLOC_ARENA_MAX": "1"}

    async def _ensure_namespace(self) -> None:
        name = self._place.namespace
        if not namespace.exists(name):
            await run(["ip", "netns", "add", name])
        await namespace.within(name, _quiet_ipv6)
        await run(["ip", "-n", name, "link", "set", "lo", "up"])

    async def _ensure_databases(self) -> None:
        missing = [name for name in self._settings.databases if not self._place.database(name).exists()]
        if missing and self.pid(SERVER) is not None:
            # The server still holds what the deleted files had, so nothing is lost: write it down, then start anew.
            for name in missing:
                await self._write_down(name)
            await self._end(SERVER)
        for name in self._settings.databases:
            if not self._place.database(name).exists():
                await run(["ovsdb-tool", "create", str(self._place.database(name)), str(DATABASES[name][1])])
        if missing:
            log.warning("databases made anew", extra={"databases": missing})

    async def _write_down(self, name: str) -> None:
        schema = DATABASES[name][0]
        argv = ["ovsdb-client", "--timeout=10", "backup", f"unix:{self._place.socket}", schema]
        try:
            saved = (await run(argv)).out
        except ProgramFailed as failed:
            log.warning("database could not be saved", extra={"database": schema, "why": failed.why})
            return
        fresh = self._place.database(name).with_suffix(".new")
        fresh.write_text(saved)
        fresh.rename(self._place.database(name))

    async def _start(self, daemon: str) -> None:
        place = self._place
        place.pidfile(daemon).unlink(missing_ok=True)
        for stale in place.run.glob(f"{daemon}*.ctl"):
            stale.unlink()
        control = [] if daemon == CONTROLLER else [f"--unixctl={place.control(daemon)}"]
        within = (
            [] if self._settings.outside(daemon) else ["nsenter", f"--net={namespace.NAMESPACES / place.namespace}"]
        )
        argv = [
            *within, _program(daemon), *self._arguments(daemon),
            "--detach", "--no-chdir", f"--pidfile={place.pidfile(daemon)}", *control,
            f"--log-file={place.log(daemon)}", "-vconsole:off", "-vsyslog:off", "-vfile:info",
        ]  # fmt: skip
        await run(argv, env=self._env(), cwd=place.root)

    def _arguments(self, daemon: str) -> list[str]:
        remote, settings = f"unix:{self._place.socket}", self._settings
        tls = settings.tls.options() if settings.tls is not None else []
        match daemon:
            case "ovsdb-server":
                return [f"--remote=p{remote}", *(str(self._place.database(name)) for name in settings.databases)]
            case "ovsdb-relay":
                return [f"--remote={_CONNECTIONS}", *tls, f"relay:OVN_Southbound:{remote}"]
            case "ovn-controller":
                return [remote, *(tls if settings.southbound else [])]
            case "ovn-northd":
                return [f"--ovnnb-db={remote}", f"--ovnsb-db={remote}", "--n-threads=1"]
            case _:
                return [remote]

    async def _write_connection(self) -> None:
        """Where the relay listens is in the database it relays, since only such connections have a role.

        By OVN's own rules of that role a host writes the rows of its own chassis, which its certificate names.
        """
        await run([
            "ovn-sbctl", f"--db=unix:{self._place.socket}", "--timeout=20", "init",
            "--", "set-connection", "role=ovn-controller", f"pssl:{self._settings.relay}",
        ])  # fmt: skip

    async def _write_settings(self) -> None:
        """Bridges and the switch's view of itself are in conf; ovs-vswitchd reads them when it starts."""
        settings = self._settings
        bridges = [
            part
            for name, mode in ((INTEGRATION_BRIDGE, "secure"), (EXTERNAL_BRIDGE, "standalone"))
            for part in (
                "--", "--may-exist", "add-br", name,
                "--", "set", "Bridge", name, "datapath_type=netdev", f"fail_mode={mode}",
                "other_config:disable-in-band=true",
            )
        ]  # fmt: skip
        await self.vsctl(
            "init", "--", "set", "Open_vSwitch", ".",
            f"external_ids:system-id={settings.host}", f"external_ids:hostname={settings.host}",
            f'external_ids:ovn-remote="{settings.southbound or f"unix:{self._place.socket}"}"',
            "external_ids:ovn-encap-type=geneve", f"external_ids:ovn-encap-ip={settings.tunnel_ip}",
            *([] if settings.southbound else [f"external_ids:ovn-bridge-mappings={settings.physical_network}:{EXTERNAL_BRIDGE}"]),
            # One host needs all of the southbound database anyway; choosing costs more than it saves.
            "external_ids:ovn-monitor-all=true",
            "external_ids:ovn-openflow-probe-interval=0",
            "other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1",
            *bridges,
            wait=False,
        )  # fmt: skip
        if settings.relay:
            await self._write_connection()
        self._written = settings

    def _in_place(self, daemon: str) -> bool:
        """Whether the daemon lives, in the namespace that bears our name now."""
        pid = self.pid(daemon)
        try:
            if pid is not None and daemon == RELAY:
                # One of an earlier release listened by itself, and knew no roles.
                return _CONNECTIONS.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
            if pid is None or self._settings.outside(daemon):
                return pid is not None
            return namespace.is_of(self._place.namespace, pid)
        except OSError:
            return False

    async def _write_patience(self, milliseconds: int) -> None:
        """How long ovn-controller leaves the flows it finds in the switch, while it computes its own.

        Long when it alone is new, so that traffic goes on; else none, since a new switch has no flows and each
        connection would wait for nothing.
        """
        await self.vsctl(
            "set", "Open_vSwitch", ".", f"external_ids:ovn-ofctrl-wait-before-clear={milliseconds}", wait=False
        )
        self._patient = milliseconds > 0

    async def _end(self, daemon: str) -> None:
        pid = self.pid(daemon)
        if pid is not None:
            with contextlib.suppress(RpcFailed):
                await self.control(daemon, "exit")
            await _end_process(pid, _GONE_S)

    async def _end_strays(self, daemon: str) -> None:
        """None of that name is left in the namespace, or known by our pid file: a folder or a namespace was deleted."""
        found = (await run(["ip", "netns", "pids", self._place.namespace])).out.split()
        known = self.pid(daemon)
        # The namespace is the cloud's own, so whoever has the name there is one of ours; a relay is not in it.
        for pid in {int(text) for text in found if _name(int(text)) == daemon} | ({known} if known else set()):
            await _end_process(pid, 0)

    async def _until_one_ends(self, pause_s: float) -> None:
        watches: list[int] = []
        try:
            for daemon in self._settings.daemons:
                pid = self.pid(daemon)
                if pid is None:
                    return
                watches.append(os.pidfd_open(pid))
            await _any_ended(watches, pause_s)
        except ProcessLookupError:
            return
        finally:
            for watch in watches:
                os.close(watch)

    async def _trim_logs(self) -> None:
        for daemon in self._settings.daemons:
            path = self._place.log(daemon)
            if path.exists() and path.stat().st_size > _LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
                with contextlib.suppress(RpcFailed):  # A daemon that hangs will be found by the next look.
                    await self.control(daemon, "vlog/reopen")


def _program(daemon: str) -> str:
    own = {_comm(SERVER): "/usr/sbin/ovsdb-server", SWITCH: "/usr/sbin/ovs-vswitchd"}
    return own.get(_comm(daemon), f"/usr/bin/{daemon}")


def _comm(daemon: str) -> str:
    """What the kernel calls the program."""
    return SERVER if daemon == RELAY else daemon


def _quiet_ipv6() -> None:
    """The namespace's own stack says nothing on the guests' wires."""
    for which in ("all", "default"):
        setting = Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6")
        if setting.exists():
            setting.write_text("1")


def _name(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


async def _end_process(pid: int, grace_s: float) -> None:
    """The process is gone, by force after `grace_s` seconds."""
    with contextlib.suppress(ProcessLookupError):
        watch = os.pidfd_open(pid)
        try:
            if not (grace_s and await _any_ended([watch], grace_s)):
                signal.pidfd_send_signal(watch, signal.SIGKILL)
                await _any_ended([watch], _GONE_S)
        finally:
            os.close(watch)


async def _any_ended(watches: list[int], deadline_s: float) -> bool:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for watch in watches:
        loop.add_reader(watch, ended.set)
    try:
        await timely(ended.wait(), deadline_s)
    except TimeoutError:
        return False
    finally:
        for watch in watches:
            loop.remove_reader(watch)
    return True


def _state(daemon: str, pid: int | None) -> DaemonState:
    if pid is None:
        return DaemonState(daemon, None)
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return DaemonState(daemon, None)
    memory = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
    ticks = int(times[11]) + int(times[12])
    return DaemonState(daemon, pid, memory, ticks / os.sysconf("SC_CLK_TCK"))
