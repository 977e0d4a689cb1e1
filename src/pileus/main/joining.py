"""How a machine becomes a host: it makes sure whom it talks to, then shows its token, then has a certificate.

    token = SECRET.FINGERPRINT      authority fetched, believed if its fingerprint is right -> token and request posted -> certificate

What is known afterwards stands in joined.json and keys/ of the state directory; joining again with the same token, after an answer
got lost, gives the same host.
"""

import datetime as dt
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from pileus.kit.errors import Conflict, Invalid, Problem
from pileus.kit.hosts.dial import Address, Dialler
from pileus.main.certificates import Certificate
from pileus.main.gate import AUTHORITY, CERTIFICATE, CLOUD, JOIN, CloudFacts, Joined, Joins, Renews
from pileus.main.host_certificates import days_left, ensure_key, fingerprint, host_tls, request_for, unproven_tls
from pileus.main.state import State, write_whole

FILE = "joined.json"
RENEW_DAYS = 30


class BadUrl(Invalid):
    """'{given}' is not where a cloud lets hosts in; `pileus host token` prints the whole command."""


class BadToken(Invalid):
    """That is no token to join with; `pileus host token`, where the cloud runs, prints the whole command."""


class AnotherCloud(Conflict):
    """Whoever answers at {url} is not the cloud that made the token: its authority has another fingerprint."""


class JoinedAlready(Conflict):
    """{state} belongs to host {host} of the cloud at {url}; `pileus destroy --state {state}` ends that."""


class Expired(Problem):
    """This host's certificate is no longer good, and cannot be renewed by itself; here it is {now}. If that is right, remove the
    host there (`pileus host remove {host}`), destroy what is here (`pileus destroy --state {state}`), and join anew."""


class Membership(msgspec.Struct, frozen=True):
    """Which host of which cloud a state directory belongs to, and what the cloud last said of itself."""

    url: str
    host: str
    address: str
    cloud: CloudFacts

    @property
    def controller(self) -> Address:
        """Where the cloud answers its hosts."""
        return address_of(self.url)


def membership(state: State) -> Membership | None:
    """What this machine is a host of, if it joined."""
    try:
        return msgspec.json.decode((state / FILE).read_bytes(), type=Membership)
    except FileNotFoundError:
        return None


def keep(state: State, member: Membership) -> None:
    """It is known at the next start, whether the cloud can be reached then or not."""
    write_whole(state / FILE, msgspec.json.encode(member).decode())


def own_certificate(state: State) -> Certificate:
    """Where this host's certificate and key are."""
    return Certificate(str(state / "keys" / "host.pem"), str(state / "keys" / "host.key"), str(state / "ca.pem"))


def dialler(state: State, member: Membership) -> Dialler:
    """A way to ask the cloud, as this host."""
    return Dialler(member.controller, tls(state))


def tls(state: State) -> ssl.SSLContext:
    """How this host proves itself, and knows its cloud."""
    return host_tls((state / "ca.pem").read_text(), own_certificate(state))


async def join(state: State, url: str, token: str, host: str, address: str) -> Membership:
    """The state directory belongs to a host of the cloud at the url."""
    secret, _, mark = token.strip().partition(".")
    if not secret or len(mark) != 64:
        raise BadToken
    where = address_of(url)
    authority = await _proven_authority(where, mark, url)
    own = own_certificate(state)
    ensure_key(Path(own.key))
    asks = Dialler(where, host_tls(authority))
    try:
        answer = await asks.ask("POST", JOIN, Joins(secret, host, request_for(host, Path(own.key))))
    finally:
        await asks.close()
    write_whole(Path(own.authority), authority)
    write_whole(Path(own.certificate), msgspec.json.decode(answer, type=Joined).certificate, mode=0o600)
    return await refreshed(state, Membership(url, host, address or own_address_to(where), CloudFacts()))


async def refreshed(state: State, member: Membership) -> Membership:
    """What the cloud says of itself now, kept."""
    asks = dialler(state, member)
    try:
        cloud = await asks.get(CloudFacts, CLOUD)
    finally:
        await asks.close()
    fresh = msgspec.structs.replace(member, cloud=cloud)
    if fresh != member or membership(state) is None:
        keep(state, fresh)
    return fresh


async def renew_if_due(state: State, asks: Dialler, member: Membership) -> bool:
    """The certificate is good for a while yet; True if it had to be renewed. Raises Expired when that is too late."""
    own = own_certificate(state)
    left = days_left(Path(own.certificate))
    if left > RENEW_DAYS:
        return False
    if left <= 0:
        raise Expired(now=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC", host=member.host, state=state.path)
    request = Renews(request_for(member.host, Path(own.key)))
    fresh = msgspec.json.decode(await asks.ask("POST", CERTIFICATE, request), type=Joined)
    write_whole(Path(own.certificate), fresh.certificate, mode=0o600)
    return True


def address_of(url: str) -> Address:
    """Host and port; raises BadUrl."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "https" or not parts.hostname or port is None:
        raise BadUrl(given=url)
    return Address(parts.hostname, port)


def own_address_to(where: Address) -> str:
    """The address this machine has towards the controller: tunnels from other hosts come to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((where.host, where.port))  # says which address would be used; nothing is sent
        return str(probe.getsockname()[0])


async def _proven_authority(where: Address, mark: str, url: str) -> str:
    asks = Dialler(where, unproven_tls())
    try:
        authority = (await asks.get(dict[str, str], AUTHORITY)).get("certificate", "")
    finally:
        await asks.close()
    try:
        found = fingerprint(authority.encode())
    except ValueError:
        found = ""
    if found != mark:
        raise AnotherCloud(url=url)
    return authority
