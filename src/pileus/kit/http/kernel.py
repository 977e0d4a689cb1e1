"""The way of a request: one ASGI application for all services.

    match -> negotiate the version -> authenticate -> load the target -> check the rule -> decode -> handle -> encode

Everything on that way comes from the route's declaration; handlers hold none of it. Problems become answers in the
service's own dialect; anything else is a 500 that names the request id and nothing of the inside.
"""

import asyncio
import contextlib
import functools
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from pileus.kit.auth import Authenticator
from pileus.kit.errors import (
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Problem,
    TookTooLong,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
)
from pileus.kit.flow.failpoint import failpoint
from pileus.kit.http.call import Call, Disconnected, Receive, Reply, Stream, own
from pileus.kit.http.dialect import Dialect
from pileus.kit.http.misread import BadField, explained
from pileus.kit.http.pace import Pace, TooSlow
from pileus.kit.http.patience import handled
from pileus.kit.http.refusals import Refusals
from pileus.kit.http.route import Api, Route
from pileus.kit.http.router import Router
from pileus.kit.http.send import Send, send_reply
from pileus.kit.http.version import BadVersion, Version
from pileus.kit.http.wire import Wire, converter, converter_of, decoder, fields, lowered, rules
from pileus.kit.observe.log import log_of, within_request
from pileus.kit.policy import Enforcer, target_of

log = log_of(__name__)

_GLOBAL_ID = re.compile(r"req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
# A NUL in JSON; not a backslash followed by u0000.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_json = msgspec.json.Encoder()


# The thumbprint of the certificate a client showed, by the address and the headers of the request; None without one.
CertificateShown = Callable[[str, Mapping[str, str]], str | None]
# Answers one request in full, and returns the status it sent; None, with nothing read or sent, when it is not for it.
RawHandler = Callable[[Mapping[str, Any], Receive, Send], Awaitable[int | None]]


class BadBody(Invalid):
    """The request body is not valid JSON."""


class NulCharacter(Invalid):
    """The request holds a NUL character; no text here may."""


class NoSuchPath(NotFound):
    """The resource could not be found."""


class BadMethod(MethodNotAllowed):
    """The method is not allowed for this resource."""


class NotAmongRules(Unauthorized):
    """The access rules of this token do not allow {method} {path}."""


class NeedsCertificate(Unauthorized):
    """This token can only be used with the client certificate it was issued for."""


class WrongProject(Invalid):
    """Malformed request URL: URL's project_id '{given}' doesn't match the token's project."""


class BadAction(Invalid):
    """There is no such action: {action}."""


class NeedsToken(Unauthorized):
    """The request you have made requires authentication."""


class BodyTooLarge(TooLarge):
    """The request body is larger than {limit} bytes."""


class WrongType(UnsupportedMedia):
    """The content type {given} is not supported here; send {accepted}."""


class _ServerError(Problem):
    """Unexpected API Error. Please report request {request_id} to whoever runs this cloud."""


# Who sends or takes nothing for so long, or less than so many bytes a second over that time, is given up.
CLIENT_IDLE_S = 60.0
CLIENT_LEAST = 500.0


class Mounted:
    """One service below its mount point."""

    def __init__(self, api: Api, app: object) -> None:
        self.api = api
        self.app = app
        self.router = _router(api, len(api.routes))
        # Every service has its own rules: the same names mean different things in different services.
        self.enforcer = Enforcer()
        self.enforcer.declare(route.rule for route in api.routes if route.rule)
        self.enforcer.declare(api.rules)


@functools.cache
def _router(api: Api, _declared: int) -> Router:
    """The tree of an API with so many routes; one process may serve the same API from several kernels."""
    return Router(api)


class Kernel:
    """Answers requests for all mounted services."""

    def __init__(
        self,
        authenticator: Authenticator,
        certificate: CertificateShown = lambda _client, _headers: None,
        pace: Pace | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._certificate = certificate
        self._refusals = Refusals()
        self._pace = pace or Pace(CLIENT_IDLE_S, CLIENT_LEAST)
        self._mounts: dict[str, Mounted] = {}
        self.plain: dict[str, Callable[[str], Reply]] = {}  # paths outside services: they get the base address
        self.pages: dict[str, Callable[[str], Awaitable[Reply]]] = {}  # likewise, but they wait, and get the query
        # First segments of paths whose whole traffic somebody answers himself: a data path has shapes of its own.
        self.raw: dict[str, RawHandler] = {}
        # Requests that somebody answers whatever their path is, known by something else in them.
        self.others: list[tuple[Callable[[Mapping[str, Any]], bool], RawHandler]] = []
        # Told of each answer: service, method, status, seconds.
        self.saw: Callable[[str, str, int, float], None] | None = None

    def mount(self, name: str, api: Api, app: object) -> None:
        """Serve an API below /name."""
        self._mounts[name] = Mounted(api, app)

    @property
    def mounts(self) -> Mapping[str, Mounted]:
        """What is served where."""
        return self._mounts

    async def http(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        began = time.perf_counter()
        if await self._by_itself(scope, receive, send, began):
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        given = headers.get("x-openstack-request-id", "")
        request_id = given if _GLOBAL_ID.fullmatch(given) else f"req-{uuid.uuid4()}"
        host = headers.get("host", "")
        address = f"{scope['scheme']}://{host if _HOST.fullmatch(host) else 'localhost'}"
        # Split before decoding: a name may hold an encoded slash.
        raw_path = scope.get("raw_path") or scope["path"].encode()
        parts = [unquote(part) for part in raw_path.decode("latin-1").partition("?")[0].split("/") if part]
        mounted = self._mounts.get(parts[0]) if parts else None
        if mounted is None:
            reply = await self._outside(scope["path"].rstrip("/") or "/", address, scope["query_string"])
            await send_reply(reply, send, receive, head=scope["method"] == "HEAD", pace=self._pace)
            return
        path = scope["path"]
        call: Call[Any] = Call(
            scope["method"],
            path[path.index(parts[0]) + len(parts[0]) :],
            scope["query_string"].decode("latin-1"),
            headers,
            request_id,
        )
        call.base = f"{address}/{parts[0]}"
        call.client = str((scope.get("client") or ("",))[0])
        call.app = mounted.app
        call.enforcer = mounted.enforcer
        with within_request(request_id):
            reply = await self._answer(mounted, call, scope, parts[1:], receive)
        if call.method != "GET":
            failpoint("http.answer", f"{call.method} {call.path}")
        self._mark(mounted.api, call, reply)
        try:
            await send_reply(reply, send, receive, head=call.method == "HEAD", pace=self._pace)
        finally:
            self._tell(parts[0], call.method, reply.status, began)

    async def _by_itself(self, scope: Mapping[str, Any], receive: Receive, send: Send, began: float) -> bool:
        """Whether somebody answers all below the first segment of this path; then it has been answered."""
        first = scope["path"][1:].partition("/")[0]
        # Who knows a request by its host comes first: its path may begin as somebody else's do.
        ways = [handler for claims, handler in self.others if claims(scope)]
        if first in self.raw:
            ways.append(self.raw[first])
        for own_way in ways:
            try:
                status = await own_way(scope, receive, send)
            except TooSlow:
                self._tell(first, scope["method"], TookTooLong.status, began)
                raise
            if status is not None:
                self._tell(first, scope["method"], status, began)
                return True
        return False

    def _tell(self, service: str, method: str, status: int, began: float) -> None:
        if self.saw is not None:
            self.saw(service, method, status, time.perf_counter() - began)

    async def _outside(self, path: str, address: str, query: bytes) -> Reply:
        answer, page = self.plain.get(path), self.pages.get(path)
        try:
            if page is not None:
                return await page(query.decode("latin-1"))
            if answer is not None:
                return answer(address)
        except Exception as bug:  # noqa: BLE001  a bug must not take the connection down
            log.broke("page failed", bug, path=path)
            return Reply(500, b"Something is wrong here; the log says what.\n", {"Content-Type": "text/plain"})
        body = {"error": {"code": 404, "title": "Not Found", "message": "Nothing is served at this address."}}
        return Reply(404, _json.encode(body), {"Content-Type": "application/json"})

    def _mark(self, api: Api, call: Call[Any], reply: Reply) -> None:
        reply.headers["X-Openstack-Request-Id"] = call.request_id
        micro = api.microversions
        if micro is None:
            return
        reply.headers["OpenStack-API-Version"] = f"{micro.service_type} {call.version}"
        vary = "OpenStack-API-Version"
        if micro.legacy_header:
            reply.headers[micro.legacy_header] = str(call.version)
            reply.headers["X-Compute-Request-Id"] = call.request_id
            vary = f"{vary}, {micro.legacy_header}"
        reply.headers["Vary"] = vary

    async def _answer(
        self, mounted: Mounted, call: Call[Any], scope: Mapping[str, Any], parts: list[str], receive: Receive
    ) -> Reply:
        dialect = mounted.api.dialect
        try:
            return await self._told(mounted, call, parts, receive)
        except Problem as problem:
            reply = dialect.error(problem, call)
            self._refusals.tell(call, reply.status, problem)
            if isinstance(problem, WrongType) and call.method == "PATCH":
                # RFC 5789, 2.2
                reply.headers["Accept-Patch"] = ", ".join(sorted(str(problem.facts["accepted"]).split(" or ")))
            if isinstance(problem, TooLarge):
                # The body was not read to its end, so nothing else can come over this connection.
                reply.headers["Connection"] = "close"
            return reply
        except TooSlow:
            reply = dialect.error(TookTooLong(), call)
            reply.headers["Connection"] = "close"
            return reply
        except Disconnected:
            return dialect.error(Invalid("The client went away before its request was complete."), call)
        except asyncio.CancelledError:
            raise
        except Exception as bug:  # noqa: BLE001  a bug must not take the connection down
            log.broke("request failed", bug, method=call.method, path=scope["path"])
            return dialect.error(_ServerError(request_id=call.request_id), call)

    async def _told(self, mounted: Mounted, call: Call[Any], parts: list[str], receive: Receive) -> Reply:
        try:
            return await self._handled(mounted, call, parts, receive)
        except Problem as problem:
            if mounted.api.refused is not None:
                await mounted.api.refused(call, problem)
            raise

    async def _handled(self, mounted: Mounted, call: Call[Any], parts: list[str], receive: Receive) -> Reply:
        api = mounted.api
        if api.dialect.suffix and parts:
            parts[-1] = parts[-1].removesuffix(api.dialect.suffix)
        nameless = api.dialect.slash_names_nothing and len(parts) > 1 and call.path.endswith("/")
        found = None if nameless else mounted.router.find(parts)
        if api.microversions is not None:
            call.version = api.microversions.lowest
            if found is None or not found[0].variants(call.method):
                # What is not there comes before how it was asked for.
                with contextlib.suppress(BadVersion, NotAcceptable):
                    call.version = api.microversions.asked(call.headers)
        # PostgreSQL stores no NUL, so nothing is called so; the question must not reach it.
        if found is None or any("\0" in part for part in parts):
            await self._known(api, call)
            raise NoSuchPath
        if "%00" in call.query_string:
            raise NulCharacter
        leaf, values = found
        variants = leaf.variants(call.method)
        if variants is None:
            call.reply_headers["Allow"] = leaf.allowed
            reply = api.dialect.error(BadMethod(), call)
            reply.headers["Allow"] = leaf.allowed
            return reply
        if api.microversions is not None:
            call.version = api.microversions.asked(call.headers)
        return await self._routed(api, call, variants, values, receive)

    async def _known(self, api: Api, call: Call[Any]) -> None:
        """Paths that do not exist are told only to callers with a good token, and that is good for such a request."""
        token = call.headers.get("x-auth-token") or _bearer(call.headers)
        if not token:
            raise NeedsToken
        caller = await self._authenticator.caller(token)
        if caller.certificate is not None and caller.certificate != self._certificate(call.client, call.headers):
            raise NeedsCertificate
        call.caller = caller
        if not call.caller.may_ask(api.service.replace("_", "-"), call.method, call.path):
            raise NotAmongRules(method=call.method, path=call.path)

    async def _routed(
        self,
        api: Api,
        call: Call[Any],
        variants: Mapping[str | None, list[Route]],
        values: tuple[str, ...],
        receive: Receive,
    ) -> Reply:
        if any(route.rule is not None for spans in variants.values() for route in spans):
            await self._known(api, call)
        raw: bytes | None = None
        action: str | None = None
        if None not in variants:
            # A path whose actions all came later, or went, is none.
            if not any(one.since <= call.version <= one.until for spans in variants.values() for one in spans):
                raise NoSuchPath
            raw = await self._read(api, call, receive)
            action = _action(raw)
        spans = variants.get(action)
        if spans is None:
            raise BadAction(action=action)
        route = next((one for one in spans if one.since <= call.version <= one.until), None)
        if route is None:
            raise BadAction(action=action) if action else NoSuchPath()
        return await self._run(api, call, route, values, receive, raw)

    async def _run(
        self, api: Api, call: Call[Any], route: Route, values: tuple[str, ...], receive: Receive, raw: bytes | None
    ) -> Reply:
        own_values = values[len(values) - len(route.params) :]
        if len(own_values) < len(values) and values[0] != call.caller.project_id:
            raise WrongProject(given=values[0])
        path = dict(zip(route.params, own_values, strict=True))
        if api.check is not None:
            api.check(call, route)
        if route.paged:
            call.page = api.dialect.page(call)
        target = await self._target(api, call, route, path)
        wanted: dict[str, Any] = {}
        for name, kind in route.names.items():
            if kind == "body":
                wanted[name] = await self._body(api, call, route, receive, raw, target)
            elif kind == "target":
                wanted[name] = target
            else:
                wanted[name] = _argument(kind, name, path, route, call)
        again = functools.partial(self._target, api, call, route, path)
        return self._reply(api, call, route, await handled(api, call, route, wanted, again))

    async def _target(self, api: Api, call: Call[Any], route: Route, path: Mapping[str, str]) -> object | None:
        """What the route is about, loaded and allowed to the caller."""
        target = None
        if route.find is not None:
            target = await route.find(call.app, call.caller, **path)
            if target is None:
                raise NoSuchPath
            if isinstance(target, Problem):
                # What is missing is told only to those who might see it, were it there.
                if route.rule is not None:
                    call.enforcer.require(route.rule.name, call.caller, {})
                raise target
        if route.rule is not None and not route.late:
            seen = own(call.caller) if target is None else target_of(target)
            call.enforcer.require(route.rule.name, call.caller, seen)
        if api.guard is not None and target is not None:
            api.guard(call, target)
        return target

    async def _body(
        self, api: Api, call: Call[Any], route: Route, receive: Receive, raw: bytes | None, target: object | None
    ) -> object:
        given = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        typed = route.body is Stream or route.content != ("application/json",)
        # What a stream or a patch is has to be said; forms and JSON are what is expected anyway.
        needed = route.body is Stream or (typed and call.method == "PATCH")
        if typed and (given or needed) and given not in route.content:
            raise WrongType(given=given or "(none)", accepted=" or ".join(route.content))
        if route.body is Stream:
            return Stream(self._pace.receiving(receive), _length(call.headers))
        if raw is None:
            raw = await self._read(api, call, receive)
        if not raw.strip() and route.optional_body:
            return None
        if route.body is bytes:
            return raw
        body = decode(route, raw, call.version)
        self._guard(call, body, target)
        return body

    def _guard(self, call: Call[Any], body: object, target: object | None) -> None:
        """Refuse the use of fields whose rule the caller lacks."""
        if not isinstance(body, Wire) or not rules(type(body)):
            return
        seen = own(call.caller) if target is None else target_of(target)
        for rule in _used(body):
            call.enforcer.require(rule, call.caller, seen)

    async def _read(self, api: Api, call: Call[Any], receive: Receive) -> bytes:
        length = _length(call.headers)
        if length is not None and length > api.body_limit:
            raise BodyTooLarge(limit=api.body_limit)
        try:
            raw = b"".join([chunk async for chunk in Stream(self._pace.receiving(receive), length, api.body_limit)])
        except TooLarge:
            raise BodyTooLarge(limit=api.body_limit) from None
        if b"\\u0000" in raw and _NUL.search(raw):
            raise NulCharacter
        return raw

    def _reply(self, api: Api, call: Call[Any], route: Route, result: object) -> Reply:
        if isinstance(result, Reply):
            result.headers = {**call.reply_headers, **result.headers}
            return result
        status = call.reply_status or route.status
        key = route.reply_key if route.reply_key is not None else (None if route.action else route.key)
        if result is None:
            return Reply(status, b"", {**call.reply_headers})
        if isinstance(result, list):
            body = self._list(api.dialect, call, key, result)
        elif isinstance(result, Wire):
            body = self._encode(api.dialect, call, result)
            if key:
                body = b'{"%s":%s}' % (key.encode(), body)
        else:
            body = _json.encode({key: result} if key else result)
        return Reply(status, body, {"Content-Type": "application/json", **call.reply_headers})

    def _list(self, dialect: Dialect, call: Call[Any], key: str | None, items: list[Any]) -> bytes:
        if items and isinstance(items[0], Wire):
            picked = dialect.picked(call)
            plain = (lowered(item, call.version, self._granted(call, item)) for item in items)
            encoded = _json.encode([_pick(item, picked) for item in plain])
        else:
            encoded = _json.encode(items)
        return encoded if key is None else dialect.listing(key, items, encoded, call)

    def _encode(self, dialect: Dialect, call: Call[Any], view: Wire) -> bytes:
        return _json.encode(_pick(lowered(view, call.version, self._granted(call, view)), dialect.picked(call)))

    def _granted(self, call: Call[Any], view: Wire) -> frozenset[str]:
        named = rules(type(view))
        if not named:
            return named
        seen = target_of(view)
        return frozenset(name for name in named if call.enforcer.allows(name, call.caller, seen))


def _argument(kind: str, name: str, path: Mapping[str, str], route: Route, call: Call[Any]) -> object:
    """What a handler asks for of the request's line and headers."""
    if kind == "call":
        return call
    if kind == "param":
        return path[name]
    return call.page if kind == "page" else _query(route, call)


def _pick(plain: Any, wanted: frozenset[str]) -> Any:
    """What a client wants to see of a reply; all of it unless it named fields."""
    if not wanted:
        return plain
    return {name: value for name, value in msgspec.to_builtins(plain).items() if name in wanted}


def _used(body: Wire) -> Iterator[str]:
    """The rules of the fields that a request does set, inner ones included."""
    for field in fields(type(body)):
        value = getattr(body, field.attribute)
        if field.mark.rule and value is not msgspec.UNSET and value != field.default:
            yield field.mark.rule
        for inner in value if isinstance(value, list) else (value,):
            if isinstance(inner, Wire):
                yield from _used(inner)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadBody("The Content-Length header is not a number.")
    return int(text)


def _bearer(headers: Mapping[str, str]) -> str:
    """The token in the header of OAuth 2.0 (RFC 6750 section 2.1); empty where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _action(raw: bytes) -> str:
    """The key of an action's body."""
    try:
        body = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as bad:
        raise BadBody from bad
    if len(body) != 1:
        raise BadBody("The body of an action is an object with one key, the action's name.")
    return next(iter(body))


def decode(route: Route, raw: bytes, at: Version) -> object:
    """Read a request body as its route declares it; raises BadField or BadBody."""
    try:
        if route.key is None:
            return (
                decoder(route.body, at, route.on)(raw)
                if _plain(route.body)
                else _convert(route, msgspec.json.decode(raw), at)
            )
        outer = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if route.key not in outer:
            raise BadField(field=route.key, why="it is a required property")
        if len(outer) > 1:
            odd = next(name for name in outer if name != route.key)
            raise BadField(field=odd, why="additional properties are not allowed")
        if route.optional_body and bytes(outer[route.key]) == b"null":
            return None
        if _plain(route.body):
            return decoder(route.body, at, route.on)(bytes(outer[route.key]))
        return _convert(route, msgspec.json.decode(bytes(outer[route.key])), at)
    except msgspec.ValidationError as bad:
        raise explained(bad, route.key, wire=route.body) from bad
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as bad:
        raise BadBody(f"The request body is not valid JSON: {str(bad)[:200]}") from bad


def _plain(body: Any) -> bool:
    return isinstance(body, type) and issubclass(body, Wire) and body.__extras__ is None


def _convert(route: Route, value: object, at: Version) -> object:
    if isinstance(route.body, type) and issubclass(route.body, Wire):
        return converter(route.body, at, route.on)(value)
    return converter_of(route.body, at, route.on)(value)


def _query(route: Route, call: Call[Any]) -> object:
    """The query string as its route declares it."""
    assert route.query is not None
    gathered: dict[str, Any] = {}
    lists = _list_fields(route.query, call.version)
    for name, value in call.query:
        if name in lists:
            gathered.setdefault(name, []).append(value)
        else:
            gathered[name] = value
    try:
        return converter(route.query, call.version, "c")(gathered)
    except msgspec.ValidationError as bad:
        raise explained(bad, None, "query") from bad


def _list_fields(query: type[Wire], _at: Version) -> frozenset[str]:
    found = _LISTS.get(query)
    if found is None:
        found = _LISTS[query] = frozenset(field.name for field in fields(query) if "list[" in str(field.type))
    return found


_LISTS: dict[type[Wire], frozenset[str]] = {}
