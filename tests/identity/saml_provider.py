"""An identity provider that speaks SAML 2.0, for tests: it has keys of its own and shows people a form to log in.

It knows of the cloud only what the cloud's metadata say, and writes, signs and encrypts by itself what it asserts.
"""

import base64
import datetime as dt
import html
import os
import uuid
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree  # type: ignore[import-untyped]
from signxml.algorithms import SignatureConstructionMethod
from signxml.signer import XMLSigner
from tests.identity.browser import Seen

from pileus.identity.drivers.saml_ours import KeyPair

NS = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
}
XMLNS = " ".join(f'xmlns:{name}="{uri}"' for name, uri in NS.items())
GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
CBC = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
RSA_1_5 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"


def signed(text: str, id: str, pair: KeyPair) -> str:
    """The same document, with a signature of the element with this id, where `<ds:Signature Id="placeholder"/>` stands."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped, c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"
    )
    element = signer.sign(
        etree.fromstring(text.encode()),
        key=pair.key,
        cert=pair.certificate.decode(),
        reference_uri=f"#{id}",
        id_attribute="ID",
    )
    return str(etree.tostring(element).decode())


def encrypted(text: str, certificate: x509.Certificate, how: str = GCM, wrapped: str = OAEP) -> str:
    """An `EncryptedAssertion` of the text, for the holder of the certificate."""
    public = certificate.public_key()
    assert isinstance(public, RSAPublicKey)
    key, raw = os.urandom(32), text.encode()
    if how == GCM:
        iv = os.urandom(12)
        data = iv + AESGCM(key).encrypt(iv, raw, None)
    else:
        iv, size = os.urandom(16), 16 - len(raw) % 16
        writer = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        data = iv + writer.update(raw + os.urandom(size - 1) + bytes([size])) + writer.finalize()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    hidden = public.encrypt(key, oaep if wrapped == OAEP else padding.PKCS1v15())
    return (
        f'<saml:EncryptedAssertion {XMLNS}><xenc:EncryptedData Type="http://www.w3.org/2001/04/xmlenc#Element">'
        f'<xenc:EncryptionMethod Algorithm="{how}"/><ds:KeyInfo><xenc:EncryptedKey>'
        f'<xenc:EncryptionMethod Algorithm="{wrapped}"/><xenc:CipherData><xenc:CipherValue>{_coded(hidden)}'
        "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>"
        f"{_coded(data)}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion>"
    )


def _coded(raw: bytes) -> str:
    return base64.encodebytes(raw).decode()  # in lines, as most write it


class Metadata:
    """What a service provider says of itself."""

    def __init__(self, text: str) -> None:
        root = etree.fromstring(text.encode())
        service = root.find("md:SPSSODescriptor", NS)
        self.name: str = root.get("entityID")
        self.addresses = [one.get("Location") for one in service.findall("md:AssertionConsumerService", NS)]
        self.addresses_of_forms = [
            one.get("Location")
            for one in service.findall("md:AssertionConsumerService", NS)
            if one.get("Binding") == "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
        ]
        coded = service.find("md:KeyDescriptor[@use='encryption']//ds:X509Certificate", NS).text
        self.certificate = x509.load_der_x509_certificate(base64.b64decode(coded))


class Provider:
    """The provider, at `https://saml.example`; `cloud` is what it knows of the cloud."""

    ENTITY = "https://saml.example"

    def __init__(self, pair: KeyPair, clock: Any) -> None:
        self.pair = pair
        self.clock = clock
        self.cloud: Metadata | None = None
        self.people = {"ann": ("ann's secret", ["staff"])}

    async def site(self, method: str, path: str, headers: Mapping[str, str], body: str) -> Seen:
        """Its pages: one to log in, and one that brings the assertion back."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(path).query or body).items()}
        if urlsplit(path).path == "/sso" and method == "GET":
            request, here = self._asked(given["SAMLRequest"])
            return self._form({"request": request, "here": here, "state": given["RelayState"]}, "")
        assert (method, path) == ("POST", "/login")
        secret, groups = self.people.get(given["name"], ("", []))
        if given["secret"] != secret:
            return self._form({key: given[key] for key in ("request", "here", "state")}, "Wrong. Try again.")
        response = self.response(given["name"], groups, given["here"], answers=given["request"])
        fields = {"SAMLResponse": base64.b64encode(response.encode()).decode(), "RelayState": given["state"]}
        page = f'<form id="back" method="post" action="{html.escape(given["here"])}">{_hidden(fields)}</form>'
        script = '<script>document.getElementById("back").submit();</script>'
        return Seen(200, page + script, {"content-type": "text/html"})

    def _asked(self, coded: str) -> tuple[str, str]:
        """The id of a request, and where it is to be answered, which the cloud's metadata must name."""
        assert self.cloud is not None
        root = etree.fromstring(zlib.decompress(base64.b64decode(coded), wbits=-15))
        assert self.cloud.name == root.findtext("saml:Issuer", namespaces=NS)
        here = root.get("AssertionConsumerServiceURL")
        assert here in self.cloud.addresses_of_forms, self.cloud.addresses
        return root.get("ID"), here

    @staticmethod
    def _form(fields: dict[str, str], why: str) -> Seen:
        page = (
            f'<p>{why}</p><form method="post" action="/login">{_hidden(fields)}<input name="name"><input name="secret">'
        )
        return Seen(200, f"{page}</form>", {"content-type": "text/html"})

    # -- what it says ---------------------------------------------------------------------------------------------------

    def response(
        self,
        name: str,
        groups: list[str],
        here: str,
        *,
        answers: str | None = None,
        how: str | None = GCM,
        wrapped: str = OAEP,
        sign: str = "assertion",
    ) -> str:
        """A response about somebody; `how` it is encrypted (None: not at all), `sign`: assertion, response, both or none."""
        assert self.cloud is not None
        assertion = self._assertion(name, groups, here, answers, sign=sign in {"assertion", "both"})
        if how is not None:
            assertion = encrypted(assertion, self.cloud.certificate, how, wrapped)
        id = f"_{uuid.uuid4().hex}"
        mark = '<ds:Signature Id="placeholder"/>' if sign in {"response", "both"} else ""
        text = (
            f'<samlp:Response {XMLNS} ID="{id}" Version="2.0" IssueInstant="{self._at(0)}" Destination="{html.escape(here)}">'
            f"<saml:Issuer>{self.ENTITY}</saml:Issuer>{mark}<samlp:Status><samlp:StatusCode "
            f'Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>{assertion}</samlp:Response>'
        )
        return signed(text, id, self.pair) if mark else text

    def _assertion(self, name: str, groups: list[str], here: str, answers: str | None, *, sign: bool) -> str:
        assert self.cloud is not None
        id, values = f"_{uuid.uuid4().hex}", {"uid": [name], "memberOf": groups}
        answering = "" if answers is None else f'InResponseTo="{answers}"'
        mark = '<ds:Signature Id="placeholder"/>' if sign else ""
        attributes = "".join(
            f'<saml:Attribute Name="urn:oid:{key}" FriendlyName="{key}">'
            + "".join(f"<saml:AttributeValue>{one}</saml:AttributeValue>" for one in held)
            + "</saml:Attribute>"
            for key, held in values.items()
        )
        text = (
            f'<saml:Assertion {XMLNS} ID="{id}" Version="2.0" IssueInstant="{self._at(0)}"><saml:Issuer>{self.ENTITY}'
            f"</saml:Issuer>{mark}<saml:Subject><saml:NameID>{name}"
            '</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData NotOnOrAfter="{self._at(300)}" Recipient="{html.escape(here)}" {answering}/>'
            f'</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{self._at(-5)}" '
            f'NotOnOrAfter="{self._at(300)}"><saml:AudienceRestriction><saml:Audience>{self.cloud.name}</saml:Audience>'
            "</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement "
            f'AuthnInstant="{self._at(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>'
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>"
            f"</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement>"
            "</saml:Assertion>"
        )
        return signed(text, id, self.pair) if sign else text

    def _at(self, later_s: float) -> str:
        return str((self.clock.now() + dt.timedelta(seconds=later_s)).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
    )
