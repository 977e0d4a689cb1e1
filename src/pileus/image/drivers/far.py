"""Images of another region: described and given by its image service, asked with the token of whoever asks for them.

The address comes from the operator's catalog, so it may lead anywhere; but no redirect is followed, as the token goes along.
"""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec

from pileus.image.config import WebConfig
from pileus.image.drivers.web import FetchFailed, NotAllowed, fetched

LONGEST = 1 << 20
EVERYWHERE = ("0.0.0.0/0", "::/0")


class NotGiven(Exception):
    """The other region did not give the image; the text says why."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """An image of another region, and who asks for it."""

    endpoint: str
    image: str
    token: str

    @property
    def url(self) -> str:
        """Where the image is described."""
        return f"{self.endpoint.rstrip('/').removesuffix('/v2')}/v2/images/{self.image}"

    def __repr__(self) -> str:
        return f"Place({self.url})"


class FarImages:
    """Image services of other regions."""

    def __init__(self, rules: WebConfig) -> None:
        self._rules = rules

    def _only(self, place: Place) -> WebConfig:
        parts = urlsplit(place.endpoint)
        return WebConfig(
            ports=(), hosts=((parts.hostname or "").lower(),), networks=EVERYWHERE,
            stall_s=self._rules.stall_s, ca_file=self._rules.ca_file,
        )  # fmt: skip

    async def about(self, place: Place) -> dict[str, object]:
        """The image, as its service shows it; raises NotGiven."""
        raw = bytearray()
        async for chunk in self._asked(place, place.url):
            raw += chunk
            if len(raw) > LONGEST:
                raise NotGiven("what is said of the image is too long")
        try:
            return msgspec.json.decode(raw, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError) as odd:
            raise NotGiven(f"what is said of the image cannot be understood: {odd}") from odd

    def read(self, place: Place) -> AsyncIterator[bytes]:
        """The image's bytes; raises NotGiven, also when they end early."""
        return self._asked(place, f"{place.url}/file")

    async def _asked(self, place: Place, url: str) -> AsyncIterator[bytes]:
        try:
            async with fetched(url, self._only(place), {"x-auth-token": place.token}, redirects=0) as answer:
                async for chunk in answer.body():
                    yield chunk
        except (FetchFailed, NotAllowed) as failed:
            raise NotGiven(str(failed)) from failed
