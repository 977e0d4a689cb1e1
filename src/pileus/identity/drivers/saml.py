"""SAML 2.0: responses that identity providers signed, and assertions that we sign.

What is read is only what `signxml` gives back as signed: whatever else a document holds, wrapped around or beside it, is
not looked at. Documents with a DOCTYPE are refused before they are parsed, so there are no entities to expand.
"""

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

from pileus.identity.errors import BadAssertion, NotSetUp

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ECP = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
LARGEST = 1 << 18
LEEWAY = dt.timedelta(seconds=60)
VALID = dt.timedelta(days=3650)


class Asserted(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed response says of somebody."""

    id: str
    issuer: str
    name: str
    attributes: Mapping[str, Sequence[str]]
    until: dt.datetime


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Whose response it must be, for whom, and what it must answer (None: nothing)."""

    certificate: str
    issuer: str
    audience: str
    recipient: str
    answers: str | None
    now: dt.datetime


def _etree() -> Any:
    try:
        from lxml import etree  # type: ignore[import-untyped]
    except ImportError as missing:
        raise NotSetUp(what="SAML 2.0", remedy="install the packages of requirements/federation.txt") from missing
    return etree


def parsed(raw: bytes) -> Any:
    """The document's root; raises BadAssertion for what is none, is too large, or has a DOCTYPE."""
    etree = _etree()
    if len(raw) > LARGEST or b"<!DOCTYPE" in raw or b"<!ENTITY" in raw or b"\0" in raw:
        raise BadAssertion(why="a SAML document is small UTF-8 text, and has no DOCTYPE")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as bad:
        raise BadAssertion(why="it is no XML") from bad
    if root.getroottree().docinfo.doctype:
        raise BadAssertion(why="a SAML document has no DOCTYPE")
    return root


def response_in(raw: bytes) -> Any:
    """The response in a document, which may lie in an envelope of SOAP."""
    root = parsed(raw)
    if root.tag == f"{{{SOAP}}}Envelope":
        found = root.findall(f"{{{SOAP}}}Body/{{{SAMLP}}}Response")
        if len(found) != 1:
            raise BadAssertion(why="the envelope holds no response")
        root = parsed(_etree().tostring(found[0]))
    if root.tag != f"{{{SAMLP}}}Response":
        raise BadAssertion(why="it is no SAML response")
    return root


def read_response(raw: bytes, expected: Expected) -> Asserted:
    """What the response says, if it was signed as expected and is for us, and of now; raises BadAssertion."""
    response = response_in(raw)
    signed = _signed(response, expected.certificate)
    if signed.tag == f"{{{SAMLP}}}Response":
        status = signed.find(f"{{{SAMLP}}}Status/{{{SAMLP}}}StatusCode")
        if status is None or status.get("Value") != SUCCESS:
            raise BadAssertion(why="the provider says that the login failed")
        found = signed.findall(f"{{{SAML}}}Assertion")
        signed = found[0] if len(found) == 1 else signed
    if signed.tag != f"{{{SAML}}}Assertion":
        raise BadAssertion(why="what was signed is no assertion")
    return _read_assertion(signed, expected)


def _signed(response: Any, certificate: str) -> Any:
    """The element that was signed with the certificate's key, read anew from what was signed."""
    from signxml.algorithms import SignatureMethod
    from signxml.exceptions import SignXMLException
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    methods = frozenset(
        {
            SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512,
            SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384, SignatureMethod.ECDSA_SHA512,
        }
    )  # fmt: skip
    try:
        found = XMLVerifier().verify(
            response,
            x509_cert=certificate,
            id_attribute="ID",
            expect_config=SignatureConfiguration(signature_methods=methods, location=".//"),
        )
    except (SignXMLException, ValueError, _etree().LxmlError) as bad:
        raise BadAssertion(why=f"it is not signed as it should be ({type(bad).__name__})") from bad
    if isinstance(found, list) or found.signed_xml is None:
        raise BadAssertion(why="it is not clear what was signed")
    return found.signed_xml


def _text(element: Any) -> str:
    return "" if element is None else "".join(element.itertext()).strip()


def _moment(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadAssertion(why="a time in it is none") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


def _read_assertion(assertion: Any, expected: Expected) -> Asserted:
    issuer = _text(assertion.find(f"{{{SAML}}}Issuer"))
    if issuer != expected.issuer:
        raise BadAssertion(why="it is another provider's")
    conditions = assertion.find(f"{{{SAML}}}Conditions")
    if conditions is not None:
        _check_conditions(conditions, expected)
    until = _confirmed(assertion, expected)
    attributes: dict[str, list[str]] = {}
    for one in assertion.findall(f"{{{SAML}}}AttributeStatement/{{{SAML}}}Attribute"):
        values = [_text(value) for value in one.findall(f"{{{SAML}}}AttributeValue")]
        for name in {one.get("Name"), one.get("FriendlyName")} - {None}:
            attributes.setdefault(name, []).extend(values)
    name = _text(assertion.find(f"{{{SAML}}}Subject/{{{SAML}}}NameID"))
    return Asserted(id=assertion.get("ID") or "", issuer=issuer, name=name, attributes=attributes, until=until)


def _check_conditions(conditions: Any, expected: Expected) -> None:
    begins, ends = _moment(conditions.get("NotBefore")), _moment(conditions.get("NotOnOrAfter"))
    if (begins and expected.now + LEEWAY < begins) or (ends and ends <= expected.now - LEEWAY):
        raise BadAssertion(why="it is not of now")
    for restriction in conditions.findall(f"{{{SAML}}}AudienceRestriction"):
        if expected.audience not in [_text(one) for one in restriction.findall(f"{{{SAML}}}Audience")]:
            raise BadAssertion(why="it is for another audience")


def _confirmed(assertion: Any, expected: Expected) -> dt.datetime:
    """Until when the assertion can be used by whoever brings it here."""
    for one in assertion.findall(f"{{{SAML}}}Subject/{{{SAML}}}SubjectConfirmation"):
        said = one.find(f"{{{SAML}}}SubjectConfirmationData")
        if one.get("Method") != BEARER or said is None:
            continue
        until = _moment(said.get("NotOnOrAfter"))
        if until is None or until <= expected.now - LEEWAY or said.get("Recipient") != expected.recipient:
            continue
        if said.get("InResponseTo") == expected.answers:
            return until
    raise BadAssertion(why="it does not answer this login, is not for this address, or is over")


# -- what we sign -------------------------------------------------------------------------------------------------------


class SigningPair(msgspec.Struct, frozen=True):
    """Our private key and its certificate, as PEM."""

    key: bytes
    certificate: bytes

    def __repr__(self) -> str:
        return "SigningPair()"


def signing_pair(folder: Path) -> SigningPair:
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
    return SigningPair((folder / "key.pem").read_bytes(), (folder / "certificate.pem").read_bytes())


def _new_pair() -> SigningPair:
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
    return SigningPair(pem, certificate.public_bytes(serialization.Encoding.PEM))


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


def signed_response(statement: Statement, pair: SigningPair) -> bytes:
    """The response that holds the assertion, which is signed."""
    from signxml.algorithms import SignatureConstructionMethod
    from signxml.signer import XMLSigner

    etree = _etree()
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
    etree = _etree()
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
    etree = _etree()
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"ns0": SOAP, "ns1": ECP})
    header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
    must = {f"{{{SOAP}}}actor": "http://schemas.xmlsoap.org/soap/actor/next", f"{{{SOAP}}}mustUnderstand": "1"}
    etree.SubElement(header, f"{{{ECP}}}RelayState", must).text = relay_state
    etree.SubElement(header, f"{{{ECP}}}Response", must, AssertionConsumerServiceURL=recipient)
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(parsed(response))
    return bytes(etree.tostring(envelope))


def metadata(entity_id: str, sso_url: str, certificate: bytes) -> bytes:
    """What service providers are told of us."""
    etree = _etree()
    entity = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS}, entityID=entity_id)
    idp = etree.SubElement(entity, f"{{{MD}}}IDPSSODescriptor", protocolSupportEnumeration=SAMLP)
    descriptor = etree.SubElement(idp, f"{{{MD}}}KeyDescriptor", use="signing")
    data = etree.SubElement(etree.SubElement(descriptor, f"{{{DS}}}KeyInfo"), f"{{{DS}}}X509Data")
    lines = certificate.decode().strip().splitlines()
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = "".join(lines[1:-1])
    binding = "urn:oasis:names:tc:SAML:2.0:bindings:URI"
    etree.SubElement(idp, f"{{{MD}}}SingleSignOnService", Binding=binding, Location=sso_url)
    return bytes(etree.tostring(entity, xml_declaration=True, encoding="UTF-8"))
