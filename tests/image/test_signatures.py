"""Signed images: taken, placed and handed out only when the signature is of their bytes."""

import base64
import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.image.harness import OCTETS, RAW, Service, over, run
from tests.image.test_imports import asks, imported, tasks

from pileus.image.config import SignaturesConfig
from pileus.image.errors import BadSignature, NotTrusted
from pileus.image.manifest import port

Key = rsa.RSAPrivateKey | dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HASHES = {
    "SHA-224": hashes.SHA224(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}
MADE: dict[str, Key] = {}


def key(kind: str) -> Key:
    """A key of the kind, made once."""
    if kind not in MADE:
        match kind:
            case "RSA-PSS":
                MADE[kind] = rsa.generate_private_key(65537, 2048)
            case "DSA":
                MADE[kind] = dsa.generate_private_key(2048)
            case _:
                MADE[kind] = ec.generate_private_key(
                    {"ECC_SECP384R1": ec.SECP384R1(), "ECC_SECP521R1": ec.SECP521R1()}[kind]
                )
    return MADE[kind]


def certificate(of: Key, *, by: Key | None = None, ca: bool = False, years: int = 50) -> x509.Certificate:
    """A certificate of the key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(of.public_key())
    begin = NOW - dt.timedelta(days=3650)
    made = made.serial_number(7).not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=365 * years))
    return made.add_extension(x509.BasicConstraints(ca, None), critical=True).sign(by or of, hashes.SHA256())


def keep(folder: Path, certificate: x509.Certificate) -> str:
    """The certificate is in the operator's folder; returns its reference."""
    reference = str(uuid.uuid4())
    (folder / "certificates").mkdir(exist_ok=True)
    (folder / "certificates" / f"{reference}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return reference


def signed(of: Key, kind: str, method: str, reference: str, content: bytes = RAW) -> dict[str, str]:
    """The properties of an image that is signed."""
    match of:
        case rsa.RSAPrivateKey():
            value = of.sign(content, padding.PSS(padding.MGF1(HASHES[method]), padding.PSS.MAX_LENGTH), HASHES[method])
        case dsa.DSAPrivateKey():
            value = of.sign(content, HASHES[method])
        case _:
            value = of.sign(content, ec.ECDSA(HASHES[method]))
    return {
        "img_signature": base64.b64encode(value).decode(),
        "img_signature_hash_method": method,
        "img_signature_key_type": kind,
        "img_signature_certificate_uuid": reference,
    }


@pytest.mark.parametrize("kind", ["RSA-PSS", "DSA", "ECC_SECP384R1", "ECC_SECP521R1"])
@pytest.mark.parametrize("method", ["SHA-224", "SHA-512"])
def test_a_signed_image_is_taken_and_another_is_not(tmp_path: Path, kind: str, method: str) -> None:
    async def test(cloud: Service) -> None:
        about = signed(key(kind), kind, method, keep(tmp_path, certificate(key(kind))))
        id = (await cloud.create(**about))["id"]
        status, why, _ = await cloud.ask("PUT", f"/v2/images/{id}/file", RAW[::-1], headers=OCTETS)
        assert (400, True) == (status, b"Signature verification failed" in why)
        assert ("queued", []) == ((await cloud.show(id))["status"], cloud.stored())
        assert 204 == await cloud.upload(id)

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("img_signature", "no base64!", "no base64"),
        ("img_signature_hash_method", "MD5", "must be one of SHA-224"),
        ("img_signature_key_type", "RSA", "must be one of RSA-PSS"),
        ("img_signature_key_type", "ECC_SECP384R1", "no key of type"),
        ("img_signature_certificate_uuid", "../../etc/passwd", "no certificate"),
        ("img_signature_certificate_uuid", str(uuid.UUID(int=9)), "no certificate"),
    ],
)
def test_what_no_signature_can_fit_is_refused_before_the_bytes_come(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    async def test(cloud: Service) -> None:
        about = signed(key("RSA-PSS"), "RSA-PSS", "SHA-256", keep(tmp_path, certificate(key("RSA-PSS"))))
        id = (await cloud.create(**{**about, name: value}))["id"]
        status, why, _ = await cloud.ask("PUT", f"/v2/images/{id}/file", RAW, headers=OCTETS)
        assert (400, True) == (status, says in why.decode())

    run(tmp_path, test)


def test_an_image_with_part_of_a_signature_is_not_a_signed_one(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        assert 204 == await cloud.upload((await cloud.create(img_signature="x"))["id"])

    run(tmp_path, test)


def test_certificates_count_while_they_are_valid_and_if_somebody_trusted_issued_them(tmp_path: Path) -> None:
    root, mine = key("ECC_SECP384R1"), key("ECC_SECP521R1")
    authority = certificate(root, ca=True)
    (tmp_path / "trusted.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    cases = {
        "": certificate(mine, by=root),
        "not valid at this time": certificate(mine, by=root, years=1),
        "nobody who is trusted": certificate(mine),
    }

    async def test(cloud: Service) -> None:
        for says, one in cases.items():
            about = signed(mine, "ECC_SECP521R1", "SHA-256", keep(tmp_path, one))
            id = (await cloud.create(**about))["id"]
            status, why, _ = await cloud.ask("PUT", f"/v2/images/{id}/file", RAW, headers=OCTETS)
            assert (400 if says else 204, True) == (status, says in why.decode())

    run(tmp_path, test, signatures=SignaturesConfig(trusted="trusted.pem"))


def test_an_import_places_only_what_was_signed(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        about = signed(key("RSA-PSS"), "RSA-PSS", "SHA-256", keep(tmp_path, certificate(key("RSA-PSS"))))
        ends: dict[bytes, Any] = {}
        for content in (RAW, RAW[::-1]):
            id = (await cloud.create(**about))["id"]
            assert 204 == (await cloud.ask("PUT", f"/v2/images/{id}/stage", content, headers=OCTETS))[0]
            assert 202 == await imported(cloud, id, asks("glance-direct"))
            ends[content] = (await cloud.show(id))["status"], (await tasks(cloud, id))[0]["message"]
        assert ("active", "") == ends[RAW]
        assert "queued" == ends[RAW[::-1]][0]
        assert "Signature verification failed" in ends[RAW[::-1]][1]

    run(tmp_path, test)


async def _fetched(cloud: Service, id: str, to: Path) -> bytes:
    await port(cloud.app).fetch(id, to)
    return to.read_bytes()


def test_a_host_gets_only_what_is_signed_still(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        reference = keep(tmp_path, certificate(key("RSA-PSS")))
        id = (await cloud.create(**signed(key("RSA-PSS"), "RSA-PSS", "SHA-256", reference)))["id"]
        assert 204 == await cloud.upload(id)
        assert RAW == await _fetched(cloud, id, tmp_path / "disk")
        (tmp_path / "disk").unlink()
        keep_file = tmp_path / "certificates" / f"{reference}.pem"
        keep_file.unlink()
        again = Service(over(cloud.app.db, cloud.state, cloud.app.clock, cloud.app.config), cloud.state)
        with pytest.raises(BadSignature, match="there is no certificate"):
            await _fetched(again, id, tmp_path / "disk")
        assert not (tmp_path / "disk").exists()

    run(tmp_path, test)


def test_trust_is_in_certificates_and_of_bytes(tmp_path: Path) -> None:
    """What a server that names certificates is made of: signed, by one of them or by whom one of them is an authority of."""
    root, mine, stranger = key("ECC_SECP384R1"), key("ECC_SECP521R1"), key("RSA-PSS")

    async def test(cloud: Service) -> None:
        authority = keep(tmp_path, certificate(root, ca=True))
        own = keep(tmp_path, certificate(mine, by=root))
        other = keep(tmp_path, certificate(stranger, ca=True))
        images = port(cloud.app)
        id = (await cloud.create(**signed(mine, "ECC_SECP521R1", "SHA-256", own)))["id"]
        assert 204 == await cloud.upload(id)
        for trusted in ([own], [authority], [other, authority]):
            await images.check_trust(id, trusted)
        for trusted, says in (([other], "nobody who is trusted"), ([str(uuid.UUID(int=9))], "Unable to retrieve")):
            with pytest.raises(NotTrusted, match=f"validation failed for certificate: {own}.*{says}"):
                await images.check_trust(id, trusted)
        plain = (await cloud.create(img_signature="x"))["id"]
        assert 204 == await cloud.upload(plain)
        with pytest.raises(BadSignature, match="do not exist: img_signature_hash_method, img_signature_key_type"):
            await images.check_trust(plain, [own])
        # Another signature of the same owner, that is of other bytes, was given to it since.
        about = signed(mine, "ECC_SECP521R1", "SHA-256", own, RAW[::-1])
        step = {"op": "replace", "path": "/img_signature", "value": about["img_signature"]}
        assert 200 == (await cloud.patch(id, step))[0]
        with pytest.raises(BadSignature, match="not the signature of these bytes"):
            await images.check_trust(id, [own])

    run(tmp_path, test)
