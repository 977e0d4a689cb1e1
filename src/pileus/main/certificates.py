"""The cloud's own certificate authority, and the certificate its APIs answer with when they are reached from afar.

On loopback nothing is encrypted; on any other address everything is. An operator's own certificate, named in the
configuration, takes the place of ours.
"""

import datetime as dt
import fcntl
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pileus.main.settings import EVERYWHERE, Settings
from pileus.main.state import State, write_whole

if TYPE_CHECKING:
    from cryptography import x509

CA_YEARS = 10
LEAF_DAYS = 397  # what clients accept of a server's certificate
RENEW_DAYS = 30
# Machines whose clocks differ understand one another: one that was just installed may have its clock in another time zone.
SKEW = dt.timedelta(days=1)


class Certificate(msgspec.Struct, frozen=True):
    """Files in PEM: the certificate, its key, and the authority that a client has to trust (empty: a public one)."""

    certificate: str
    key: str
    authority: str = ""


def ensure_certificate(state: State, settings: Settings) -> Certificate | None:
    """The certificate to answer with; None on loopback. Ours is made once and renewed in time."""
    if settings.tls_certificate:
        return Certificate(settings.tls_certificate, settings.tls_key)
    if not settings.encrypted:
        return None
    return ensure_leaf(state, "server", _names(settings))


def ensure_authority(state: State) -> Path:
    """The cloud has an authority; returns the file of its key. What it signed is trusted by whoever has ca.pem."""
    folder = state / "keys" / "tls"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (state / "ca.pem").exists() or not (folder / "ca.key").exists():
        make_authority(state / "ca.pem", folder / "ca.key")
    return folder / "ca.key"


def share_authority(state: State, keys: Path) -> bool:
    """Controllers with the same folder of keys have one authority, that of whoever came first; False if this one has another.

    A controller that had one of its own before keeps it, for the hosts that joined by it know no other.
    """
    own = (state / "ca.pem", state / "keys" / "tls" / "ca.key")
    folder = keys / "hosts"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    shared = (folder / "ca.pem", folder / "ca.key")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared[0].exists():
            ensure_authority(state)
            for ours, theirs, mode in zip(own, shared, (0o644, 0o600), strict=True):
                write_whole(theirs, ours.read_text(), mode=mode)
        elif not own[0].exists():
            own[1].parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(own[1], shared[1].read_text(), mode=0o600)
            write_whole(own[0], shared[0].read_text())
        return own[0].read_text() == shared[0].read_text()


def ensure_leaf(state: State, role: str, names: list[str]) -> Certificate:
    """A certificate for a listener that is reached by those names; made once, and renewed in time."""
    key = ensure_authority(state)
    found = Certificate(str(key.with_name(f"{role}.pem")), str(key.with_name(f"{role}.key")), str(state / "ca.pem"))
    if is_stale(Path(found.certificate), names):
        make_leaf(found, key, names)
    return found


def authority_of(state: State, settings: Settings) -> str:
    """The file of the authority that clients have to trust; empty when there is none of ours."""
    return str(state / "ca.pem") if settings.encrypted and not settings.tls_certificate else ""


def _names(settings: Settings) -> list[str]:
    """Every name and address the cloud is reached by."""
    from urllib.parse import urlsplit

    host, _ = settings.address
    names = {"localhost", "127.0.0.1", urlsplit(settings.url).hostname or "localhost"}
    if host not in EVERYWHERE:
        names.add(host)
    return sorted(names)


def make_authority(file: Path, key_file: Path) -> None:
    """There is a new authority: its certificate in one file, its key in the other."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pileus certificate authority")])
    now = dt.datetime.now(dt.UTC)
    uses = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + dt.timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **uses), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_key(key_file, key)
    write_whole(file, made.public_bytes(Encoding.PEM).decode())


def make_leaf(
    found: Certificate, ca_key: Path, names: list[str], lives: dt.timedelta = dt.timedelta(days=LEAF_DAYS)
) -> None:
    """There is a new certificate of the authority for those names, and a new key, in the files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    authority = x509.load_pem_x509_certificate(Path(found.authority).read_bytes())
    signer = load_pem_private_key(ca_key.read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pileus")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lives)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    write_key(Path(found.key), key)
    write_whole(Path(found.certificate), made.public_bytes(Encoding.PEM).decode())


def _general(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def write_key(file: Path, key: object) -> None:
    """The private key is in the file, PEM, readable by its owner only."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    write_whole(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), mode=0o600)


def is_stale(file: Path, names: list[str]) -> bool:
    """Whether the certificate is missing, ends soon, or lacks one of the names."""
    from cryptography import x509

    if not file.exists():
        return True
    found = x509.load_pem_x509_certificate(file.read_bytes())
    if found.not_valid_after_utc - dt.datetime.now(dt.UTC) < dt.timedelta(days=RENEW_DAYS):
        return True
    if not names:
        return False
    held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {str(name) for name in held.get_values_for_type(x509.DNSName)}
    known |= {str(address) for address in held.get_values_for_type(x509.IPAddress)}
    return not set(names) <= known
