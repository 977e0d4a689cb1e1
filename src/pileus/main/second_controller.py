"""A second controller for a cloud that is judged: over a PostgreSQL of its own, with keys and images that both have.

    first controller, the host  ->  PostgreSQL  <-  second controller, no host

What was begun at one of them is gone on with at the other, as behind a balancer that sends every request elsewhere.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pileus.main import packages
from pileus.main.settings import remember_only
from pileus.main.state import State

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
NEEDED = (packages.Program("postgresql", str(PROGRAMS / "postgres")),)
# Nothing of it has to survive: the cloud is destroyed with it.
UNSAFE = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses= -c unix_socket_permissions=0777"


@contextlib.contextmanager
def database(home: Path) -> Iterator[str]:
    """The address of an empty database of a server that runs while the block lasts."""
    folder = home / "pg"
    folder.mkdir()
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    control = [*user, str(PROGRAMS / "pg_ctl"), "-D", f"{folder}/data", "-s", "-w", "-t", "120"]
    said = "--auth=trust --username=pileus --encoding=UTF8 --locale=C.UTF-8 --no-sync"
    subprocess.run([*control, "initdb", "-o", said], cwd=folder, check=True)
    try:
        with (folder / "log").open("wb") as log:
            starting = [*control, "start", "-o", f"-k {folder} {UNSAFE}"]
            subprocess.run(starting, cwd=folder, check=True, stdout=log, stderr=log)
        yield f"postgresql://pileus@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "stop", "-m", "immediate"], cwd=folder, check=False)


def first_of_two(gate: Path, home: Path, address: str) -> Path:
    """Configuration like that of the gate, of a controller that is not alone."""
    state = State(home / "gate")
    state.path.mkdir()
    shutil.copy(gate, state / "config.toml")
    remember_only(state, {"database": address, "identity.keys_dir": str(home / "keys")})
    return state / "config.toml"


def second_of_two(first: State, config: Path, url: str, second: State) -> None:
    """The state of another controller like the first, which listens at `url`; it has what further ones are to have."""
    second.create()
    shutil.copy(config, second / "config.toml")
    shutil.copy(first / "credentials.json", second / "credentials.json")
    (second / "images").rmdir()
    (second / "images").symlink_to(first / "images")
    drivers = {"compute_driver": "fake", "network_driver": "fake"}
    remember_only(second, {**drivers, "agent": False, "public_url": url})
