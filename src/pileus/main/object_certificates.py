"""Certificates of object storage's own channel between machines, which go both ways: each machine serves and asks.

They have an authority of their own (keys/objects), which nothing but object storage believes: Open vSwitch does not look at
names, so a host whose certificate for servers came from the cloud's authority could pass for its southbound database.
"""

import datetime as dt
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pileus.main.certificates import LEAF_DAYS, SKEW, Certificate, is_stale, make_authority
from pileus.main.host_certificates import ensure_key, key_of, request_for
from pileus.main.state import State, write_whole
from pileus.object_store.storage.published import CONTROLLER, server_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec


class Granted(msgspec.Struct, frozen=True):
    """A machine's certificate and the authority it has to believe, PEM."""

    certificate: str
    authority: str


def folder(state: State) -> Path:
    """Where what belongs to this channel is."""
    found = state / "keys" / "objects"
    found.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def own(state: State) -> Certificate:
    """Where this machine's certificate and key are, and the authority."""
    at = folder(state)
    return Certificate(str(at / "own.pem"), str(at / "own.key"), str(at / "ca.pem"))


def ensure_controller(state: State) -> Certificate:
    """This controller has a certificate; the authority is made with the first one."""
    at, found = folder(state), own(state)
    if not (at / "ca.key").exists():
        make_authority(at / "ca.pem", at / "ca.key")
    ensure_key(Path(found.key))
    if is_stale(Path(found.certificate), [server_name("")]):
        request = request_for("controller", Path(found.key))
        write_whole(Path(found.certificate), _signed(state, request, CONTROLLER, server_name("")), mode=0o600)
    return found


def grant(state: State, request: str, host: str) -> Granted:
    """A certificate that says its owner is that host, whatever name the request holds; raises BadRequest."""
    key_of(request)  # refuses a request that is not signed by its key
    ensure_controller(state)
    return Granted(_signed(state, request, host, server_name(host)), Path(own(state).authority).read_text())


def keep(state: State, granted: Granted) -> None:
    """What was granted is where the next start finds it."""
    found = own(state)
    write_whole(Path(found.authority), granted.authority)
    write_whole(Path(found.certificate), granted.certificate, mode=0o600)


def request(state: State, host: str) -> str:
    """A request for this machine's certificate."""
    ensure_key(Path(own(state).key))
    return request_for(host, Path(own(state).key))


class ClientTls:
    """How this machine asks others; None while it has no certificate. What is read stays until the file changes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._read_at = 0
        self._context: ssl.SSLContext | None = None

    def __call__(self) -> ssl.SSLContext | None:
        """What the next connection is to be made with."""
        found = own(self._state)
        try:
            changed = Path(found.certificate).stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if changed != self._read_at:
            self._context, self._read_at = _of_ours(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), found), changed
        return self._context


def server_tls(state: State) -> ssl.SSLContext:
    """How this machine is asked: only by whoever has a certificate of this channel's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _of_ours(context, own(state))


def _of_ours(context: ssl.SSLContext, found: Certificate) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(found.authority)
    context.load_cert_chain(found.certificate, found.key)
    return context


def is_due(state: State) -> bool:
    """Whether this machine's certificate is missing or ends soon."""
    return is_stale(Path(own(state).certificate), [])


def _signed(state: State, request: str, subject: str, name: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    at = folder(state)
    authority = x509.load_pem_x509_certificate((at / "ca.pem").read_bytes())
    signer = _signer(at / "ca.key")
    key = x509.load_pem_x509_csr(request.encode()).public_key()
    now = dt.datetime.now(dt.UTC)
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(authority.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + dt.timedelta(days=LEAF_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def _signer(file: Path) -> "ec.EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found
