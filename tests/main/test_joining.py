"""A host's membership over the years: certificates are renewed in time, who was late is told so, and clocks may differ."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from tests.ports import free_port
from tests.postgres import close_opened, open_with

from pileus.kit.clock import SystemClock
from pileus.kit.hosts.channel import Channel
from pileus.kit.hosts.dial import Dialler, Refused, Unreachable
from pileus.kit.hosts.members import Members
from pileus.kit.hosts.wire import Peer
from pileus.kit.tables import metadata
from pileus.main import object_certificates
from pileus.main.certificates import Certificate, ensure_authority, ensure_leaf, make_leaf
from pileus.main.gate import CLOUD, CloudFacts, Gate
from pileus.main.host_certificates import channel_tls, days_left, fingerprint, request_for, sign
from pileus.main.joining import Expired, Membership, dialler, join, own_certificate, renew_if_due, tls
from pileus.main.settings import Settings
from pileus.main.state import State

SETTINGS = Settings(compute_driver="fake", network_driver="fake")
HOST = "far"
DAY = dt.timedelta(days=1)


class Pair(msgspec.Struct):
    """A cloud that lets hosts in, and a machine that is its host."""

    cloud: State
    members: Members
    gate: Gate
    host: State
    member: Membership
    asks: Dialler

    @property
    def own(self) -> Certificate:
        return own_certificate(self.host)

    async def lives(self, for_: dt.timedelta) -> bytes:
        """As if the host's certificate had been made long ago: it is good for so long yet. Returns it."""
        made = sign(self.cloud, request_for(HOST, Path(self.own.key)), HOST, for_)
        (known,) = await self.members.list()
        await self.members.renew(Peer(HOST, known.serial), lambda: made)
        Path(self.own.certificate).write_text(made.certificate)
        await self.asks.renew(tls(self.host))
        return made.certificate.encode()


@contextlib.asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    members = Members(await open_with(metadata), SystemClock())
    cloud, host = State(folder / "cloud"), State(folder / "host")
    for state in (cloud, host):
        state.create()
    gate = Gate(cloud, SETTINGS, members, None, {}, None)  # type: ignore[arg-type] - the owner commands nothing here
    at = f"127.0.0.1:{free_port()}"
    await gate.open(at)
    token = f"{await members.new_token(DAY)}.{fingerprint((cloud / 'ca.pem').read_bytes())}"
    member = await join(host, f"https://{at}", token, HOST, "")
    made = Pair(cloud, members, gate, host, member, dialler(host, member))
    try:
        yield made
    finally:
        await made.asks.close()
        await gate.close()
        await close_opened()


async def test_a_hosts_certificate_is_renewed_in_its_last_month_and_the_old_one_is_good_until_then(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        assert not await renew_if_due(both.host, both.asks, both.member)
        former = await both.lives(20 * DAY)
        assert await renew_if_due(both.host, both.asks, both.member)
        assert days_left(Path(both.own.certificate)) > 300
        await both.asks.get(CloudFacts, CLOUD)  # still by the old one: the connection was open
        await both.asks.renew(tls(both.host))
        await both.asks.get(CloudFacts, CLOUD)
        assert not await renew_if_due(both.host, both.asks, both.member)
        # Whoever took a copy of the old one gets nowhere.
        Path(both.own.certificate).write_bytes(former)
        await both.asks.renew(tls(both.host))
        with pytest.raises(Refused, match="no host of this cloud any more"):
            await both.asks.get(CloudFacts, CLOUD)


async def test_a_host_that_was_away_for_too_long_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.lives(-dt.timedelta(minutes=1))
        with pytest.raises(Unreachable, match="closed without an answer"):
            await both.asks.get(CloudFacts, CLOUD)
        with pytest.raises(Expired, match=f"no longer good.*pileus host remove {HOST}"):
            await renew_if_due(both.host, both.asks, both.member)


async def test_a_controllers_certificate_that_has_ended_is_told_with_the_time_and_made_anew_when_it_listens(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path) as both:
        leaf = ensure_leaf(both.cloud, "hosts", ["127.0.0.1"])
        make_leaf(leaf, ensure_authority(both.cloud), ["127.0.0.1"], -dt.timedelta(minutes=1))
        ended, port = Channel({}, both.members.admits), free_port()
        await ended.listen("127.0.0.1", port, channel_tls(leaf))
        asks = dialler(both.host, msgspec.structs.replace(both.member, url=f"https://127.0.0.1:{port}"))
        try:
            with pytest.raises(Unreachable, match=r"not good here, where it is \d{4}.* UTC: certificate has expired"):
                await asks.get(CloudFacts, CLOUD)
        finally:
            await ended.close()
        assert ensure_leaf(both.cloud, "hosts", ["127.0.0.1"]) == leaf
        assert days_left(Path(leaf.certificate)) > 300


async def test_clocks_of_machines_may_differ_by_hours(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        leaf = ensure_leaf(both.cloud, "hosts", ["127.0.0.1"])
        granted = object_certificates.grant(both.cloud, request_for(HOST, Path(both.own.key)), HOST)
        behind = dt.datetime.now(dt.UTC) - dt.timedelta(hours=23)
        for pem in (
            Path(both.own.certificate).read_bytes(), (both.cloud / "ca.pem").read_bytes(),
            Path(leaf.certificate).read_bytes(), granted.certificate.encode(), granted.authority.encode(),
        ):  # fmt: skip
            assert x509.load_pem_x509_certificate(pem).not_valid_before_utc < behind
