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

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import XTS

SECTOR = 512
MASTER_KEY = 64  # octets: two keys of AES-256, as XTS takes them
STRIPES = 4000
SLOTS = 8
ALIGNED = 8  # sectors
SLOT_SECTORS = -(-MASTER_KEY * STRIPES // SECTOR // ALIGNED) * ALIGNED
PAYLOAD = (ALIGNED + SLOTS * SLOT_SECTORS) * SECTOR  # octets before the disk's own
ITERATIONS = 1000  # the format's least
ENABLED, DISABLED = 0x00AC71F3, 0x0000DEAD
HASH = "sha256"


def header(key: bytes) -> bytes:
    """The first `PAYLOAD` octets of a new disk that this key opens; a master key of its own is in them, sealed."""
    master, salt, digest_salt = os.urandom(MASTER_KEY), os.urandom(32), os.urandom(32)
    digest = hashlib.pbkdf2_hmac(HASH, master, digest_salt, ITERATIONS, 20)
    head = struct.pack(
        ">6sH32s32s32sII20s32sI40s", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", HASH.encode(), PAYLOAD // SECTOR,
        MASTER_KEY, digest, digest_salt, ITERATIONS, str(uuid.uuid4()).encode(),
    )  # fmt: skip
    for slot in range(SLOTS):
        used = (ENABLED, ITERATIONS, salt) if slot == 0 else (DISABLED, 0, b"")
        head += struct.pack(">II32sII", *used, ALIGNED + slot * SLOT_SECTORS, STRIPES)
    material = _encrypted(_split(master), hashlib.pbkdf2_hmac(HASH, key, salt, ITERATIONS, MASTER_KEY))
    return (head.ljust(ALIGNED * SECTOR, b"\0") + material).ljust(PAYLOAD, b"\0")


def _split(master: bytes) -> bytes:
    """The master key spread over many stripes: all are needed, so to destroy any of them destroys it."""
    stripes = os.urandom(MASTER_KEY * (STRIPES - 1))
    kept = bytes(MASTER_KEY)
    for at in range(0, len(stripes), MASTER_KEY):
        kept = _diffused(_xor(kept, stripes[at : at + MASTER_KEY]))
    return stripes + _xor(kept, master)


def _diffused(block: bytes) -> bytes:
    size = hashlib.new(HASH).digest_size
    pieces = (block[at : at + size] for at in range(0, len(block), size))
    return b"".join(
        hashlib.new(HASH, struct.pack(">I", number) + piece).digest() for number, piece in enumerate(pieces)
    )


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _encrypted(plain: bytes, key: bytes) -> bytes:
    """AES-XTS of each sector, whose number is the tweak (`plain64`)."""
    found = []
    for number, at in enumerate(range(0, len(plain), SECTOR)):
        cipher = Cipher(AES(key), XTS(number.to_bytes(16, "little"))).encryptor()
        found.append(cipher.update(plain[at : at + SECTOR]) + cipher.finalize())
    return b"".join(found)
