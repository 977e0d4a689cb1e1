"""Images on their way to joined hosts, from the files that the controller has of them."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pileus.compute.agent.images import ERRAND, Errand
from pileus.kit.hosts.channel import Asked
from pileus.kit.hosts.wire import Peer
from pileus.main.host_needs import DIGEST, ImageRoutes, NotYours
from pileus.main.state import State

RIGHT = bytes(range(256)) * 100
SHA512 = hashlib.sha512(RIGHT).hexdigest()


class Wishes:
    """Hosts of which one shall fetch the image."""

    async def wanted_list(self, host: str, kind: str) -> list[Any]:
        """What is wanted of the host."""
        if (host, kind) != ("h1", ERRAND):
            return []
        return [msgspec.defstruct("Wish", ["gone", "body"])(False, msgspec.to_builtins(Errand(image="i")))]


class Stored:
    """The image service; keeps pileus.ports.image_files.KnownImageFiles."""

    def __init__(self, known: str | None) -> None:
        self.known = known
        self.fetched = 0

    async def sha512(self, _image_id: str) -> str | None:
        """What is known."""
        return self.known

    async def fetch(self, _image_id: str, destination: Path) -> None:
        """The right bytes."""
        self.fetched += 1
        destination.write_bytes(RIGHT)


async def sent(routes: ImageRoutes, host: str = "h1", start: int = 0) -> tuple[bytes, str]:
    """The bytes a host gets, and what it is told they are."""
    headers = {"range": f"bytes={start}-"} if start else {}
    told = await routes.send(Asked(host, Peer(), {"id": "i"}, {}, headers, b""))
    assert told.parts is not None
    return b"".join([part async for part in told.parts]), told.headers[DIGEST]


@pytest.mark.parametrize(("known", "fetched"), [(SHA512, 2), (None, 1)])
async def test_an_image_that_decayed_while_nobody_ran_is_fetched_again(
    tmp_path: Path, known: str | None, fetched: int
) -> None:
    stored = Stored(known)
    assert (RIGHT, SHA512) == await sent(ImageRoutes(State(tmp_path), Wishes(), stored))  # type: ignore[arg-type]
    (file,) = (tmp_path / "cache" / "images").iterdir()
    file.chmod(0o600)
    file.write_bytes(RIGHT[::-1])
    routes = ImageRoutes(State(tmp_path), Wishes(), stored)  # type: ignore[arg-type]
    wanted = RIGHT if known is not None else RIGHT[::-1]  # of what has another hash nobody can tell
    for start in (0, 1000):
        assert (wanted[start:], hashlib.sha512(wanted).hexdigest()) == await sent(routes, start=start)
    assert fetched == stored.fetched


async def test_a_host_gets_no_image_that_none_of_its_servers_needs(tmp_path: Path) -> None:
    stored = Stored(SHA512)
    with pytest.raises(NotYours):
        await sent(ImageRoutes(State(tmp_path), Wishes(), stored), host="h2")  # type: ignore[arg-type]
    assert 0 == stored.fetched
