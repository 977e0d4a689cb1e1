"""Certificates of hosts: a machine makes its key and never shows it; the cloud's authority signs who it is.

A host's certificate is good for a client only, so that no host can pass for a controller.
"""

import datetime as dt
import hashlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.kit.errors import Invalid
from pileus.kit.hosts.channel import CONTROLLER
from pileus.kit.hosts.members import Signed
from pileus.main.certificates import LEAF_DAYS, SKEW, Certificate, ensure_authority, is_stale, write_key
from pileus.main.state import State, write_whole

if TYPE_CHECKING:
    from cryptography import x509


class BadRequest(Invalid):
    """The certificate request is not valid: {why}"""


def fingerprint(authority: bytes) -> str:
    """What tells an authority from any other: the digest of its certificate, given as PEM."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(authority.decode())).hexdigest()


def ensure_key(file: Path) -> None:
    """There is a private key in the file, readable by its owner only."""
    from cryptography.hazmat.primitives.asymmetric import ec

    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_key(file, ec.generate_private_key(ec.SECP256R1()))


def request_for(host: str, key_file: Path) -> str:
    """A request, PEM, for a certificate of that host over the key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import NameOID

    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def key_of(request: str) -> bytes:
    """The public key in a request, if whoever made the request has the private one; raises BadRequest."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _loaded(request).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(state: State, request: str, host: str, lives: dt.timedelta = dt.timedelta(days=LEAF_DAYS)) -> Signed:
    """A certificate that says its owner is that host, whatever name the request holds; raises BadRequest."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    signer = load_pem_private_key(ensure_authority(state).read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    authority = x509.load_pem_x509_certificate((state / "ca.pem").read_bytes())
    key = _loaded(request).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    now = dt.datetime.now(dt.UTC)
    expires = now + lives
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(authority.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(expires)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Signed(made.public_bytes(Encoding.PEM).decode(), f"{made.serial_number:x}", expires)


def controller_certificate(state: State) -> Certificate:
    """What this controller proves itself with to other controllers; made once, and renewed in time."""
    folder = ensure_authority(state).parent
    found = Certificate(str(folder / "controller.pem"), str(folder / "controller.key"), str(state / "ca.pem"))
    if is_stale(Path(found.certificate), []):
        ensure_key(Path(found.key))
        signed = sign(state, request_for(CONTROLLER, Path(found.key)), CONTROLLER)
        write_whole(Path(found.certificate), signed.certificate, mode=0o600)
    return found


def days_left(file: Path) -> float:
    """For how many days the certificate is still good."""
    from cryptography import x509

    ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    return (ends - dt.datetime.now(dt.UTC)) / dt.timedelta(days=1)


def channel_tls(own: Certificate) -> ssl.SSLContext:
    """For the controller: hosts prove themselves by a certificate; one that joins has none yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(own.authority)
    context.load_cert_chain(own.certificate, own.key)
    return context


def host_tls(authority: str, own: Certificate | None = None) -> ssl.SSLContext:
    """For a host: the controller must have a certificate of that authority (PEM text); ours is shown if we have one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


def unproven_tls() -> ssl.SSLContext:
    """For the first question of a machine that joins: it asks who is there, and believes nothing but the fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _loaded(request: str) -> "x509.CertificateSigningRequest":
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        loaded = x509.load_pem_x509_csr(request.encode())
    except ValueError as bad:
        raise BadRequest(why=bad) from bad
    if not loaded.is_signature_valid or not isinstance(loaded.public_key(), ec.EllipticCurvePublicKey):
        raise BadRequest(why="it must be signed with the elliptic curve key it is about")
    return loaded
