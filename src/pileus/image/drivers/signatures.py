"""Whether a signature over the bytes of an image was made with the key of a certificate.

Schemes are those of the image API's reference: RSA-PSS with the longest salt, DSA, and ECDSA on a named curve, each over
a digest of the SHA-2 family.
"""

import datetime as dt
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

HASHES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "SHA-224": ("sha224", hashes.SHA224()),
    "SHA-256": ("sha256", hashes.SHA256()),
    "SHA-384": ("sha384", hashes.SHA384()),
    "SHA-512": ("sha512", hashes.SHA512()),
}
CURVES = ("SECT571K1", "SECT409K1", "SECT571R1", "SECT409R1", "SECP521R1", "SECP384R1")
KEY_TYPES = ("RSA-PSS", "DSA", *(f"ECC_{curve}" for curve in CURVES))
PublicKey = rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey


class NotSigned(Exception):
    """The signature does not hold; the text says why."""


def key_of(pem: bytes, key_type: str, now: dt.datetime, trusted: Sequence[x509.Certificate] = ()) -> PublicKey:
    """The key of a certificate that is valid now, and, where some are trusted, is one of those or issued by one."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as broken:
        raise NotSigned(f"its certificate cannot be read: {broken}") from broken
    _check_time(certificate, now)
    if trusted and not any(certificate == one or _issued(certificate, one, now) for one in trusted):
        raise NotSigned("its certificate was issued by nobody who is trusted here")
    if not isinstance(key, PublicKey) or _type_of(key) != key_type:
        raise NotSigned(f"its certificate has no key of type {key_type}")
    return key


def _type_of(key: PublicKey) -> str:
    match key:
        case rsa.RSAPublicKey():
            return "RSA-PSS"
        case dsa.DSAPublicKey():
            return "DSA"
        case _:
            return f"ECC_{key.curve.name.upper()}"


def _check_time(certificate: x509.Certificate, now: dt.datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotSigned("its certificate is not valid at this time")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, now: dt.datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        _check_time(issuer, now)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, NotSigned, x509.ExtensionNotFound):
        return False


def check(key: PublicKey, method: str, signature: bytes, digest: bytes) -> None:
    """The signature is of what has this digest; raises NotSigned."""
    kind = Prehashed(HASHES[method][1])
    try:
        match key:
            case rsa.RSAPublicKey():
                pss = padding.PSS(padding.MGF1(HASHES[method][1]), padding.PSS.MAX_LENGTH)
                key.verify(signature, digest, pss, kind)
            case dsa.DSAPublicKey():
                key.verify(signature, digest, kind)
            case _:
                key.verify(signature, digest, ec.ECDSA(kind))
    except InvalidSignature as wrong:
        raise NotSigned("it is not the signature of these bytes") from wrong
