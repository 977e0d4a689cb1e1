"""S3's HTTP: a request is let in, asked of one operation, and its answer or error sent."""

import random
from collections.abc import Mapping
from email.utils import formatdate
from functools import cache, partial
from typing import Any

import msgspec

from pileus.kit.auth import NOBODY
from pileus.kit.http.call import Disconnected, Receive
from pileus.kit.http.pace import Pace, TooSlow
from pileus.kit.http.send import Send
from pileus.kit.observe.log import log_of, within_request
from pileus.object_store.api.permits import PREFIX, Permits
from pileus.object_store.api.wire import send_answer, wired
from pileus.object_store.app import ObjectStoreApp
from pileus.object_store.models.hosts import below
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask
from pileus.object_store.s3 import cors, forms, xml
from pileus.object_store.s3.call import Call, Opened, Turns
from pileus.object_store.s3.checksums import DEFAULT, HEADER, SIZES
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.forms import is_form
from pileus.object_store.s3.gate import Gate, Signed, body_of, body_of_form
from pileus.object_store.s3.objects import object_keep
from pileus.object_store.s3.policies import judged
from pileus.object_store.s3.requests import Request, request_of
from pileus.object_store.s3.routes import operation_of
from pileus.ports.identity import AccessKeys

log = log_of(__name__)


class S3Api:
    """Answers HTTP requests of S3 (ASGI)."""

    def __init__(self, app: ObjectStoreApp, keys: AccessKeys, mount: str) -> None:
        self._app = app
        self._gate = Gate(keys)
        self._mount = mount
        self._permits = Permits(app.config)
        self._turns = Turns()
        self._pace = Pace(app.config.client_timeout_s, app.config.client_least_rate)
        self._domains = tuple(domain.lower().strip(".") for domain in app.config.s3_domains)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> int:
        """The request is answered; return the status."""
        request_id = f"tx{random.getrandbits(84):021x}-{int(self._app.cluster.stamps.now()):010x}"
        with within_request(request_id):
            try:
                request = request_of(scope, self._mount, self._domains)
                answer = await self._answer(request, self._pace.receiving(receive), request_id)
            except S3Error as wrong:
                answer = _error(wrong, scope, request_id)
            except TooSlow:
                answer = _error(S3Error("RequestTimeout", headers={"connection": "close"}), scope, request_id)
            except Disconnected:
                answer = _error(S3Error("IncompleteBody"), scope, request_id)
            except Exception as bug:  # noqa: BLE001  a bug must not take the connection down
                log.broke("request failed", bug, method=scope["method"], path=scope["path"])
                answer = _error(S3Error("InternalError"), scope, request_id)
            answer.headers |= {
                "x-amz-request-id": request_id,
                "x-amz-id-2": request_id,
                "x-openstack-request-id": request_id,
                "date": formatdate(self._app.cluster.stamps.now(), usegmt=True),
            }
            asked = Ask(method=scope["method"], path=Path(""))
            await send_answer(asked, answer, send, receive, spelled=_spelled, pace=self._pace)
        return answer.status

    def claims(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is for us wherever its path leads: by its host, or because it is signed as S3's are."""
        for name, value in scope["headers"]:
            if name == b"authorization":
                return value.startswith(b"AWS ") or (value.startswith(b"AWS4-") and b"/s3/aws4_request" in value)
            if name == b"host" and self._domains and below(value.decode("latin-1"), self._domains) is not None:
                return True
        query: bytes = scope["query_string"]
        return bool(query) and (
            (b"X-Amz-Signature=" in query and b"%2Fs3%2Faws4_request" in query)
            or (b"AWSAccessKeyId=" in query and b"Signature=" in query and b"SignatureVersion=" not in query)
        )

    async def _answer(self, request: Request, receive: Receive, request_id: str) -> Answer:
        if request.method == "OPTIONS":
            return await self._preflight(request)
        if is_form(request) and request.bucket is not None:
            return await self._form(request, receive, request_id)
        operation = operation_of(request)
        signed = await self._gate.signed(request, self._app.cluster.stamps.now())
        call = await self._call(
            request, signed, operation.action, partial(body_of, request, signed, receive), request_id
        )
        try:
            answer = await operation.handler(call)
        except S3Error as wrong:
            wrong.headers |= await self._cors(call)
            raise
        answer.headers |= await self._cors(call)
        return answer

    async def _call(self, request: Request, signed: Signed, action: str, opened: Opened, request_id: str) -> Call:
        project, request.bucket = _owner_of(request, signed)
        call = Call(
            app=self._app,
            request=request,
            caller=signed.caller,
            account=f"{PREFIX}{project}",
            permit=self._permits,
            permits=self._permits,
            opened=opened,
            turns=self._turns,
            request_id=request_id,
            signed=signed.caller is not NOBODY,
        )
        if request.bucket is not None:
            versioned = action in {"s3:GetObject", "s3:DeleteObject"} and "versionId" in request.query
            action = f"{action}Version" if versioned else action
            path = call.object if request.key is not None else call.bucket
            facts = await self._app.cluster.container(call.bucket)
            call.permit = judged(facts, self._permits, action, path, request, signed.caller)
        return call

    async def _cors(self, call: Call) -> dict[str, str]:
        """What a browser is told, if one asked."""
        if "origin" not in call.request.headers or call.request.bucket is None:
            return {}
        facts = await self._app.cluster.container(call.bucket)
        return {} if facts is None else cors.told(facts, call.request)

    async def _preflight(self, request: Request) -> Answer:
        """Whether a browser may ask. It shows no key: the bucket is named with its project, or the address is signed."""
        wanted = request.headers.get("access-control-request-method", "")
        signed = Signed()
        if "X-Amz-Signature" in request.query or "Signature" in request.query:
            meant = msgspec.structs.replace(request, method=wanted)
            signed = await self._gate.signed(meant, self._app.cluster.stamps.now())
        project, bucket = _owner_of(request, signed)
        facts = await self._app.cluster.container(Path(f"{PREFIX}{project}", bucket)) if bucket is not None else None
        if facts is None:
            raise S3Error("AccessDenied", "CORSResponse: CORS is not enabled for this bucket.")
        return cors.preflight(facts, request)

    async def _form(self, request: Request, receive: Receive, request_id: str) -> Answer:
        """The file of a form is kept."""
        fields: dict[str, str] = {}
        whole = body_of(request, Signed(), receive)
        async for part in forms.until_file(forms.form_of(request, whole), fields):
            said = forms.signature_of(fields)
            caller = await self._gate.of_form(said.access, fields["policy"], said.signature, said.scope)
            terms = forms.terms_of(fields["policy"], self._app.cluster.stamps.now())
            forms.require_terms(terms, fields, str(request.bucket))
            put = forms.put_of(request, fields)
            file = forms.Sized(part, terms, self._app.config.max_file_size)
            opened = partial(body_of_form, put, aiter(file))
            call = await self._call(put, Signed(caller), "s3:PutObject", opened, request_id)
            names = tuple(name for name in SIZES if f"{HEADER}{name}" in put.headers)
            body = opened(() if names else (DEFAULT,))
            answer = forms.told(put, fields, await object_keep(call, body, names))
            answer.headers |= await self._cors(call)
            return answer
        raise S3Error("MalformedPOSTRequest")


@cache
def _spelled(name: str) -> bytes:
    """The name of a header as S3 writes it: clients tell metadata by names in lower case, and some look for just `ETag`."""
    return b"ETag" if name == "etag" else name.encode("latin-1") if name.startswith("x-amz-") else wired(name)


def _owner_of(request: Request, signed: Signed) -> tuple[str, str | None]:
    """The project whose bucket it is, and the bucket; `project:bucket` is how others' are named."""
    project, colon, bucket = (request.bucket or "").rpartition(":")
    if colon:
        if not project or not bucket or "/" in project:
            raise S3Error("InvalidBucketName", about={"BucketName": str(request.bucket)})
        return project, bucket
    if signed.caller is NOBODY or signed.caller.project_id is None:
        raise S3Error("AccessDenied", "Sign the request, or name the project that the bucket is of: PROJECT:BUCKET.")
    return signed.caller.project_id, request.bucket


def _error(wrong: S3Error, scope: Mapping[str, Any], request_id: str) -> Answer:
    resource = str(scope["path"])
    about = [*wrong.about.items(), ("Resource", resource), ("RequestId", request_id), ("HostId", request_id)]
    body = xml.error(wrong.code, wrong.message, about)
    return Answer(status=wrong.status, headers={"content-type": "application/xml", **wrong.headers}, body=body)
