"""LUKS, version 1: the header of a new encrypted disk, as QEMU and cryptsetup open it (LUKS1 On-Disk Format, 1.2.3).

    header (592 octets) | the master key, split, and encrypted with the key | room for seven other keys | the disk's bytes

The disk's bytes begin where every disk of this kind has them begin, and the header says nothing of how many there are: so such a
disk is copied and grown like any other. It is made here and not by a program, as programs measure for seconds how slow they
can make a guess of the key, and ours is 256 random bits that nobody guesses.
"""

import hashlib
import os
import struct
import uuid

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB, XTS

SECTOR = 512
MASTER_KEY = (
    64  # octets of the longest: two keys of AES-256, as XTS takes them. Room is left for it whatever the cipher
)
STRIPES = 4000
SLOTS = 8
ALIGNED = 8  # sectors
SLOT_SECTORS = -(-MASTER_KEY * STRIPES // SECTOR // ALIGNED) * ALIGNED
PAYLOAD = (ALIGNED + SLOTS * SLOT_SECTORS) * SECTOR  # octets before the disk's own
ITERATIONS = 1000  # the format's least
ENABLED, DISABLED = 0x00AC71F3, 0x0000DEAD
HASH = "sha256"
XTS_PLAIN64, CBC_ESSIV = "xts-plain64", "cbc-essiv:sha256"
# What is offered: the bits of the keys each mode of AES takes here, the usual one first.
KEY_BITS = {XTS_PLAIN64: (512, 256), CBC_ESSIV: (256, 128)}


class Cipherment(msgspec.Struct, frozen=True):
    """How the bytes of a disk are encrypted: a mode of AES, and how long its key is."""

    mode: str = XTS_PLAIN64
    bits: int = 512


def cipherment(cipher: str | None, bits: int | None) -> Cipherment | None:
    """What cryptsetup's name of a cipher and a length of keys say; None if that is not offered here."""
    algorithm, _, mode = (cipher or f"aes-{XTS_PLAIN64}").partition("-")
    known = KEY_BITS.get(mode, ()) if algorithm == "aes" else ()
    found = bits or (known[0] if known else 0)
    return Cipherment(mode, found) if found in known else None


def header(key: bytes, how: Cipherment = Cipherment()) -> bytes:
    """The first `PAYLOAD` octets of a new disk that this key opens; a master key of its own is in them, sealed."""
    size = how.bits // 8
    master, salt, digest_salt = os.urandom(size), os.urandom(32), os.urandom(32)
    digest = hashlib.pbkdf2_hmac(HASH, master, digest_salt, ITERATIONS, 20)
    head = struct.pack(
        ">6sH32s32s32sII20s32sI40s", b"LUKS\xba\xbe", 1, b"aes", how.mode.encode(), HASH.encode(), PAYLOAD // SECTOR,
        size, digest, digest_salt, ITERATIONS, str(uuid.uuid4()).encode(),
    )  # fmt: skip
    for slot in range(SLOTS):
        used = (ENABLED, ITERATIONS, salt) if slot == 0 else (DISABLED, 0, b"")
        head += struct.pack(">II32sII", *used, ALIGNED + slot * SLOT_SECTORS, STRIPES)
    material = _encrypted(_split(master), hashlib.pbkdf2_hmac(HASH, key, salt, ITERATIONS, size), how.mode)
    return (head.ljust(ALIGNED * SECTOR, b"\0") + material).ljust(PAYLOAD, b"\0")


def _split(master: bytes) -> bytes:
    """The master key spread over many stripes: all are needed, so to destroy any of them destroys it."""
    size = len(master)
    stripes = os.urandom(size * (STRIPES - 1))
    kept = bytes(size)
    for at in range(0, len(stripes), size):
        kept = _diffused(_xor(kept, stripes[at : at + size]))
    return stripes + _xor(kept, master)


def _diffused(block: bytes) -> bytes:
    size = hashlib.new(HASH).digest_size
    pieces = (block[at : at + size] for at in range(0, len(block), size))
    return b"".join(
        hashlib.new(HASH, struct.pack(">I", number) + piece).digest()[: len(piece)]
        for number, piece in enumerate(pieces)
    )


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _encrypted(plain: bytes, key: bytes, mode: str) -> bytes:
    """AES of each sector, whose number is the tweak (`plain64`), or made the first vector with a key of its own (`essiv`)."""
    found = []
    for number, at in enumerate(range(0, len(plain), SECTOR)):
        tweak = number.to_bytes(16, "little")
        if mode == CBC_ESSIV:
            vector = _cipher(hashlib.sha256(key).digest(), ECB(), tweak)  # noqa: S305 - what the format says
            found.append(_cipher(key, CBC(vector), plain[at : at + SECTOR]))
        else:
            found.append(_cipher(key, XTS(tweak), plain[at : at + SECTOR]))
    return b"".join(found)


def _cipher(key: bytes, mode: XTS | CBC | ECB, plain: bytes) -> bytes:
    made = Cipher(AES(key), mode).encryptor()
    return made.update(plain) + made.finalize()
