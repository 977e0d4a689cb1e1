"""Addresses that users name: whatever they are written like, and whatever their names come to mean, they lead nowhere inward."""

import ipaddress
from collections.abc import Sequence

import pytest
from tests.image.web import Web, a_web

from pileus.image.config import WebConfig
from pileus.image.drivers.web import FetchFailed, NotAllowed, fetched, reachable, target_of

HERE = WebConfig(networks=("127.0.0.1/32",), ports=())
INWARD = [
    # As browsers and resolvers read numbers: decimal, hexadecimal, octal, short, mixed.
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0x0.0x0.0x1/", "http://017700000001/", "http://0177.0.0.1/",
    "http://127.1/", "http://127.0.1/", "http://0x7f.1/", "http://0/", "http://0.0.0.0/", "http://127.0.0.1./",
    # As IPv6 writes IPv4, and what translators make of it.
    "http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
    "http://[0:0:0:0:0:ffff:10.0.0.1]/", "http://[64:ff9b::10.0.0.1]/", "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/", "http://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/",
    # What is nobody's business: private, link-local, shared, documentation, multicast, broadcast.
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/", "http://192.0.2.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://[fe80::1]/",
    "http://[fc00::1]/", "http://[ff02::1]/", "http://localhost/", "http://LOCALHOST/", "http://ip6-localhost.localhost/",
]  # fmt: skip
REDIRECTS = [
    "http://167772161/", "http://0x0a000001/", "http://012.0.0.1/", "http://10.1/", "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/", "http://[2002:a00:1::]/", "http://2852039166/latest/", "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/", "//169.254.169.254/latest/", "http://[::1]/", "http://127.0.0.2/",
]  # fmt: skip
NONE = [
    "http://user@127.0.0.1/", "http://user:secret@example.org/", "http://example.org\\@127.0.0.1/",
    "http://example.org:80:22/", "http://example.org:99999/", "http://exa mple.org/", "http://example.org/\t", "http:/x",
    "http://ex\N{LATIN SMALL LETTER A WITH DIAERESIS}mple.org/", "gopher://example.org/", "HTTP+unix://x/", "//example.org/",
    "http://[::1", "http://" + "a" * 3000,
]  # fmt: skip


async def body_of(url: str, rules: WebConfig, lookup: object = None) -> bytes:
    """What the address gives."""
    more = {} if lookup is None else {"lookup": lookup}
    async with fetched(url, rules, **more) as answer:  # type: ignore[arg-type]
        return b"".join([chunk async for chunk in answer.body()])


@pytest.mark.parametrize("url", INWARD)
async def test_an_address_that_leads_inward_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises((NotAllowed, FetchFailed)) as refused:
        await body_of(url, WebConfig())
    # A resolver may know no such name; then nobody was asked either.
    assert "may not be reached" in str(refused.value) or "is not known" in str(refused.value)


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_plain_address_is_refused_before_anybody_is_asked(url: str) -> None:
    with pytest.raises(NotAllowed):
        target_of(url, WebConfig())


@pytest.mark.parametrize("url", REDIRECTS)
async def test_a_redirect_inward_is_refused_however_it_is_written(url: str) -> None:
    async with a_web() as web:
        web.pages["/"] = (302, {"location": url}, b"")
        with pytest.raises(NotAllowed, match="may not be reached"):
            await body_of(web.url("/"), HERE)
        assert ["/"] == web.asked


class Changeable:
    """A name server whose answers change."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def serving(web: Web, lookup: Changeable, path: str = "/disk") -> bytes:
    return await body_of(f"http://changeable.example:{web.port}{path}", HERE, lookup)


async def test_the_connection_goes_to_what_was_checked_though_the_name_means_something_else_by_then() -> None:
    async with a_web() as web:
        web.serve("/disk", b"bytes")
        lookup = Changeable(["127.0.0.1"], ["169.254.169.254"])
        # No resolver but ours knows the name, so nobody can have looked it up a second time and got anywhere.
        assert b"bytes" == await serving(web, lookup)
        assert ["changeable.example"] == lookup.asked


async def test_a_name_that_means_something_inward_too_is_refused() -> None:
    async with a_web() as web:
        for answers in (["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::ffff:10.0.0.1"]):
            with pytest.raises(NotAllowed, match="may not be reached"):
                await serving(web, Changeable(answers))
        assert [] == web.asked


async def test_after_a_redirect_the_name_is_looked_up_and_checked_anew() -> None:
    async with a_web() as web:
        web.pages["/first"] = (302, {"location": "/disk"}, b"")
        lookup = Changeable(["127.0.0.1"], ["10.0.0.1"])
        with pytest.raises(NotAllowed, match=r"10\.0\.0\.1"):
            await serving(web, lookup, "/first")
        assert (["/first"], 2) == (web.asked, len(lookup.asked))


async def test_a_name_nobody_knows_is_said_to_be_unknown() -> None:
    async def nobody(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(FetchFailed, match="is not known"):
        await body_of("http://nowhere.example/", WebConfig(), nobody)


def test_what_is_denied_is_denied_by_any_name_and_in_any_spelling() -> None:
    rules = WebConfig(denied_hosts=("api.example.org",), denied_networks=("198.41.0.0/24", "2001:db8::/32"), ports=())
    for url in ("http://api.example.org/", "http://API.Example.ORG./", "https://api.example.org:8443/"):
        with pytest.raises(NotAllowed, match="not allowed"):
            target_of(url, rules)
    for address in ("198.41.0.4", "::ffff:198.41.0.4", "2002:c629:4::"):
        assert not reachable(ipaddress.ip_address(address), rules)
        assert reachable(ipaddress.ip_address(address), WebConfig())
    only = WebConfig(hosts=("images.example.org",), networks=("10.0.0.0/8",), denied_networks=("10.1.0.0/16",))
    assert "images.example.org" == target_of("https://images.example.org./x", only).host
    with pytest.raises(NotAllowed):
        target_of("https://example.org/", only)
    assert reachable(ipaddress.ip_address("10.2.0.1"), only)
    assert not reachable(ipaddress.ip_address("10.1.0.1"), only)
