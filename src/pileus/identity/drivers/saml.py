"""SAML 2.0: responses that identity providers signed, read; `saml_ours` writes what we sign.

What is read is only what `signxml` gives back as signed, or what lies encrypted in that: whatever else a document holds,
wrapped around or beside it, is not looked at. Documents with a DOCTYPE are refused before they are parsed, so there are no
entities to expand.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.identity.drivers.xml_encryption import decrypted
from pileus.identity.errors import BadAssertion, NotSetUp

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ENCRYPTED = f"{{{SAML}}}EncryptedAssertion"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
LARGEST = 1 << 18
LEEWAY = dt.timedelta(seconds=60)


class Asserted(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed response says of somebody."""

    id: str
    issuer: str
    name: str
    attributes: Mapping[str, Sequence[str]]
    until: dt.datetime


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Whose response it must be, for whom, and what it must answer (None: nothing); `key` reads what is encrypted for us."""

    certificate: str
    key: bytes
    issuer: str
    audience: str
    recipient: str
    answers: str | None
    now: dt.datetime


def tree() -> Any:
    """The library that reads and writes XML; raises NotSetUp where it is not installed."""
    try:
        from lxml import etree  # type: ignore[import-untyped]
    except ImportError as missing:
        raise NotSetUp(what="SAML 2.0", remedy="install the packages of requirements/federation.txt") from missing
    return etree


def parsed(raw: bytes) -> Any:
    """The document's root; raises BadAssertion for what is none, is too large, or has a DOCTYPE."""
    etree = tree()
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
        root = parsed(tree().tostring(found[0]))
    if root.tag != f"{{{SAMLP}}}Response":
        raise BadAssertion(why="it is no SAML response")
    return root


def read_response(raw: bytes, expected: Expected) -> Asserted:
    """What the response says, if it was signed as expected and is for us, and of now; raises BadAssertion."""
    response = response_in(raw)
    if response.find(f"{{{DS}}}Signature") is None and response.find(ENCRYPTED) is not None:
        # Only what was encrypted can say who wrote it.
        signed = _signed(_decrypted(response, expected.key, was_signed=False), expected.certificate)
    else:
        signed = _signed(response, expected.certificate)
    if signed.tag == f"{{{SAMLP}}}Response":
        status = signed.find(f"{{{SAMLP}}}Status/{{{SAMLP}}}StatusCode")
        if status is None or status.get("Value") != SUCCESS:
            raise BadAssertion(why="the provider says that the login failed")
        signed = _assertion_in(signed, expected.key)
    if signed.tag != f"{{{SAML}}}Assertion":
        raise BadAssertion(why="what was signed is no assertion")
    return _read_assertion(signed, expected)


def _assertion_in(response: Any, key: bytes) -> Any:
    """The only assertion of a response that was signed."""
    found = response.findall(f"{{{SAML}}}Assertion")
    if response.find(ENCRYPTED) is not None:
        found.append(_decrypted(response, key, was_signed=True))
    if len(found) != 1:
        raise BadAssertion(why="it is not clear which assertion is meant")
    return found[0]


def _decrypted(response: Any, key: bytes, *, was_signed: bool) -> Any:
    """The assertion that the response holds encrypted, by itself."""
    found = response.findall(ENCRYPTED)
    if len(found) != 1:
        raise BadAssertion(why="it is not clear which assertion is meant")
    plain = decrypted(found[0], key, was_signed=was_signed)
    # It may use prefixes that were declared around it.
    around = tree().Element("around", nsmap={name or "d": uri for name, uri in found[0].nsmap.items()})
    begin, _, end = bytes(tree().tostring(around)).rpartition(b"/>")
    inside = parsed(begin + b">" + plain + b"</around>" + end)
    if len(inside) != 1:
        raise BadAssertion(why="what is encrypted in it is no assertion")
    return parsed(tree().tostring(inside[0], with_tail=False))


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
    except (SignXMLException, ValueError, tree().LxmlError) as bad:
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
