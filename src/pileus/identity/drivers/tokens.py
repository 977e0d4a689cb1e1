"""Tokens as they are given out: sealed with Fernet, so that only this cloud reads them, or signed, so that anybody can.

A signed token (ES256) holds the claims Keystone's hold. No other algorithm is ever accepted, whatever a token says of
itself; and what was sealed is no signed token, nor the other way round.
"""

import base64
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from pileus.identity.drivers.fernet import FernetSeal, KeyRepository
from pileus.identity.models.claims import claims_of, read_claims
from pileus.identity.models.tokens import Payload, read_payload

_HEADER = {"alg": "ES256", "typ": "JWT"}
_SIZE = 32  # bytes of each half of a signature on P-256
_json = msgspec.json.Encoder()


class Tokens(Protocol):
    """Makes payloads into tokens and back."""

    def issue(self, payload: Payload) -> str:
        """A token that says this."""
        ...

    def read(self, token: str) -> Payload | None:
        """What a token says; None when it is none of ours."""
        ...


class FernetTokens:
    """Tokens nobody else can read."""

    def __init__(self, seal: FernetSeal) -> None:
        self._seal = seal

    def issue(self, payload: Payload) -> str:
        """A token that says this."""
        return self._seal.seal(payload.packed())

    def read(self, token: str) -> Payload | None:
        """What a token says; None when it is none of ours."""
        packed = self._seal.open(token)
        return None if packed is None else read_payload(packed)


def new_signing_key() -> bytes:
    """A private key on P-256, as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class JwsTokens:
    """Tokens everybody can read and nobody else can make."""

    def __init__(self, repository: KeyRepository) -> None:
        self._repository = repository
        self._stamp = 0
        self._keys = self._load()

    def issue(self, payload: Payload) -> str:
        """A token that says this."""
        if self._repository.stamp() != self._stamp:
            self._keys = self._load()
        text = f"{_coded(_json.encode(_HEADER))}.{_coded(_json.encode(claims_of(payload)))}"
        r, s = decode_dss_signature(self._keys[0].sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_coded(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"

    def read(self, token: str) -> Payload | None:
        """What a token says; None when it is none of ours."""
        parts = token.split(".")
        try:
            header, claims, signature = (_decoded(part) for part in parts)
            said = msgspec.json.decode(header, type=dict[str, Any])
        except (ValueError, msgspec.DecodeError):
            return None
        if said.get("alg") != "ES256" or "crit" in said or len(signature) != 2 * _SIZE:
            return None
        text = f"{parts[0]}.{parts[1]}".encode()
        whole = encode_dss_signature(int.from_bytes(signature[:_SIZE], "big"), int.from_bytes(signature[_SIZE:], "big"))
        if not self._signed(whole, text):
            if self._repository.stamp() == self._stamp:
                return None
            self._keys = self._load()
            if not self._signed(whole, text):
                return None
        return read_claims(claims)

    def _signed(self, signature: bytes, text: bytes) -> bool:
        for key in self._keys:
            try:
                key.public_key().verify(signature, text, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                continue
            return True
        return False

    def _load(self) -> list[ec.EllipticCurvePrivateKey]:
        self._stamp = self._repository.stamp()
        keys = (serialization.load_pem_private_key(pem, None) for pem in self._repository.newest_first())
        return [key for key in keys if isinstance(key, ec.EllipticCurvePrivateKey)]


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as bad:  # of base64, or of what is beyond ASCII
        raise ValueError(text[:20]) from bad
