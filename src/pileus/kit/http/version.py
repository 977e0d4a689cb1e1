"""Microversions: which revision of an API a request speaks."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from pileus.kit.errors import Invalid, NotAcceptable


class Version(NamedTuple):
    """A microversion; compares as numbers do (2.9 < 2.10)."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


ALWAYS = Version(0, 0)
FOREVER = Version(999, 999)


class BadVersion(Invalid):
    """API Version String {given} is of invalid format. Must be of format MajorNum.MinorNum."""


class UnknownVersion(NotAcceptable):
    """Version {given} is not supported by the API. Minimum is {lowest} and maximum is {highest}."""


@cache
def version(text: str) -> Version:
    """Read `2.79`; raises BadVersion."""
    major, dot, minor = text.partition(".")
    if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit() and len(text) < 16):
        raise BadVersion(given=text[:32])
    return Version(int(major), int(minor))


class Microversions(NamedTuple):
    """The range a service speaks, and the headers by which a request chooses (`OpenStack-API-Version: compute 2.1`)."""

    service_type: str
    lowest: Version
    highest: Version
    legacy_header: str | None = None

    def asked(self, headers: Mapping[str, str]) -> Version:
        """The version a request asks for; raises BadVersion or UnknownVersion."""
        legacy = headers.get(self.legacy_header.lower()) if self.legacy_header else None
        return self.chosen(headers.get("openstack-api-version"), legacy)

    def chosen(self, header: str | None, legacy: str | None) -> Version:
        """The version a request asks for; the lowest one when it asks for none."""
        asked = None
        for part in (header or "").split(","):
            name, _, value = part.strip().partition(" ")
            if name == self.service_type and value:
                asked = value.strip()
        if asked is None:
            asked = legacy.strip() if legacy else None
        if asked is None:
            return self.lowest
        if asked == "latest":
            return self.highest
        wanted = version(asked)
        if not self.lowest <= wanted <= self.highest:
            raise UnknownVersion(given=asked, lowest=self.lowest, highest=self.highest)
        return wanted
