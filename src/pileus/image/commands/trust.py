"""Whether an image may be trusted by who trusts certain certificates: its signature, its bytes and the signer's certificate."""

from collections.abc import Sequence

from cryptography import x509

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.commands.images import image_get
from pileus.image.drivers.interface import Unreadable, closing
from pileus.image.drivers.signatures import NotSigned, key_of
from pileus.image.flows.intake import batches, bytes_of
from pileus.image.flows.signed import CERTIFICATE, METHOD, TYPE, VALUE, Seal, is_signed
from pileus.image.models.images import Image

SIGNATURE = (VALUE, METHOD, TYPE, CERTIFICATE)


async def check_trust(app: ImageApp, image_id: str, trusted: Sequence[str]) -> None:
    """The image's signature is of its bytes, and its certificate is one of the trusted ones, or issued by one."""
    image = await image_get(app, image_id)
    if not is_signed(image.properties):
        missing = ", ".join(name for name in SIGNATURE if name not in image.properties)
        why = f"required image properties for signature verification do not exist: {missing}"
        raise errors.BadSignature(image=image.id, why=why)
    reference = image.properties[CERTIFICATE]
    pem = await app.certificates.certificate(reference)
    try:
        if pem is None:
            raise NotSigned("There is no such certificate.")
        issuers = [await _certificate(app, one) for one in trusted]
        key_of(pem, image.properties[TYPE], app.clock.now(), issuers)
    except NotSigned as wrong:
        raise errors.NotTrusted(certificate=reference, why=wrong) from wrong
    await _check_bytes(app, image)


async def _certificate(app: ImageApp, reference: str) -> x509.Certificate:
    pem = await app.certificates.certificate(reference)
    if pem is None:
        raise NotSigned(f"Unable to retrieve the trusted certificate with ID: {reference}.")
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as broken:
        raise NotSigned(f"The trusted certificate {reference} cannot be read: {broken}") from broken


async def _check_bytes(app: ImageApp, image: Image) -> None:
    """The signature holds of the bytes; they are read once for each signature that the image is given."""
    # The properties of a signature can be changed once hosts have the bytes, so that they came here is not enough.
    known = (image.id, image.hash_value or "", *(image.properties[name] for name in SIGNATURE))
    if known in app.held_good:
        return
    seal = await Seal.of(app, image)
    try:
        async with closing(batches(bytes_of(app, image.copies, 0, image.size or 0))) as pieces:
            async for piece in pieces:
                await seal.feed(piece)
    except Unreadable as failed:
        raise errors.ReadError(image=image.id, why=failed) from failed
    seal.check()
    app.held_good.add(known)
