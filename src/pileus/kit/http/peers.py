"""Connections as the kernel has them, found by who is at their other end, and reset.

A listener gives its applications messages, not sockets. What it has been given it writes, however long the client takes to read it;
so a client that has been given up would keep its connection, and what waits in it, for as long as it likes. Linux tells the descriptors
of a process (proc(5)); elsewhere nobody is found, and nothing is done.
"""

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Collection, Iterator
from ipaddress import ip_address

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what the other side has not taken is dropped, and it is told so
SLICE = 200  # descriptors, some 2 ms: then others have their turn
Place = tuple[str, int]
Way = tuple[Place, int]  # who is at the other end, and the port here


def way_of(host: str, port: int, here: int) -> Way:
    """The way from there to our port, however the address is spelled: an IPv4 address in an IPv6 one (RFC 4291, 2.5.5.2) is itself."""
    with contextlib.suppress(ValueError):  # a name of something else, which is compared as it is
        address = ip_address(host.partition("%")[0])
        host = str(getattr(address, "ipv4_mapped", None) or address)
    return (host, port), here


def ways() -> Iterator[tuple[int, Way | None]]:
    """Every descriptor of this process, and the way it is the connection of."""
    try:
        listed = os.scandir("/proc/self/fd")
    except OSError:
        return
    with listed:
        for entry in listed:
            descriptor = int(entry.name)
            way = None
            # What is closed meanwhile, no socket, or not connected, leads nowhere.
            with contextlib.suppress(OSError), _as_socket(descriptor) as one:
                if one is not None and one.family in {socket.AF_INET, socket.AF_INET6}:
                    host, port = one.getpeername()[:2]
                    way = way_of(host, port, one.getsockname()[1])
            yield descriptor, way


@contextlib.contextmanager
def _as_socket(descriptor: int) -> Iterator[socket.socket | None]:
    """The descriptor itself as a socket; None if it is none.

    Never another one of the same: to close that would end this process's locks if it were a file (fcntl(2)), and databases rely on them.
    """
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        yield None
        return
    one = socket.socket(fileno=descriptor)
    try:
        yield one
    finally:
        one.detach()


async def hang_up(unwanted: Collection[Way]) -> int:
    """How many connections there were on those ways; they are reset. Others have their turns meanwhile."""
    found = 0
    for number, (descriptor, way) in enumerate(ways(), 1):
        if way in unwanted:
            # Between this and the look at it nothing is waited for: it is that connection still, if it is there still.
            with contextlib.suppress(OSError), _as_socket(descriptor) as one:
                if one is not None:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                    one.shutdown(socket.SHUT_RDWR)
                    found += 1
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return found


class Unwanted:
    """Who is to be disconnected. However many that are, one look at all descriptors serves everybody who waits for it."""

    def __init__(self) -> None:
        self._waiting: set[Way] = set()
        self._turn = asyncio.Lock()

    async def hang_up(self, way: Way) -> None:
        """Whoever was on that way is disconnected."""
        self._waiting.add(way)
        async with self._turn:
            if way in self._waiting:
                unwanted, self._waiting = self._waiting, set()
                await hang_up(unwanted)
