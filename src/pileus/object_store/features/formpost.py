"""Forms: a web page uploads files right into a container, with a signature in the form in place of a token."""

import hmac
from collections.abc import AsyncIterator
from urllib.parse import quote

import msgspec

from pileus.object_store.features.multipart import BadForm, Form, Part
from pileus.object_store.features.tempurl import BY_LENGTH, DIGESTS, keys, mounts
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import REASONS, Answer, Ask, Guards, Handler, Refused, answered
from pileus.object_store.proxy.cluster import Cluster

MOST_FIELD = 8192


class FormPost:
    """Answers a POST of a form to a container or to a prefix in one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The files, kept; the browser is sent where the form says."""
        kind, _, parameters = ask.headers.get("content-type", "").partition(";")
        if ask.method != "POST" or kind.strip().lower() != "multipart/form-data" or ask.path.depth < 2:
            return await rest(ask)
        boundary = ""
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip().partition("=")
            if name.lower() == "boundary":
                boundary = value.strip('"')
        if not boundary:
            raise Refused(400, "FormPost: no boundary")
        fields: dict[str, str] = {}
        try:
            return await self._take(ask, rest, Form(aiter(ask.body), boundary), fields)
        except BadForm as bad:
            return _redirected(fields, 400, f"FormPost: {bad}")

    async def _take(self, ask: Ask, rest: Handler, form: Form, fields: dict[str, str]) -> Answer:
        status, message, files = 0, "", 0
        async for part in form:
            if part.parameter("filename") is None:
                fields[(part.parameter("name") or "").lower()] = await _text(part)
                continue
            if not part.parameter("filename"):
                continue
            files += 1
            refusal = await self._unfit(ask, fields, files)
            if refusal is not None:
                return _redirected(fields, *refusal)
            answer = await self._file(ask, rest, part, fields)
            status, message = answer.status, "" if answer.ok else (await answer.bytes()).decode("utf-8", "replace")
            if not answer.ok:
                break
        if not files:
            return _redirected(fields, 400, "FormPost: no files to process")
        return _redirected(fields, status, message)

    async def _unfit(self, ask: Ask, fields: dict[str, str], files: int) -> tuple[int, str] | None:
        """Why a file is not taken, if it is not."""
        numbers = {}
        for name in ("max_file_size", "max_file_count", "expires"):
            if not fields.get(name, "").lstrip("-").isdigit():
                return 400, f"FormPost: {name} not an integer"
            numbers[name] = int(fields[name])
        if numbers["max_file_size"] < 0 or numbers["max_file_count"] < 1:
            return 400, "FormPost: max_file_size or max_file_count out of bounds"
        if files > numbers["max_file_count"]:
            return 400, "FormPost: max_file_count exceeded"
        if numbers["expires"] <= self._cluster.stamps.now():
            raise Refused(401, "FormPost: Form Expired")
        if not await self._signed(ask, fields):
            raise Refused(401, "FormPost: Invalid Signature")
        return None

    async def _signed(self, ask: Ask, fields: dict[str, str]) -> bool:
        digest = BY_LENGTH.get(len(fields.get("signature", "")))
        if digest is None:
            return False
        names = ("redirect", "max_file_size", "max_file_count", "expires")
        said = [fields.get(name, "") for name in names]
        path = f"{ask.path}/" if ask.slash else str(ask.path)  # it is signed as it is sent
        texts = ["\n".join([f"{mount}/v1{path}", *said]) for mount in mounts(ask)]
        for _, key in await keys(self._cluster, Path(ask.path.account, ask.path.container, "")):
            for text in texts:
                expected = hmac.new(key.encode("latin-1", "replace"), text.encode(), DIGESTS[digest]).hexdigest()
                if hmac.compare_digest(expected, fields["signature"].lower()):
                    return True
        return False

    async def _file(self, ask: Ask, rest: Handler, part: Part, fields: dict[str, str]) -> Answer:
        name = (ask.path.object or "") + (part.parameter("filename") or "")
        headers = {"transfer-encoding": "chunked"}
        for field in ("x_delete_at", "x_delete_after"):
            if field in fields:
                headers[field.replace("_", "-")] = fields[field]
        if part.head.get("content-type"):
            headers["content-type"] = part.head["content-type"]
        if part.head.get("content-encoding"):
            headers["content-encoding"] = part.head["content-encoding"]
        body = _Limited(part, int(fields["max_file_size"]))
        asked = ask.again("PUT", Path(ask.path.account, ask.path.container, name), headers=headers, body=body)
        return await answered(rest, msgspec.structs.replace(asked, permit=_uploads))


def _uploads(ask: Ask, _guards: Guards) -> None:
    """The permit of a signed form: to upload, and nothing else."""
    if ask.method != "PUT":
        raise Refused(401)


class _Limited:
    """A file of a form, no longer than the form allows."""

    def __init__(self, part: Part, most: int) -> None:
        self._part = part
        self._most = most
        self.length: int | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        got = 0
        async for chunk in self._part:
            got += len(chunk)
            if got > self._most:
                raise Refused(413, "FormPost: max_file_size exceeded")
            yield chunk


async def _text(part: Part) -> str:
    raw = b""
    async for chunk in part:
        raw += chunk
        if len(raw) > MOST_FIELD:
            raise BadForm("a field is too long")
    return raw.decode("utf-8", "replace")


def _redirected(fields: dict[str, str], status: int, message: str) -> Answer:
    """Where the form wants its browser sent, told what became of it; without that, the outcome itself."""
    status = status or 201
    text = f"{status} {REASONS.get(status, 'Error')}"
    target = fields.get("redirect", "")
    if not target:
        return Answer(
            status=status,
            headers={"content-type": "text/plain; charset=UTF-8"},
            body=f"{text}\r\nFormPost: {message}\r\n".encode() if message else text.encode(),
        )
    join = "&" if "?" in target else "?"
    place = f"{target}{join}status={quote(str(status))}&message={quote(message or ('' if status < 300 else text))}"
    page = f'<html><body><p><a href="{place}">Click to continue...</a></p></body></html>'
    return Answer(
        status=303,
        headers={"location": place.replace("\n", " ").replace("\r", " "), "content-type": "text/html"},
        body=page.encode(),
    )
