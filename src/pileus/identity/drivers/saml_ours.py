"""SAML 2.0: what we assert to others, signed; our keys; and what we say of ourselves."""

import datetime as dt
import fcntl
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from pileus.identity.drivers.saml import BEARER, DS, LEEWAY, SAML, SAMLP, SOAP, SUCCESS, parsed, tree
from pileus.identity.drivers.xml_encryption import GCM, OAEP_SHA1

MD = "urn:oasis:names:tc:SAML:2.0:metadata"
ECP = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
VALID = dt.timedelta(days=3650)


class KeyPair(msgspec.Struct, frozen=True):
    """A private key of ours and its certificate, as PEM."""

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "KeyPair()"


def key_pair(folder: Path) -> KeyPair:
    """The pair in the folder; made when there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "key.pem").exists():
            pair = _new_pair()
            (folder / "certificate.pem").write_bytes(pair.certificate)
            descriptor = os.open(folder / ".key.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pair.key)
            (folder / ".key.new").rename(folder / "key.pem")
    finally:
        os.close(lock)
    return KeyPair((folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes())


def _new_pair() -> KeyPair:
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pileus identity")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LEEWAY)
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(pem, certificate.public_bytes(serialization.Encoding.PEM))


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What we assert of somebody, to whom, and for how long."""

    id: str
    response_id: str
    issuer: str
    recipient: str
    name: str
    attributes: Mapping[str, Sequence[str]]
    at: dt.datetime
    until: dt.datetime


def signed_response(statement: Statement, pair: KeyPair) -> bytes:
    """The response that holds the assertion, which is signed."""
    from signxml.algorithms import SignatureConstructionMethod
    from signxml.signer import XMLSigner

    etree = tree()
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped, c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"
    )
    assertion = signer.sign(
        _assertion(statement),
        key=pair.key,
        cert=pair.certificate.decode(),
        reference_uri=f"#{statement.id}",
        id_attribute="ID",
    )
    response = etree.Element(
        f"{{{SAMLP}}}Response",
        nsmap={"samlp": SAMLP, "saml": SAML},
        ID=statement.response_id,
        Version="2.0",
        IssueInstant=_written(statement.at),
        Destination=statement.recipient,
    )
    etree.SubElement(response, f"{{{SAML}}}Issuer").text = statement.issuer
    status = etree.SubElement(response, f"{{{SAMLP}}}Status")
    etree.SubElement(status, f"{{{SAMLP}}}StatusCode", Value=SUCCESS)
    response.append(assertion)
    return bytes(etree.tostring(response))


def _written(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _assertion(statement: Statement) -> Any:
    etree = tree()
    assertion = etree.Element(
        f"{{{SAML}}}Assertion",
        nsmap={"saml": SAML},
        ID=statement.id,
        Version="2.0",
        IssueInstant=_written(statement.at),
    )
    etree.SubElement(assertion, f"{{{SAML}}}Issuer").text = statement.issuer
    etree.SubElement(assertion, f"{{{DS}}}Signature", nsmap={"ds": DS}, Id="placeholder")
    subject = etree.SubElement(assertion, f"{{{SAML}}}Subject")
    etree.SubElement(subject, f"{{{SAML}}}NameID").text = statement.name
    confirmation = etree.SubElement(subject, f"{{{SAML}}}SubjectConfirmation", Method=BEARER)
    etree.SubElement(
        confirmation,
        f"{{{SAML}}}SubjectConfirmationData",
        NotOnOrAfter=_written(statement.until),
        Recipient=statement.recipient,
    )
    authn = etree.SubElement(
        assertion,
        f"{{{SAML}}}AuthnStatement",
        AuthnInstant=_written(statement.at),
        SessionIndex=statement.id,
        SessionNotOnOrAfter=_written(statement.until),
    )
    context = etree.SubElement(authn, f"{{{SAML}}}AuthnContext")
    reference = etree.SubElement(context, f"{{{SAML}}}AuthnContextClassRef")
    reference.text = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
    attributes = etree.SubElement(assertion, f"{{{SAML}}}AttributeStatement")
    for name, values in statement.attributes.items():
        one = etree.SubElement(attributes, f"{{{SAML}}}Attribute", Name=name, NameFormat=BASIC)
        for value in values:
            etree.SubElement(one, f"{{{SAML}}}AttributeValue").text = value
    return assertion


def enveloped(response: bytes, relay_state: str, recipient: str) -> bytes:
    """The response in an envelope of SOAP, as enhanced clients carry it to a service provider."""
    etree = tree()
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"ns0": SOAP, "ns1": ECP})
    header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
    must = {f"{{{SOAP}}}actor": "http://schemas.xmlsoap.org/soap/actor/next", f"{{{SOAP}}}mustUnderstand": "1"}
    etree.SubElement(header, f"{{{ECP}}}RelayState", must).text = relay_state
    etree.SubElement(header, f"{{{ECP}}}Response", must, AssertionConsumerServiceURL=recipient)
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(parsed(response))
    return bytes(etree.tostring(envelope))


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What others are told of us: as a provider, how we sign; as who believes providers, how to encrypt and where to.

    `consumers` are the addresses assertions are brought to, each with its binding; certificates are PEM.
    """

    entity_id: str
    sso_url: str
    signing: bytes
    encryption: bytes
    consumers: Sequence[tuple[str, str]] = ()


def metadata(about: Metadata) -> bytes:
    """The document."""
    etree = tree()
    entity = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS}, entityID=about.entity_id)
    idp = etree.SubElement(entity, f"{{{MD}}}IDPSSODescriptor", protocolSupportEnumeration=SAMLP)
    _key(idp, "signing", about.signing)
    binding = "urn:oasis:names:tc:SAML:2.0:bindings:URI"
    etree.SubElement(idp, f"{{{MD}}}SingleSignOnService", Binding=binding, Location=about.sso_url)
    if about.consumers:
        marks = {"AuthnRequestsSigned": "false", "WantAssertionsSigned": "true", "protocolSupportEnumeration": SAMLP}
        sp = etree.SubElement(entity, f"{{{MD}}}SPSSODescriptor", marks)
        encryption = _key(sp, "encryption", about.encryption)
        for how in (*GCM, OAEP_SHA1):
            etree.SubElement(encryption, f"{{{MD}}}EncryptionMethod", Algorithm=how)
        for at, (binding, location) in enumerate(about.consumers):
            place = {"Binding": binding, "Location": location, "index": str(at)}
            etree.SubElement(sp, f"{{{MD}}}AssertionConsumerService", place)
    return bytes(etree.tostring(entity, xml_declaration=True, encoding="UTF-8"))


def _key(role: Any, use: str, certificate: bytes) -> Any:
    etree = tree()
    descriptor = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use=use)
    data = etree.SubElement(etree.SubElement(descriptor, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
    lines = certificate.decode().strip().splitlines()
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = "".join(lines[1:-1])
    return descriptor
