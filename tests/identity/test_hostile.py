"""Requests that make no sense are told so, and never break anything."""

from typing import Any

from pileus.identity.manifest import API

BODIES: tuple[Any, ...] = (
    [],
    "text",
    5,
    None,
    {"x": 1},
    {"name": "\x00"},
    {"name": "x" * 300},
    {"name": None, "enabled": None, "description": None, "options": None, "extra": {"a": 1}},
    {"name": "n", "options": [], "tags": {"a": 1}},
    {"name": "n", "domain_id": "none", "parent_id": "none", "default_project_id": "\x00", "type": "", "url": 5},
    {"id": "a/b?c#d", "name": "😀", "description": "\u202e", "password": "p" * 5000},
)
VALUES = ("default", "none", "%00", "a%2Fb", "..", "😀", "'; DROP TABLE identity_users; --", "x" * 3000)


async def test_no_body_breaks_a_route(cloud: Any) -> None:
    await cloud.start()
    for route in API.routes:
        if route.method in {"POST", "PUT", "PATCH"} and route.path != "/auth/tokens":
            path = "/v3" + "".join("default" if part.startswith("{") else part for part in split(route.path))
            for body in BODIES:
                wrapped = {route.key: body} if route.key else body
                answer = await cloud.ask(route.method, path, wrapped)
                assert answer.status < 500, (route.method, path, body, answer.body)
                assert 401 != answer.status or route.rule is None


def split(path: str) -> list[str]:
    return [part for piece in path.split("/")[1:] for part in ("/", piece)]


async def test_no_path_or_query_breaks_a_route(cloud: Any) -> None:
    await cloud.start()
    queries = (
        "limit=-1",
        "limit=99999999999",
        "marker=%00",
        "sort_key=password_hash",
        "name=%ff",
        "name__regex=(",
        "enabled=",
    )
    for route in API.routes:
        if route.method == "GET" and not route.path.startswith("//"):
            for value in VALUES:
                path = "/v3" + "".join(value if part.startswith("{") else part for part in split(route.path))
                assert (await cloud.ask("GET", path)).status < 500, path
            if "{" not in route.path:
                for query in queries:
                    assert (await cloud.ask("GET", f"/v3{route.path}?{query}")).status < 500, (route.path, query)


async def test_no_login_breaks_the_door(cloud: Any) -> None:
    await cloud.start()
    good = cloud.by_password("admin")
    for identity, scope in (
        ([], None),
        ({"methods": "password"}, None),
        ({"methods": [None]}, None),
        ({"methods": ["password", "token"], "password": good["password"]}, None),
        ({"methods": ["password"], "password": {"user": {"id": [], "password": "x"}}}, None),
        ({"methods": ["password"], "password": {"user": {"id": "\x00", "password": "\x00"}}}, None),
        ({"methods": ["token"], "token": {"id": "x" * 5000}}, None),
        (good, "everything"),
        (good, {"project": {"id": "\x00"}}),
        (good, {"project": []}),
        (good, {"OS-TRUST:trust": {"id": "x"}}),
        (good, {"system": {"all": "maybe"}}),
    ):
        answer = await cloud.auth(identity, scope)
        assert 400 <= answer.status < 500, (identity, scope, answer.body)
    for body in ([], {}, {"auth": None}, {"auth": {"identity": None}}):
        assert 400 == (await cloud.ask("POST", "/v3/auth/tokens", body, None)).status


async def test_many_methods_cost_one_check(cloud: Any) -> None:
    await cloud.start()
    asked: list[str] = []
    passwords = cloud.app.passwords
    verify = passwords._verify

    def counted(stored: str, password: str) -> bool:
        asked.append(password)
        return bool(verify(stored, password))

    passwords._verify = counted
    identity = {**cloud.by_password("nobody"), "methods": ["password"] * 1000}
    assert 401 == (await cloud.auth(identity)).status
    assert 1 == len(asked)
