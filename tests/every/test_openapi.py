"""The documents at /openapi are OpenAPI 3.1, at every microversion, and speak of every operation there is."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from tests.main.assembled import assembled

from pileus.kit.http.openapi import document, versions

from .services import manifests

MANIFESTS = manifests()


def documents(service: str) -> dict[str, dict[str, Any]]:
    manifest = MANIFESTS[service]
    made = {"newest": document(manifest.API, mount=manifest.MOUNT, release="1")}
    for at in versions(manifest.API):
        made[str(at)] = document(manifest.API, mount=manifest.MOUNT, release="1", at=at)
    return made


@pytest.mark.parametrize("service", MANIFESTS)
def test_documents_are_openapi(service: str) -> None:
    for at, made in documents(service).items():
        complaints = [
            f"{at}: {error.instance_path}: {error.message[:200]}" for error in OPENAPI_31_VALIDATOR.iter_errors(made)
        ]
        assert [] == complaints


@pytest.mark.parametrize("service", MANIFESTS)
def test_every_operation_has_a_name_of_its_own(service: str) -> None:
    for at, made in documents(service).items():
        names = Counter(told["operationId"] for methods in made["paths"].values() for told in methods.values())
        assert [] == [name for name, times in names.items() if times > 1], at


def patterns(told: Any) -> Iterator[str]:
    """Every pattern a document asks of some text."""
    if isinstance(told, dict):
        if isinstance(told.get("pattern"), str):
            yield told["pattern"]
        told = list(told.values())
    for inner in told if isinstance(told, list) else ():
        yield from patterns(inner)


@pytest.mark.parametrize("service", MANIFESTS)
def test_no_pattern_lets_a_line_end_follow(service: str) -> None:
    # To Python a bare $ is also the place before a last line end: such a MAC went to the fabric with it.
    manifest = MANIFESTS[service]
    made = document(manifest.API, mount=manifest.MOUNT, release="1")
    assert [] == sorted({pattern for pattern in patterns(made) if pattern.endswith("$")})


@pytest.mark.parametrize("service", MANIFESTS)
def test_no_operation_is_left_out_and_none_stands_where_it_is_not(service: str) -> None:
    api = MANIFESTS[service].API
    made = document(api, mount="m", release="1")
    for route in api.routes:
        path = route.path[1:] if route.path.startswith("//") else api.prefixes[0] + route.path
        told = made["paths"][path][route.method.lower()]
        assert route.action is None or route.action in told["x-actions"]
    for at in versions(api):
        there = {
            (route.method.lower(), route.path[1:] if route.path.startswith("//") else api.prefixes[0] + route.path)
            for route in api.routes
            if route.since <= at <= route.until
        }
        paths = document(api, mount="m", release="1", at=at)["paths"]
        assert there == {(method, path) for path, methods in paths.items() for method in methods}, at


async def test_a_document_can_be_had_at_a_microversion(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        old = (await cloud.ask("GET", "/openapi/compute.json?microversion=2.1")).json
        new = (await cloud.ask("GET", "/openapi/compute.json")).json
        assert len(old["paths"]) != len(new["paths"])
        assert "/v2.1/servers/{server_id}/tags" in new["paths"].keys() - old["paths"].keys()
        refused = await cloud.ask("GET", "/openapi/compute.json?microversion=2.999")
        assert (404, "2.999" in refused.json["error"]["message"]) == (refused.status, True)
