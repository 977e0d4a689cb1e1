"""Declarations: an operation of an API, stated once next to its handler.

    api = Api("compute", dialect=..., prefixes=("/v2.1", "/v2.1/{project_id}"))

    @api.get("/servers/{server_id}", Rule("os_compute_api:servers:show"), key="server", find=server_find)
    async def show(call: Call[Compute], server: Server) -> ServerView: ...

A handler receives what its annotations name: the call, the decoded body (a Wire), the query (a Query), the page, path
parameters (by name), and the target that `find` loaded (404 before the handler runs when there is none).
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, ClassVar, get_args, get_origin

import msgspec

from pileus.kit.errors import Problem
from pileus.kit.http.call import Call, Page
from pileus.kit.http.dialect import Dialect
from pileus.kit.http.version import ALWAYS, FOREVER, Microversions, Version, version
from pileus.kit.http.wire import Wire
from pileus.kit.policy import Rule

Handler = Callable[..., Awaitable[Any]]
Guard = Callable[[Call[Any], object], None]
Refused = Callable[[Call[Any], Problem], Awaitable[None]]
# Returns once what a request was refused for is over, at most so many seconds later; False if it is not.
SoonOver = Callable[[Any, Problem, float], Awaitable[bool]]
Find = Callable[..., Awaitable[object | None]]


class Query(Wire):
    """A query string; a field of a list type gathers repeated parameters."""

    __loose__: ClassVar[bool] = True


class Route(msgspec.Struct, frozen=True, eq=False):
    """One operation: how it is reached, who may use it, and what runs."""

    method: str
    path: str
    handler: Handler
    rule: Rule | None  # None: no token is needed
    status: int = 200
    key: str | None = None  # the envelope of request and reply
    reply_key: str | None = None  # where the reply's differs
    action: str | None = None  # for POST .../action: the key of the body
    since: Version = ALWAYS
    until: Version = FOREVER
    find: Find | None = None
    on: str = "c"
    body: Any = None  # a Wire class, or Stream
    optional_body: bool = False
    query: type[Query] | None = None
    target: str | None = None  # the handler's parameter for what `find` loaded
    params: tuple[str, ...] = ()  # the parameters in the path
    names: Mapping[str, str] = {}  # parameter -> one of call, body, query, page, target, param
    late: bool = False  # the handler checks the rule itself, on what it finds out
    content: tuple[str, ...] = ("application/json",)

    @property
    def paged(self) -> bool:
        """Whether it takes limit, marker and an order."""
        return "page" in self.names.values()

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]


Check = Callable[[Call[Any], Route], None]


class Api:
    """All operations of one service, in the dialect its clients expect."""

    def __init__(
        self,
        service: str,
        dialect: Dialect,
        *,
        prefixes: tuple[str, ...] = ("",),
        microversions: Microversions | None = None,
        body_limit: int = 1 << 20,
        guard: Guard | None = None,
        check: Check | None = None,
        refused: Refused | None = None,
        soon_over: SoonOver | None = None,
    ) -> None:
        self.service = service
        self.dialect = dialect
        self.prefixes = prefixes
        self.microversions = microversions
        self.body_limit = body_limit
        self.guard = guard  # looks at what a request is about once it is found and allowed; raises to refuse
        self.check = check  # looks at a request once its operation is found; raises to refuse
        self.refused = refused  # is told of requests that end with a problem, once nothing of them is under way
        self.soon_over = soon_over  # whether it is worth while to wait and run the handler again instead
        self.routes: list[Route] = []
        self.rules: list[Rule] = []  # those no route names: of fields, and of decisions inside commands

    def declare(self, *rules: Rule) -> None:
        """Make known rules that are checked elsewhere than by a route."""
        self.rules.extend(rules)

    def get(self, path: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare a GET (and with it a HEAD)."""
        return self.route("GET", path, rule, **rest)

    def post(self, path: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare a POST; 201 unless a status is given."""
        return self.route("POST", path, rule, **{"status": 201, **rest})

    def put(self, path: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare a PUT; its body counts as an update."""
        return self.route("PUT", path, rule, **{"on": "u", **rest})

    def patch(self, path: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare a PATCH; its body counts as an update."""
        return self.route("PATCH", path, rule, **{"on": "u", **rest})

    def delete(self, path: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare a DELETE; 204 unless a status is given."""
        return self.route("DELETE", path, rule, **{"status": 204, **rest})

    def action(self, path: str, name: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare one action of a `POST .../action`: the body is `{name: value}`; 202 unless a status is given."""
        return self.route("POST", path, rule, **{"status": 202, "action": name, "key": name, **rest})

    def route(
        self, method: str, path: str, rule: Rule | None, *, since: str = "0.0", until: str = "999.999", **rest: Any
    ) -> Callable[[Handler], Handler]:
        """Declare an operation on the handler below; see Route for what may be said."""

        def declare(handler: Handler) -> Handler:
            found = _signature(handler, path, finds=rest.get("find") is not None)
            said = {**found, **rest, "since": version(since), "until": version(until)}
            self.routes.append(Route(method, path, handler, rule, **said))
            return handler

        return declare


class WrongDeclaration(TypeError):
    """A handler's signature does not fit its path."""


def _signature(handler: Handler, path: str, *, finds: bool) -> dict[str, Any]:
    """What the annotations of a handler ask for."""
    hints = typing.get_type_hints(handler, include_extras=True)
    in_path = tuple(part[1:-1] for part in path.split("/") if part.startswith("{"))
    names: dict[str, str] = {}
    found: dict[str, Any] = {"names": names}
    for name in inspect.signature(handler).parameters:
        bare, optional = _bare(hints.get(name))
        kind = _kind(name, bare, in_path)
        if kind is None and finds and "target" not in found:
            kind = "target"
        if kind is None:
            raise WrongDeclaration(f"{handler.__module__}.{handler.__name__}: what is '{name}'?")
        names[name] = kind
        if kind in {"query", "body"}:
            found[kind] = bare
        elif kind == "target":
            found[kind] = name
        if kind == "body":
            found["optional_body"] = optional
    found["params"] = in_path
    return found


def _bare(hint: Any) -> tuple[Any, bool]:
    """A type without its annotations, and whether None is one of its values."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    options = [part for part in get_args(hint) if part is not type(None)]
    if type(None) in get_args(hint) and len(options) == 1:
        return options[0], True
    return hint, False


def _kind(name: str, bare: Any, in_path: tuple[str, ...]) -> str | None:
    """What a parameter of a handler stands for; None when its name and type do not tell."""
    if get_origin(bare) is Call or bare is Call:
        return "call"
    if bare is Page:
        return "page"
    if name in in_path:
        return "param"
    if isinstance(bare, type) and issubclass(bare, Query):
        return "query"
    return "body" if name == "body" else None
