"""What is kept with a bucket besides Swift's own metadata: texts of some length, in as many headers as they take."""

import zlib
from base64 import b64decode, b64encode

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.s3.call import ABOUT, Call
from pileus.object_store.s3.errors import S3Error

PIECE = 6000
MOST = 12  # pieces: 72 kB of what compresses well


def kept_document(facts: ContainerFacts, name: str) -> str:
    """A text that is kept with the bucket; empty when there is none."""
    pieces = [facts.metadata.get(f"{ABOUT}{name}-{at}", "") for at in range(MOST)]
    text = "".join(pieces)
    return zlib.decompress(b64decode(text)).decode() if text else ""


async def put_document(call: Call, name: str, text: str) -> None:
    """The text is kept with the bucket; an empty one is forgotten."""
    packed = b64encode(zlib.compress(text.encode("utf-8", "surrogateescape"))).decode() if text else ""
    if len(packed) > PIECE * MOST:
        raise S3Error("MaxMessageLengthExceeded", "The configuration is too long to be kept.")
    headers = {f"{ABOUT}{name}-{at}": packed[at * PIECE : (at + 1) * PIECE] for at in range(MOST)}
    await call.tell(call.ask("POST", call.bucket, headers=headers))
