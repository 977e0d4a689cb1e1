"""Who is of another project finds nothing: not by reading, not by changing, not by naming it in a request of his own."""

import re
from collections.abc import Iterator

import pytest
from tests.clients.cloud import RunningCloud
from tests.stories.world import COMPUTE, World, documents, project_of

pytestmark = [pytest.mark.client, pytest.mark.timeout(600)]

NOT_THERE = "00000000-0000-4000-8000-000000000000"
SERVICES = ("compute", "network", "image")
# Those who may not do this at all, or ask for what nobody has any more, are told so before anybody looks whether the thing is there.
ALLOWED = {403, 404, 410}


@pytest.fixture(scope="session")
def stranger(cloud: RunningCloud) -> dict[str, str]:
    return {"X-Auth-Token": project_of(cloud, "stranger"), **COMPUTE}


@pytest.mark.parametrize(
    "path",
    [
        *(f"/compute/v2.1/{kind}" for kind in ("servers", "os-keypairs")),
        "/image/v2/images",
        *(
            f"/network/v2.0/{kind}"
            for kind in (
                "networks",
                "subnets",
                "ports",
                "routers",
                "floatingips",
                "security-groups",
                "security-group-rules",
            )
        ),
    ],
)
def test_stranger_finds_nothing_of_demo(cloud: RunningCloud, world: World, stranger: dict[str, str], path: str) -> None:
    id = world[path.rpartition("/")[2]]
    assert 200 == cloud.ask("GET", f"{path}/{id}", as_="demo", headers=COMPUTE).status
    assert 404 == cloud.ask("GET", f"{path}/{id}", headers=stranger).status
    assert 404 == cloud.ask("DELETE", f"{path}/{id}", headers=stranger).status
    assert id not in cloud.ask("GET", path, headers=stranger).body.decode()
    assert 200 == cloud.ask("GET", f"{path}/{id}", as_="demo", headers=COMPUTE).status


def test_no_route_below_a_thing_of_demo_answers_a_stranger(
    cloud: RunningCloud, world: World, stranger: dict[str, str]
) -> None:
    wrong = []
    for method, path in routes_below(cloud, world):
        body = {} if method in {"POST", "PUT"} else None
        answer = cloud.ask(method, path, body, headers=stranger)
        # A body that says nothing may be refused before the thing is looked for.
        if answer.status not in ALLOWED | ({400, 415} if method in {"POST", "PUT", "PATCH"} else set()):
            wrong.append(f"{method} {path}: {answer.status} {answer.body[:200]!r}")
    assert [] == wrong


def routes_below(cloud: RunningCloud, world: World) -> Iterator[tuple[str, str]]:
    """Every route whose path names a thing of demo's, with that thing's id and ids of nothing for the rest."""
    found = documents(cloud)
    for service in SERVICES:
        for path, operations in found[service]["paths"].items():
            named = re.search(r"/([a-z0-9-]+)/\{[^}]+\}", path)
            if named is None or named[1] not in world.ids:
                continue
            whole = path.replace(named[0], f"/{named[1]}/{world[named[1]]}", 1)
            whole = re.sub(r"\{[^}]+\}", NOT_THERE, whole)
            for method in operations:
                yield method.upper(), f"/{service}{whole}"


def test_stranger_cannot_use_what_is_of_demo(cloud: RunningCloud, world: World, stranger: dict[str, str]) -> None:
    flavor = cloud.ask("GET", "/compute/v2.1/flavors", headers=stranger).json["flavors"][0]["id"]
    server = {"name": "thief", "flavorRef": flavor, "imageRef": world["images"]}
    refused = {
        "network of a server": (
            "/compute/v2.1/servers",
            {"server": {**server, "networks": [{"uuid": world["networks"]}]}},
        ),
        "port of a server": ("/compute/v2.1/servers", {"server": {**server, "networks": [{"port": world["ports"]}]}}),
        "image of a server": ("/compute/v2.1/servers", {"server": {**server, "networks": "none"}}),
        "network of a port": ("/network/v2.0/ports", {"port": {"network_id": world["networks"]}}),
        "network of a subnet": (
            "/network/v2.0/subnets",
            {"subnet": {"network_id": world["networks"], "ip_version": 4, "cidr": "10.66.0.0/24"}},
        ),
        "group of a rule": (
            "/network/v2.0/security-group-rules",
            {"security_group_rule": {"security_group_id": world["security-groups"], "direction": "ingress"}},
        ),
    }
    for what, (path, body) in refused.items():
        answer = cloud.ask("POST", path, body, headers=stranger)
        assert answer.status in {400, 404}, (what, answer)
    assert [] == cloud.ask("GET", "/compute/v2.1/servers", headers=stranger).json["servers"]


def test_without_a_token_nothing_is_told(cloud: RunningCloud, world: World) -> None:
    for path in (
        "/compute/v2.1/servers",
        "/network/v2.0/ports",
        "/image/v2/images",
        "/identity/v3/users",
        "/placement/traits",
    ):
        for headers in ({}, {"X-Auth-Token": "nonsense"}, {"X-Auth-Token": "gAAAAA" + "A" * 200}):
            answer = cloud.ask("GET", path, headers=headers)
            assert 401 == answer.status, (path, headers, answer)
            assert "keystone uri" in answer.headers["www-authenticate"].lower()
