"""Object storage asked by boto3, without a socket: what the client would send goes to the application as it is."""

import asyncio
import datetime as dt
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from tests.object_store.world import CALLERS, Service

from pileus.identity.models.signatures import key_of_text, text_signature
from pileus.kit.clock import FakeClock
from pileus.object_store import manifest
from pileus.ports.identity import Signer

SECRETS = {name: f"{name}-secret-of-forty-characters-or-fewer" for name in CALLERS}
EXAMPLE = "AKIAIOSFODNN7EXAMPLE"  # the keys of the vendor's published examples
SECRETS[EXAMPLE] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PEOPLE = {**CALLERS, EXAMPLE: CALLERS["alice"]}
HOST = "cloud.example:8774"
AT_ONCE = 1 << 16


class Keys:
    """Access keys as identity has them: called like their owners."""

    async def signer(self, access: str, text: bytes, signature: str, scope: str | None = None) -> Signer | None:
        secret = SECRETS.get(access, "none")
        if access not in PEOPLE or text_signature(secret, text, scope) != signature:
            return None
        return Signer(PEOPLE[access], key_of_text(secret, text))


class Raw(io.BytesIO):
    """The bytes of an answer, as urllib3 hands them out."""

    def stream(self, amt: int = AT_ONCE, decode_content: object = None) -> Iterator[bytes]:
        while chunk := self.read(amt):
            yield chunk


class S3World:
    """A service and its clients."""

    def __init__(self, folder: Path, at: dt.datetime | None = None, **options: Any) -> None:
        self._at = at or dt.datetime.now(dt.UTC)  # boto3 signs with the machine's clock
        self._runner = asyncio.Runner()
        self.service: Service = self._runner.run(self._made(folder, options))
        self.api = manifest.s3(self.service.app, Keys())

    async def _made(self, folder: Path, options: Mapping[str, Any]) -> Service:
        return Service(folder, clock=FakeClock(self._at), **{"s3_min_part_size": 5, **options})

    def run(self, work: Any) -> Any:
        """What the coroutine returns."""
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.run(self.service.close())
        self._runner.close()

    def client(self, name: str = "alice", *, mount: str = "/s3", **config: Any) -> Any:
        """A client of boto3; `config` is botocore's."""
        config.setdefault("s3", {"addressing_style": "path"})
        made = boto3.client(
            "s3",
            endpoint_url=f"http://{HOST}{mount}",
            aws_access_key_id=name,
            aws_secret_access_key=SECRETS.get(name, "wrong"),
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 0}, **config),
        )
        made.meta.events.register("before-send.s3", self._send)
        return made

    def _send(self, request: Any, **_: object) -> AWSResponse:
        body = request.body
        raw = b"" if body is None else body if isinstance(body, bytes) else body.read()
        raw = raw.encode() if isinstance(raw, str) else raw
        headers = {key: value.decode() if isinstance(value, bytes) else value for key, value in request.headers.items()}
        status, told, sent = self.ask(request.method, request.url, raw, headers)
        return AWSResponse(request.url, status, told, Raw(sent))

    def ask(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """The answer to one request: status, headers, body."""
        return self._runner.run(self._ask(method, url, body, dict(headers or {})))

    async def _ask(
        self, method: str, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        given = {"host": parts.netloc, **{name.lower(): value for name, value in headers.items()}}
        if "transfer-encoding" not in given:
            given.setdefault("content-length", str(len(body)))
        queue = [body[at : at + AT_ONCE] for at in range(0, len(body), AT_ONCE)] or [b""]
        sent: list[Any] = []

        async def receive() -> Any:
            if queue:
                return {"type": "http.request", "body": queue.pop(0), "more_body": bool(queue)}
            await asyncio.Event().wait()
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": parts.path or "/",
            "raw_path": (parts.path or "/").encode(),
            "query_string": parts.query.encode(),
            "scheme": "http",
            "client": ("192.0.2.7", 1),
            "headers": [(key.encode(), value.encode("utf-8")) for key, value in given.items()],
        }
        await self.api(scope, receive, send)
        told = {key.decode(): value.decode("latin-1") for key, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])


@contextmanager
def s3_world(folder: Path, **options: Any) -> Iterator[S3World]:
    """A world that is closed at the end."""
    world = S3World(folder, **options)
    try:
        yield world
    finally:
        world.close()
