"""A machine to boot the built-in guest in, a metadata service and a config drive to tell it who it is."""

import asyncio
import contextlib
import http.server
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests.ports import free_port

from pileus.guest import Guest, ensure

BOOT_S = 240.0
SECTOR = 2048


class Machine:
    """A running QEMU: its serial console is read here, its monitor and its two forwarded ports are asked."""

    def __init__(self, argv: Sequence[str], *, monitor: Path, ssh_port: int, http_port: int, key: Path) -> None:
        self.ssh_port, self.http_port, self.key, self.seen = ssh_port, http_port, key, ""
        self._monitor_path = monitor
        self._read_to = 0
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def until(self, words: str, deadline_s: float = BOOT_S) -> None:
        """The console has said these words since the last call."""
        assert self.process.stdout is not None
        end = time.monotonic() + deadline_s
        while words not in self.seen[self._read_to :]:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {words!r} within {deadline_s} s; the console said: {self.seen[-2000:]}"
            read = os.read(self.process.stdout.fileno(), 65536)
            assert read, f"QEMU ended; the console said: {self.seen[-2000:]}"
            self.seen += read.decode(errors="replace")
        self._read_to = self.seen.index(words, self._read_to) + len(words)

    def type(self, line: str) -> None:
        """Someone types at the serial console."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def ask(self, command: str, **arguments: object) -> None:
        """QEMU's monitor has done this."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor_path))
            with monitor.makefile("rw") as lines:
                lines.readline()
                for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                    lines.write(json.dumps(request) + "\n")
                    lines.flush()
                    answer = json.loads(lines.readline())
                    while "event" in answer:
                        answer = json.loads(lines.readline())
                    assert "error" not in answer, answer

    def ssh(self, command: str, user: str = "root") -> str:
        """What a command printed that was run over SSH with the key."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
        argv = ["ssh", "-q", *options, "-i", str(self.key), "-p", str(self.ssh_port), f"{user}@127.0.0.1", command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
        assert 0 == done.returncode, done.stderr or done.stdout
        return done.stdout

    def get(self, path: str) -> str:
        """The page the guest's web server shows."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def ended(self, deadline_s: float) -> int:
        """QEMU's exit code, once it has ended by itself."""
        return self.process.wait(deadline_s)

    def end(self) -> None:
        """No process is left."""
        self.process.kill()
        self.process.communicate()


class Service(http.server.BaseHTTPRequestHandler):
    """The metadata service as a guest sees it."""

    pages: Mapping[str, bytes]

    def do_GET(self) -> None:
        page = self.pages.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def metadata_service(pages: Mapping[str, bytes]) -> Iterator[int]:
    """The port of a service that answers with these pages."""
    handler = type("Answers", (Service,), {"pages": pages})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def describe(key: Path, name: str) -> bytes:
    """What the cloud tells a server about itself."""
    public = key.with_suffix(".pub").read_text()
    return json.dumps(
        {"uuid": f"uuid-of-{name}", "hostname": f"{name}.cloud", "name": name, "public_keys": {"k": public}}
    ).encode()


def config_drive(meta_data: bytes, user_data: bytes) -> bytes:
    """An ISO 9660 image with the label config-2: volume at sector 16, then three folders and two files."""
    places = {"root": 18, "openstack": 19, "latest": 20, "meta": 21, "user": 31}

    def record(name: bytes, place: int, size: int, folder: bool) -> bytes:
        body = struct.pack("<I", place) + struct.pack(">I", place) + struct.pack("<I", size) + struct.pack(">I", size)
        body += bytes(7) + bytes([2 if folder else 0, 0, 0]) + struct.pack("<H", 1) + struct.pack(">H", 1)
        body += bytes([len(name)]) + name + (b"" if len(name) % 2 else b"\0")
        return bytes([len(body) + 2, 0]) + body

    def folder(place: int, parent: int, *entries: bytes) -> bytes:
        return (record(b"\0", place, SECTOR, True) + record(b"\1", parent, SECTOR, True) + b"".join(entries)).ljust(
            SECTOR, b"\0"
        )

    def both(number: int, form: str) -> bytes:
        return struct.pack("<" + form, number) + struct.pack(">" + form, number)

    volume = b"\1CD001\1\0" + b" " * 32 + b"config-2".ljust(32) + bytes(8) + both(41, "I") + bytes(32)
    volume += both(1, "H") + both(1, "H") + both(SECTOR, "H") + bytes(24) + record(b"\0", places["root"], SECTOR, True)
    content = [
        volume.ljust(SECTOR, b"\0"),
        b"\xffCD001\1".ljust(SECTOR, b"\0"),
        folder(18, 18, record(b"OPENSTACK", 19, SECTOR, True)),
        folder(19, 18, record(b"LATEST", 20, SECTOR, True)),
        folder(
            20,
            19,
            record(b"META_DATA.JSON;1", 21, len(meta_data), False),
            record(b"USER_DATA.;1", 31, len(user_data), False),
        ),
        meta_data.ljust(10 * SECTOR, b"\0"),
        user_data.ljust(10 * SECTOR, b"\0"),
    ]
    return bytes(16 * SECTOR) + b"".join(content)


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """The built-in guest, really made: it takes seconds."""
    return asyncio.run(ensure(tmp_path_factory.mktemp("guest"), print))


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder with a short name: a monitor's socket must fit into 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def key(home: Path) -> Path:
    """Someone's SSH key."""
    path = home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def metadata(key: Path) -> Iterator[Callable[[str, bytes], int]]:
    """Starts metadata services, for a server of that name with that user data; gives their ports."""
    with contextlib.ExitStack() as cleanup:

        def serve(name: str, user_data: bytes) -> int:
            root = "/openstack/latest"
            files = [{"path": "/etc/given/words", "content_path": "/content/0000"}]
            pages = {
                f"{root}/meta_data.json": json.dumps({**json.loads(describe(key, name)), "files": files}).encode(),
                f"{root}/user_data": user_data,
                "/openstack/content/0000": b"words\nthat were given\n",
            }
            return cleanup.enter_context(metadata_service(pages))

        yield serve


@pytest.fixture
def drive(key: Path, home: Path) -> Callable[[str, bytes], Path]:
    """Makes config drives."""

    def make(name: str, user_data: bytes) -> Path:
        path = home / f"{name}.iso"
        path.write_bytes(config_drive(describe(key, name), user_data))
        return path

    return make


@pytest.fixture(scope="module")
def boot(guest: Guest, home: Path, key: Path) -> Iterator[Callable[..., Machine]]:
    """Boots machines with the guest's disk; all are gone when the module's tests end."""
    with contextlib.ExitStack() as cleanup:

        def start(
            name: str, *, ram_mib: int = 128, kind: str = "pc", metadata_port: int = 0, devices: Sequence[str] = ()
        ) -> Machine:
            disk, monitor = home / f"{name}.qcow2", home / f"{name}.qmp"
            create = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(guest.image), str(disk)]
            subprocess.run(create, check=True)
            ssh_port, http_port = free_port(), free_port()
            net = "user,id=n0,net=169.254.0.0/16"
            net += f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22,hostfwd=tcp:127.0.0.1:{http_port}-:80"
            if metadata_port:
                net += f",guestfwd=tcp:169.254.169.254:80-cmd:busybox nc 127.0.0.1 {metadata_port}"
            argv = [
                *("qemu-system-x86_64", "-accel", "tcg", "-machine", kind, "-m", str(ram_mib), "-nodefaults"),
                *("-display", "none", "-serial", "stdio", "-qmp", f"unix:{monitor},server=on,wait=off"),
                *("-drive", f"if=none,id=d0,file={disk},format=qcow2", "-device", "virtio-blk-pci,drive=d0"),
                *("-netdev", net, "-device", "virtio-net-pci,netdev=n0", "-device", "virtio-rng-pci", *devices),
            ]
            machine = Machine(argv, monitor=monitor, ssh_port=ssh_port, http_port=http_port, key=key)
            cleanup.callback(machine.end)
            return machine

        yield start
