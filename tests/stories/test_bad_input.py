"""Whatever somebody sends, the answer is the service's own refusal, never a failure of the server.

Driven by the documents at /openapi: every POST, PUT and PATCH that takes JSON gets, field by field, what does not
belong there.
"""

import http.client
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.clients.cloud import Answer, RunningCloud, running_cloud
from tests.stories.world import World, documents, furnish

pytestmark = [pytest.mark.client, pytest.mark.timeout(900)]

SERVICES = ("identity", "image", "placement", "compute", "network")
HUGE = "x" * 70_000
WRONG: tuple[object, ...] = (
    None, True, -1, 0, 10**30, 1.5, "", "\0", "a\0b", "\ud7ff\U0010ffff\u202e🦄", HUGE, "../../etc/passwd", "' OR 1=1 --",
    [], [[]], [None], {}, {"a": {"b": None}}, "2001:db8::/129", "-1", "00000000-0000-4000-8000-000000000000",
)  # fmt: skip
DEEP = b'{"server":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}"
NOT_JSON = (
    b"",
    b"{",
    b"nonsense",
    b"[]",
    b"7",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"a": NaN}',
    b'{"a": "\\ud800"}',
    b"[" * 50_000,
    DEEP,
)
# What belongs to the requests themselves: the project that asks must still be there afterwards.
LEFT_ALONE = (
    "/v3/users/{",
    "/v3/projects/{",
    "/v3/domains/{",
    "/v3/roles/{",
    "/v3/auth/",
    "/v3/services/{",
    "/v3/endpoints/{",
)


class Line:
    """A connection that is kept, for many requests."""

    def __init__(self, cloud: RunningCloud) -> None:
        self._connection = http.client.HTTPConnection(cloud.address, timeout=60)
        self.asked = 0

    def ask(self, method: str, path: str, raw: bytes, headers: dict[str, str]) -> Answer:
        self.asked += 1
        try:
            self._connection.request(method, path, raw, headers)
            answer = self._connection.getresponse()
        except (BrokenPipeError, ConnectionResetError):
            # Who is refused before he has said all finds the kept connection closed, and begins a new one.
            self._connection.close()
            self._connection.request(method, path, raw, headers)
            answer = self._connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def victim() -> Iterator[tuple[RunningCloud, World]]:
    """A cloud of its own: some of what is sent is taken, and stays."""
    with running_cloud() as cloud:
        yield cloud, furnish(cloud)


@pytest.fixture
def line(victim: tuple[RunningCloud, World]) -> Iterator[Line]:
    made = Line(victim[0])
    yield made
    made.close()


def in_own_words(service: str, answer: Answer) -> bool:
    """Whether a refusal has the shape the service's clients expect."""
    if service == "image":
        return answer.headers["content-type"].startswith("text/html") and b"<h1>" in answer.body
    told = answer.json
    match service:
        case "identity":
            return {"code", "title", "message"} <= told["error"].keys() and told["error"]["code"] == answer.status
        case "network":
            return {"type", "message", "detail"} == told["NeutronError"].keys()
        case "placement":
            return told["errors"][0]["status"] == answer.status and bool(told["errors"][0]["detail"])
        case _:
            (fault,) = told.values()
            return fault["code"] == answer.status and bool(fault["message"])


def operations(service: str, document: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Method, path, content type and schema of every operation that takes JSON."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for kind, content in operation.get("requestBody", {}).get("content", {}).items():
                if "json" in kind:
                    yield method.upper(), path, kind, content["schema"]


def filled(path: str, world: World) -> str:
    """The path with ids of things that are there, where we have some."""

    def id_of(found: re.Match[str]) -> str:
        return f"/{found[1]}/{world.ids.get(found[1], '00000000-0000-4000-8000-000000000000')}"

    return re.sub(r"\{[^}]+\}", "nobody", re.sub(r"/([a-z0-9_-]+)/\{[^}]+\}", id_of, path))


def bodies(schema: dict[str, Any], shapes: dict[str, Any]) -> Iterator[object]:
    """Bodies that are wrong in one place each: the whole, the envelope's inside, and each of its fields."""
    schema = resolved(schema, shapes)
    for each in schema.get("anyOf", [schema]):
        envelope = resolved(each, shapes)
        for key, inner in envelope.get("properties", {}).items():
            yield from ({key: wrong} for wrong in WRONG)
            right = plausible(inner, shapes)
            if isinstance(right, dict):
                fields = [*resolved(inner, shapes).get("properties", {}), "no_such_field"]
                yield from ({key: {**right, field: wrong}} for field in fields for wrong in WRONG)
                yield {key: right, "more": {}}


def resolved(schema: dict[str, Any], shapes: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = shapes[schema["$ref"].rpartition("/")[2]]
    return schema


def plausible(schema: dict[str, Any], shapes: dict[str, Any], depth: int = 0) -> Any:
    """Something that has the required fields, so that the field that is wrong is what is looked at."""
    schema = resolved(schema, shapes)
    if "anyOf" in schema:
        return plausible(schema["anyOf"][0], shapes, depth)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            known = schema.get("properties", {})
            return {name: plausible(known[name], shapes, depth + 1) for name in schema.get("required", ()) if depth < 6}
        case "array":
            return [plausible(schema["items"], shapes, depth + 1)] if schema.get("minItems") else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "00000000-0000-4000-8000-000000000000" if schema.get("format") == "uuid" else "x"


@pytest.mark.parametrize("service", SERVICES)
def test_field_that_is_wrong_is_refused_in_the_services_own_words(
    victim: tuple[RunningCloud, World], line: Line, service: str
) -> None:
    cloud, world = victim
    document = documents(cloud)[service]
    counted: Counter[int] = Counter()
    wrong: dict[str, str] = {}
    for method, path, kind, schema in operations(service, document):
        if path.startswith(LEFT_ALONE) and method != "POST":
            continue
        for body in bodies(schema, document["components"]["schemas"]):
            raw = json.dumps(body).encode()
            answer = line.ask(method, f"/{service}{filled(path, world)}", raw, headers(cloud, service, kind))
            counted[answer.status] += 1
            taken = answer.status < 400
            # PostgreSQL stores no NUL, so it must not get that far.
            # What is not offered yet says so, as services do whose driver cannot do a thing.
            offered = not (answer.status == 501 and b"does not offer" in answer.body)
            if (answer.status >= 500 and offered) or (
                b"\\u0000" in raw if taken else not in_own_words(service, answer)
            ):
                # One example of each kind of failure on a route is enough to read.
                place = f"{method} {path} {answer.status}"
                wrong.setdefault(place, f"{json.dumps(body)[:300]} -> {answer.body[:300]!r}")
    print(f"{service}: {line.asked} requests, answers {dict(sorted(counted.items()))}")
    assert not wrong, "\n".join(f"{place}: {example}" for place, example in wrong.items())
    assert line.asked > 0


def headers(cloud: RunningCloud, service: str, kind: str = "application/json") -> dict[str, str]:
    made = {"X-Auth-Token": cloud.token("admin"), "Content-Type": kind}
    newest = {"compute": "compute 2.90", "placement": "placement 1.39"}
    return made | ({"OpenStack-API-Version": newest[service]} if service in newest else {})


CREATE = {
    "identity": "/identity/v3/projects",
    "image": "/image/v2/images",
    "placement": "/placement/resource_providers",
    "compute": "/compute/v2.1/servers",
    "network": "/network/v2.0/networks",
}


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_not_the_json_expected_is_refused(victim: tuple[RunningCloud, World], service: str) -> None:
    cloud, _ = victim
    for raw in NOT_JSON:
        answer = cloud.ask("POST", CREATE[service], raw, headers=headers(cloud, service))
        assert answer.status in {400, 413}, (raw[:40], answer)
        assert in_own_words(service, answer), (raw[:40], answer)


@pytest.mark.parametrize("service", SERVICES)
def test_path_that_is_odd_is_refused(victim: tuple[RunningCloud, World], service: str) -> None:
    cloud, _ = victim
    for tail in ("/%00", "/%ff%fe", "/..%2f..%2fetc", "/" + "x" * 5000, "/%F0%9F%A6%84", "/a/b/c/d/e/f", "/{id}"):
        answer = cloud.ask("GET", CREATE[service] + tail, headers=headers(cloud, service))
        assert 400 <= answer.status < 500, (tail[:20], answer)


@pytest.mark.parametrize("service", SERVICES)
def test_query_that_is_odd_is_no_failure(victim: tuple[RunningCloud, World], service: str) -> None:
    cloud, _ = victim
    for query in (
        "limit=-1", "limit=x", "limit=" + "9" * 30, "marker=nobody", "marker=%00", "sort_key=nonsense", "sort_key=%00",
        "sort_dir=up", "name=%00", "name=" + "x" * 3000, "=", "&&&", "%ff=%ff", "nonsense=1", "limit=1&limit=2",
    ):  # fmt: skip
        answer = cloud.ask("GET", f"{CREATE[service]}?{query}", headers=headers(cloud, service))
        assert answer.status < 500, (query[:40], answer)
        assert answer.status < 400 or in_own_words(service, answer), (query[:40], answer)


@pytest.mark.parametrize(
    "given", ["compute 2.999", "compute x", "compute 2", "compute", "2.1", "compute 2.1.1", "compute -1.1"]
)
def test_microversion_that_is_none_is_refused(victim: tuple[RunningCloud, World], given: str) -> None:
    cloud, _ = victim
    answer = cloud.ask("GET", "/compute/v2.1/servers", as_="admin", headers={"OpenStack-API-Version": given})
    # A header that names no service we know is not meant for us.
    assert answer.status in ({200} if given in {"compute", "2.1"} else {400, 406}), answer


def test_cloud_has_survived(victim: tuple[RunningCloud, World]) -> None:
    cloud, world = victim
    assert 200 == cloud.ask("GET", f"/compute/v2.1/servers/{world['servers']}", as_="demo").status
    assert "the cloud stops" not in cloud.state.log.read_text()
