"""Tokens for requests that were signed: services that speak EC2 and S3 ask here who signed."""

import base64
import binascii
from typing import ClassVar

from pileus.identity.api.root import api
from pileus.identity.api.tokens import TokenView, told, view
from pileus.identity.app import Identity
from pileus.identity.commands.signatures import signed_request, signed_text
from pileus.identity.errors import BadSignedRequest
from pileus.identity.models import ValidToken
from pileus.identity.models.signatures import SignedRequest
from pileus.kit.http import Call, Wire
from pileus.kit.policy import ADMIN_OR_SERVICE, Rule


class Ec2Signed(Wire):
    """A request as it was signed; older clients send its verb and host only."""

    __loose__: ClassVar[bool] = True

    access: str
    signature: str
    verb: str = "GET"
    host: str = ""
    path: str = "/"
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    body_hash: str = ""


class S3Signed(Wire):
    """A text that was signed, as base64."""

    __loose__: ClassVar[bool] = True

    access: str
    signature: str
    token: str


class Ec2Asked(Wire):
    """The request, by either of its names."""

    __loose__: ClassVar[bool] = True

    credentials: Ec2Signed | None = None
    ec2Credentials: Ec2Signed | None = None


class S3Asked(Wire):
    """The text."""

    __loose__: ClassVar[bool] = True

    credentials: S3Signed


async def _told(call: Call[Identity], token: str, found: ValidToken) -> TokenView:
    told(call, token)
    return await view(call, found)


@api.post("/ec2tokens", Rule("identity:ec2tokens_validate", ADMIN_OR_SERVICE), status=200, reply_key="token")
async def ec2(call: Call[Identity], body: Ec2Asked) -> TokenView:
    """Tell who signed an EC2 request."""
    asked = body.credentials or body.ec2Credentials
    if asked is None:
        raise BadSignedRequest(why="credentials is a required property")
    return await _told(call, *await signed_request(call.app, SignedRequest(**asked.given())))


@api.post("/s3tokens", Rule("identity:s3tokens_validate", ADMIN_OR_SERVICE), status=200, reply_key="token")
async def s3(call: Call[Identity], body: S3Asked) -> TokenView:
    """Tell who signed an S3 request."""
    asked = body.credentials
    try:
        text = base64.urlsafe_b64decode(asked.token.replace("+", "-").replace("/", "_"))
    except (binascii.Error, ValueError):
        raise BadSignedRequest(why="credentials.token is the signed text as base64") from None
    return await _told(call, *await signed_text(call.app, asked.access, text, asked.signature))
