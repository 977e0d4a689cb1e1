"""Keypairs: what is kept of them, and how public keys are read and made."""

import base64
import binascii
import datetime as dt
import hashlib

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE_LIVES = dt.timedelta(days=3650)


class Keypair(msgspec.Struct, frozen=True, kw_only=True):
    """A user's public key."""

    number: int = 0
    name: str
    user_id: str
    type: str
    fingerprint: str
    public_key: str
    created_at: dt.datetime


def ssh_fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of an OpenSSH public key; raises ValueError with the reason if it is none."""
    parts = public_key.split()
    if len(parts) < 2:
        raise ValueError("Keypair public_key is not of the form 'TYPE BASE64 [COMMENT]'")
    try:
        raw = base64.b64decode(parts[1], validate=True)
        load_ssh_public_key(f"{parts[0]} {parts[1]}".encode())
    except UnsupportedAlgorithm as bad:
        # Keys on security tokens are of types the library cannot use, but they are keys nonetheless.
        if not parts[0].startswith("sk-"):
            raise ValueError("failed to generate fingerprint") from bad
        raw = base64.b64decode(parts[1])
    except (ValueError, binascii.Error) as bad:
        raise ValueError("failed to generate fingerprint") from bad
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, 32, 2))


def certificate_fingerprint(certificate: str) -> str:
    """The SHA-1 fingerprint of a PEM certificate; raises ValueError with the reason if it is none."""
    try:
        digest = load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1()).hex()  # noqa: S303
    except ValueError as bad:
        raise ValueError("failed to generate X509 fingerprint") from bad
    return ":".join(digest[at : at + 2] for at in range(0, 40, 2))


def generated(comment: str) -> tuple[str, str]:
    """A new private key in OpenSSH's format, and its public key."""
    made = Ed25519PrivateKey.generate()
    private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, f"{public} {comment}"


def generated_certificate(user_id: str, now: dt.datetime) -> tuple[str, str]:
    """A new private key, and the certificate by which a guest lets the user in who has it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    # Names of certificates have 64 characters.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + CERTIFICATE_LIVES)
        .add_extension(client, critical=False)
        .sign(made, hashes.SHA256())
    )
    private = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, certificate.public_bytes(Encoding.PEM).decode()
