"""The block of addresses of a cloud's external network, where nobody has chosen one: the first that nothing here uses.

Nothing of a block shows on the machine before its network runs, so clouds that are made at the same time say which one they
mean to take: a file for each block, naming the state directory it is for.
"""

import contextlib
import fcntl
import ipaddress
from collections.abc import Iterator
from pathlib import Path

from pileus.kit.errors import Conflict

CLAIMS = Path("/run/pileus/external")
ROUTES = Path("/proc/net/route")
BLOCKS = tuple(f"172.{second}.{third}.0/24" for third in (4, 68, 132, 196) for second in range(24, 31))


class NoFreeBlock(Conflict):
    """All of {blocks} are in use on this machine; choose the external network's with `cidr` in [external]."""


def claim_block(state: Path, claims: Path = CLAIMS) -> str:
    """The first block that no route of this machine touches and no other cloud means to take; it is this cloud's now."""
    with _alone(claims):
        routed = _routed()
        for block in BLOCKS:
            if any(ipaddress.ip_network(block).overlaps(other) for other in routed):
                continue
            if _owner(claims, block) in {None, state}:
                _claim(claims, block).write_text(str(state))
                return block
    raise NoFreeBlock(blocks=", ".join(BLOCKS))


def _claim(claims: Path, block: str) -> Path:
    return claims / block.partition("/")[0]


def _owner(claims: Path, block: str) -> Path | None:
    """The state directory a block is for; None if that is gone."""
    try:
        owner = Path(_claim(claims, block).read_text())
    except FileNotFoundError:
        return None
    return owner if owner.is_dir() else None


@contextlib.contextmanager
def _alone(claims: Path) -> Iterator[None]:
    """No other process chooses meanwhile."""
    claims.mkdir(parents=True, exist_ok=True)
    with (claims / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _routed() -> list[ipaddress.IPv4Network]:
    found = []
    for line in ROUTES.read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[at])[::-1], "big") for at in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, mask.bit_count())))
    return found
