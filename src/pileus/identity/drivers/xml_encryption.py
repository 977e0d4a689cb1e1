"""Encrypted XML (XML Encryption 1.1), as far as it can be read without giving anything away.

Keys come wrapped by RSA-OAEP; those wrapped by RSA 1.5 tell whoever tries often enough what was wrapped. The text is
encrypted with AES-GCM, which nobody can change; with AES-CBC, which others can, only where the whole of it was signed.
Whatever is wrong, the answer is the same.
"""

import base64
import binascii
import secrets
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pileus.identity.errors import BadAssertion

XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
DS = "http://www.w3.org/2000/09/xmldsig#"
GCM = {f"{XENC11}aes128-gcm": 16, f"{XENC11}aes192-gcm": 24, f"{XENC11}aes256-gcm": 32}
CBC = {f"{XENC}aes128-cbc": 16, f"{XENC}aes192-cbc": 24, f"{XENC}aes256-cbc": 32}
SHA1 = hashes.SHA1  # noqa: S303  OAEP asks of it nothing that is broken, and most providers wrap with no other
OAEP_SHA1, OAEP = f"{XENC}rsa-oaep-mgf1p", f"{XENC11}rsa-oaep"
DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    f"{DS}sha1": SHA1,
    f"{XENC}sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    f"{XENC}sha512": hashes.SHA512,
}
MASKS: dict[str, type[hashes.HashAlgorithm]] = {
    f"{XENC11}mgf1sha1": SHA1,
    f"{XENC11}mgf1sha256": hashes.SHA256,
    f"{XENC11}mgf1sha384": hashes.SHA384,
    f"{XENC11}mgf1sha512": hashes.SHA512,
}
IV, TAG, BLOCK = 12, 16, 16
MOST_KEYS = 4  # a document may be for several readers; each try costs an operation with our key


def decrypted(element: Any, key_pem: bytes, *, was_signed: bool) -> bytes:
    """The text that an element holds encrypted, as `EncryptedData`; `was_signed`: all of it, by whom we believe."""
    found = element.findall(f"{{{XENC}}}EncryptedData")
    if len(found) != 1:
        raise BadAssertion(why="what is encrypted in it cannot be found")
    how = _algorithm(found[0])
    size = GCM.get(how) or (CBC.get(how) if was_signed else None)
    if size is None:
        allowed = "AES-GCM, or AES-CBC in a signed response" if how in CBC else "AES-GCM or AES-CBC"
        raise BadAssertion(why=f"it is encrypted with {how[:100] or 'nothing that is said'}; it must be {allowed}")
    wrapped = element.findall(f".//{{{XENC}}}EncryptedKey")
    # The key is our own; to make sure once more that its numbers fit together takes a hundred times as long as all else.
    own = serialization.load_pem_private_key(key_pem, password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(own, rsa.RSAPrivateKey), "we have made it"
    keys = [_unwrapped(one, own, size) for one in _unwrappable(wrapped)]
    text = _value(found[0])
    read = _gcm if how in GCM else _cbc
    plain = next((one for key in keys if (one := read(key, text)) is not None), None)
    if plain is None:
        raise BadAssertion(why="it cannot be decrypted with our key")
    return plain


def _algorithm(element: Any) -> str:
    method = element.find(f"{{{XENC}}}EncryptionMethod")
    return "" if method is None else method.get("Algorithm") or ""


def _value(element: Any) -> bytes:
    """The bytes that stand in an element; those that would have to be fetched from elsewhere are none."""
    value = element.find(f"{{{XENC}}}CipherData/{{{XENC}}}CipherValue")
    return _bytes("" if value is None else value.text or "")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadAssertion(why="what is encrypted in it is no base64") from None


def _unwrappable(wrapped: Sequence[Any]) -> list[Any]:
    """The keys that are wrapped in a way that tells nothing; raises BadAssertion where there is none."""
    found = [one for one in wrapped if _algorithm(one) in {OAEP, OAEP_SHA1}]
    if not found:
        raise BadAssertion(why="the key it is encrypted with must be wrapped by RSA-OAEP")
    return found[:MOST_KEYS]


def _unwrapped(wrapped: Any, own: rsa.RSAPrivateKey, size: int) -> bytes:
    """The key; a random one where it cannot be unwrapped, so that nobody learns from what follows that it could not."""
    method = wrapped.find(f"{{{XENC}}}EncryptionMethod")
    digest = method.find(f"{{{DS}}}DigestMethod")
    mask = method.find(f"{{{XENC11}}}MGF") if _algorithm(wrapped) == OAEP else None
    label = method.find(f"{{{XENC}}}OAEPparams")
    hashed = SHA1 if digest is None else DIGESTS.get(digest.get("Algorithm"))
    masked = SHA1 if mask is None else MASKS.get(mask.get("Algorithm"))
    if hashed is None or masked is None:
        raise BadAssertion(why="the key it is encrypted with is wrapped with a digest that is not known")
    how = padding.OAEP(padding.MGF1(masked()), hashed(), None if label is None else _bytes(label.text or ""))
    otherwise = secrets.token_bytes(size)
    try:
        key = own.decrypt(_value(wrapped), how)
    except ValueError:
        return otherwise
    return key if len(key) == size else otherwise


def _gcm(key: bytes, text: bytes) -> bytes | None:
    if len(text) < IV + TAG:
        return None
    try:
        return AESGCM(key).decrypt(text[:IV], text[IV:], None)
    except InvalidTag:
        return None


def _cbc(key: bytes, text: bytes) -> bytes | None:
    if len(text) < 2 * BLOCK or len(text) % BLOCK:
        return None
    reader = Cipher(algorithms.AES(key), modes.CBC(text[:BLOCK])).decryptor()
    plain = reader.update(text[BLOCK:]) + reader.finalize()
    # Only the last byte of the padding says something (section 5.2 of the recommendation).
    return plain[: -plain[-1]] if 1 <= plain[-1] <= BLOCK else None
