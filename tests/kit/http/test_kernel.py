"""The way of a request through a small service."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import pytest

from pileus.kit.auth import Caller
from pileus.kit.errors import Conflict, NotFound, Unauthorized
from pileus.kit.http import Api, Call, F, Faults, Kernel, Microversions, Page, Query, Reply, Stream, Version, Wire
from pileus.kit.http.pace import Pace
from pileus.kit.policy import ADMIN, PROJECT_MEMBER, PROJECT_READER, Rule

CALLERS = {
    "alice": Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"})),
    "rita": Caller(user_id="r", project_id="p1", roles=frozenset({"reader"})),
    "bob": Caller(user_id="b", project_id="p2", roles=frozenset({"member", "reader"})),
    "root": Caller(user_id="o", project_id="p0", roles=frozenset({"admin", "member", "reader"})),
    "bound": Caller(user_id="a", project_id="p1", roles=frozenset({"member", "reader"}), certificate="print"),
}


class Tokens:
    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise Unauthorized
        return CALLERS[token]


class Thing(msgspec.Struct):
    id: str
    project_id: str
    name: str
    host: str = "h1"


class ThingLocked(Conflict):
    """Thing {thing} is locked."""


class ThingCreate(Wire):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    size: Annotated[int, F(since="2.5")] = 1
    secret: Annotated[str | None, F(rule="things:secret")] = None


class ThingView(Wire):
    id: str
    name: str
    project_id: Annotated[str, F("tenant_id")]
    size: Annotated[int, F(since="2.5")]
    host: Annotated[str, F("EXT:host", rule="things:host")]


class Things(msgspec.Struct):
    rows: dict[str, Thing]


class ThingGone(NotFound):
    """Thing {thing} is gone."""


async def thing_find(app: Things, caller: Caller, thing_id: str) -> Thing | ThingGone | None:
    if thing_id == "gone":
        return ThingGone(thing=thing_id)
    thing = app.rows.get(thing_id)
    return thing if thing and (caller.admin or thing.project_id == caller.project_id) else None


class ThingQuery(Query):
    name: str | None = None
    tags: list[str] = []
    deleted: bool = False


api = Api(
    "things",
    Faults(),
    prefixes=("/v2.1", "/v2.1/{project_id}"),
    microversions=Microversions("things", Version(2, 1), Version(2, 9), "X-Things-Version"),
)
api.declare(Rule("things:host", ADMIN), Rule("things:secret", ADMIN))


def view(thing: Thing) -> ThingView:
    return ThingView(id=thing.id, name=thing.name, project_id=thing.project_id, size=1, host=thing.host)


@api.get("/things", Rule("things:index", PROJECT_READER), key="things")
async def index(call: Call[Things], query: ThingQuery, page: Page) -> list[ThingView]:
    """List things."""
    found = [thing for thing in call.app.rows.values() if query.name in {None, thing.name}]
    return [view(thing) for thing in found[: page.limit]]


@api.post("/things", Rule("things:create", PROJECT_MEMBER), key="thing", status=202)
async def create(call: Call[Things], body: ThingCreate) -> ThingView:
    """Make a thing."""
    thing = Thing("t9", call.caller.project_id or "", body.name)
    call.app.rows[thing.id] = thing
    return view(thing)


@api.get("/things/{thing_id}", Rule("things:show", PROJECT_READER), key="thing", find=thing_find)
async def show(call: Call[Things], thing: Thing) -> ThingView:
    """Show a thing."""
    return view(thing)


@api.action("/things/{thing_id}/action", "os-lock", Rule("things:lock", PROJECT_MEMBER), find=thing_find)
async def lock(call: Call[Things], thing: Thing) -> None:
    """Lock a thing."""
    raise ThingLocked(thing=thing.id)


class Reason(Wire):
    reason: str


@api.action("/things/{thing_id}/action", "os-seal", Rule("things:lock", PROJECT_MEMBER), find=thing_find)
async def seal(call: Call[Things], thing: Thing, body: Reason | None) -> Reply:
    """Seal a thing, with a reason or without."""
    reason = body.reason if body else "no reason"
    return Reply(200, reason.encode(), {"Location": f"/things/{thing.id}?why={reason}"})


@api.put(
    "/things/{thing_id}/file",
    Rule("things:upload", PROJECT_MEMBER),
    find=thing_find,
    content=("application/octet-stream",),
)
async def upload(call: Call[Things], thing: Thing, body: Stream) -> Reply:
    """Take bytes."""
    size = sum([len(chunk) async for chunk in body])
    return Reply(200, str(size).encode())


def ask(
    method: str,
    path: str,
    token: str | None = "alice",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    *,
    slow: bool = False,
) -> tuple[int, Any, dict[str, str]]:
    """What the service answers: status, JSON or bytes, headers; to a `slow` client that sends no more than a byte."""
    kernel = Kernel(Tokens(), pace=Pace(idle_s=0.05))
    kernel.mount("things", api, Things({"t1": Thing("t1", "p1", "one"), "t2": Thing("t2", "p2", "two")}))
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent: list[Any] = []
    sends: list[int] = []
    given = {"host": "cloud:1", "content-length": str(len(raw)), **(headers or {})}
    if token:
        given["x-auth-token"] = token

    async def receive() -> dict[str, Any]:
        if slow and sends:
            await asyncio.Event().wait()
        sends.append(1)
        return {"type": "http.request", "body": raw[:1] if slow else raw, "more_body": slow}

    async def send(message: Any) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": "http",
        "headers": [(key.encode(), value.encode()) for key, value in given.items()],
    }
    asyncio.run(kernel.http(scope, receive, send))
    answer = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    data = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(data) if data and "json" in answer.get("content-type", "") else data, answer


def test_shows_a_thing_in_the_lowest_version_without_what_policy_hides() -> None:
    status, body, headers = ask("GET", "/things/v2.1/things/t1")
    assert (200, {"thing": {"id": "t1", "name": "one", "tenant_id": "p1"}}) == (status, body)
    assert "things 2.1" == headers["openstack-api-version"]
    assert headers["x-openstack-request-id"].startswith("req-")


def test_fields_follow_version_and_rule() -> None:
    _, body, _ = ask("GET", "/things/v2.1/p0/things/t1", "root", headers={"openstack-api-version": "things latest"})
    assert {"id": "t1", "name": "one", "tenant_id": "p1", "size": 1, "EXT:host": "h1"} == body["thing"]


def test_strangers_get_401_and_other_projects_404() -> None:
    assert 401 == ask("GET", "/things/v2.1/things/t1", None)[0]
    assert 401 == ask("GET", "/things/v2.1/things/t1", "nonsense")[0]
    assert 404 == ask("GET", "/things/v2.1/things/t1", "bob")[0]


@pytest.mark.parametrize(
    ("token", "authorization", "status"),
    [
        (None, "Bearer alice", 200),
        (None, "bearer  alice ", 200),
        (None, "Bearer nonsense", 401),
        (None, "Bearer", 401),
        (None, "Basic alice", 401),
        ("bob", "Bearer alice", 404),
        ("nonsense", "Bearer alice", 401),
        ("alice", "Bearer nonsense", 200),
    ],
)
def test_a_bearer_is_known_by_its_token_unless_x_auth_token_names_another(
    token: str | None, authorization: str, status: int
) -> None:
    assert status == ask("GET", "/things/v2.1/things/t1", token, headers={"authorization": authorization})[0]


def test_a_token_bound_to_a_certificate_is_refused_where_nobody_can_show_one() -> None:
    status, body, _ = ask("GET", "/things/v2.1/things/t1", "bound")
    (problem,) = body.values()
    assert (401, True) == (status, "certificate" in problem["message"])


def test_what_is_missing_is_told_only_to_those_the_rule_lets_in() -> None:
    status, body, _ = ask("GET", "/things/v2.1/things/gone", "root")
    assert (404, "Thing gone is gone.") == (status, body["itemNotFound"]["message"])
    assert 403 == ask("GET", "/things/v2.1/things/gone", "alice")[0]


def test_a_reader_cannot_write() -> None:
    status, body, _ = ask("POST", "/things/v2.1/things", "rita", {"thing": {"name": "x"}})
    assert 403 == status
    assert {"code": 403, "message": "Policy doesn't allow things:create to be performed."} == body["forbidden"]


def test_bad_bodies_name_the_field() -> None:
    for body, words in (
        ({"thing": {"name": 5}}, "thing.name"),
        ({"thing": {"name": ""}}, "thing.name"),
        ({"thing": {}}, "name"),
        ({"thing": {"name": "x", "size": 3}}, "size"),
        ({"thing": {"name": "x"}, "more": 1}, "more"),
        ({}, "thing"),
        (b"{", "JSON"),
        (b"\xff", "JSON"),
        (b"[" * 100_000, "array"),
        (b'{"thing":' + b"[" * 100_000, "JSON"),
    ):
        status, answer, _ = ask("POST", "/things/v2.1/things", "alice", body)
        assert 400 == status
        assert words in answer["badRequest"]["message"]


def test_a_field_with_a_rule_needs_it() -> None:
    body = {"thing": {"name": "x", "secret": "s"}}
    assert 403 == ask("POST", "/things/v2.1/things", "alice", body)[0]
    assert 202 == ask("POST", "/things/v2.1/things", "root", body)[0]


def test_lists_link_to_their_next_page() -> None:
    _, body, _ = ask("GET", "/things/v2.1/things?limit=1&name=one")
    assert ["one"] == [thing["name"] for thing in body["things"]]
    assert "http://cloud:1/things/v2.1/things?limit=1&name=one&marker=t1" == body["things_links"][0]["href"]


def test_queries_are_typed() -> None:
    assert 400 == ask("GET", "/things/v2.1/things?deleted=maybe")[0]
    assert 400 == ask("GET", "/things/v2.1/things?limit=-1")[0]
    assert 200 == ask("GET", "/things/v2.1/things?deleted=true&unknown=1")[0]


def test_actions_are_found_by_the_key_of_the_body() -> None:
    status, body, _ = ask("POST", "/things/v2.1/things/t1/action", "alice", {"os-lock": None})
    assert (409, "Thing t1 is locked.") == (status, body["conflictingRequest"]["message"])
    assert 400 == ask("POST", "/things/v2.1/things/t1/action", "alice", {"os-open": None})[0]
    assert 400 == ask("POST", "/things/v2.1/things/t1/action", "alice", {"os-lock": None, "b": 1})[0]


def test_the_value_of_an_action_may_be_null_where_its_body_is_optional() -> None:
    assert b"no reason" == ask("POST", "/things/v2.1/things/t1/action", "alice", {"os-seal": None})[1]
    assert b"why" == ask("POST", "/things/v2.1/things/t1/action", "alice", {"os-seal": {"reason": "why"}})[1]
    assert 400 == ask("POST", "/things/v2.1/things/t1/action", "alice", {"os-seal": {}})[0]


def test_versions_out_of_range_are_406_and_nonsense_400() -> None:
    assert 406 == ask("GET", "/things/v2.1/things", headers={"openstack-api-version": "things 2.10"})[0]
    assert 400 == ask("GET", "/things/v2.1/things", headers={"openstack-api-version": "things two"})[0]
    assert 200 == ask("GET", "/things/v2.1/things", headers={"x-things-version": "2.9"})[0]


def test_other_methods_are_405_with_what_is_allowed() -> None:
    status, _, headers = ask("DELETE", "/things/v2.1/things/t1")
    assert (405, "GET, HEAD") == (status, headers["allow"])


def test_head_is_get_without_a_body() -> None:
    status, body, headers = ask("HEAD", "/things/v2.1/things/t1")
    assert (200, "51") == (status, headers["content-length"])


def test_uploads_stream_and_refuse_other_types() -> None:
    octets = {"content-type": "application/octet-stream"}
    assert b"5" == ask("PUT", "/things/v2.1/things/t1/file", "alice", b"12345", octets)[1]
    assert 415 == ask("PUT", "/things/v2.1/things/t1/file", "alice", b"1", {"content-type": "text/plain"})[0]


def test_a_body_over_the_limit_is_413() -> None:
    status, _, headers = ask("POST", "/things/v2.1/things", "alice", b" " * (2 << 20))
    assert (413, "close") == (status, headers["connection"])


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/things/v2.1/things", {}),
        ("PUT", "/things/v2.1/things/t1/file", {"content-type": "application/octet-stream"}),
    ],
)
def test_who_sends_a_body_too_slowly_is_given_up(method: str, path: str, headers: dict[str, str]) -> None:
    status, body, told = ask(method, path, body=b'{"thing": {"name": "slow"}}', headers=headers, slow=True)
    assert (408, "requestTimeout", "close") == (status, next(iter(body)), told["connection"])


def test_names_in_headers_are_spelled_as_headers_can_hold_them() -> None:
    *_, headers = ask("POST", "/things/v2.1/things/t1/action", body={"os-seal": {"reason": "a\r\nX-Evil: é"}})
    assert "/things/t1?why=a%0D%0AX-Evil: %C3%A9" == headers["location"]


def test_a_project_in_the_path_must_be_the_token_s() -> None:
    assert 200 == ask("GET", "/things/v2.1/p1/things/t1")[0]
    assert 400 == ask("GET", "/things/v2.1/p2/things/t1")[0]


def test_an_encoded_slash_stays_in_its_segment() -> None:
    assert 404 == ask("GET", "/things/v2.1/things/t1%2Faction")[0]


def test_no_nul_character_gets_in() -> None:
    assert 404 == ask("GET", "/things/v2.1/things/t%001")[0]
    assert 400 == ask("GET", "/things/v2.1/things?name=%00")[0]
    assert "NUL" in ask("POST", "/things/v2.1/things", "alice", {"thing": {"name": "\0"}})[1]["badRequest"]["message"]
    assert "NUL" in ask("POST", "/things/v2.1/things", "alice", {"thing": {"name": "\\\0"}})[1]["badRequest"]["message"]
    # A backslash and some digits are no NUL; it is only too long here.
    said = ask("POST", "/things/v2.1/things", "alice", {"thing": {"name": r"\u0000"}})[1]["badRequest"]["message"]
    assert "thing.name" in said
