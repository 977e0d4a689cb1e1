"""What the OpenAPI document says the API can do, it does."""

from pathlib import Path

import pytest
from tests.object_store.world import Service, run

from pileus.object_store import manifest
from pileus.object_store.api.described import ACCOUNT, CONTAINER, OBJECT, WAYS, Way
from pileus.object_store.s3.ways import ways

HEADERS = {
    ("GET", "/auth/v1.0"): {"x-auth-user": "one:alice", "x-auth-key": "ecila"},
    ("POST", CONTAINER): {"x-container-meta-a": "b"},
    ("POST", OBJECT): {"x-object-meta-a": "b"},
    ("COPY", OBJECT): {"destination": "c/copy"},
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.method} {way.path}")
def test_each_way_ends_as_it_says(tmp_path: Path, way: Way) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        if way.path == OBJECT:
            await service.put("c/o")
        path = way.path.format(version="v1", account="AUTH_p1", container="c", object="o")
        token = "root" if (way.method, way.path) in {("PUT", ACCOUNT), ("DELETE", ACCOUNT)} else "alice"
        headers = HEADERS.get((way.method, way.path), {})
        said = await service.ask(way.method, path, token=None if way.open else token, headers=headers)
        assert said.status in way.ends
        if not way.open:
            assert 401 == (await service.ask(way.method, path, token=None, headers=headers)).status

    run(tmp_path, story)


def test_the_document_names_each_operation_once() -> None:
    paths = manifest.openapi("1")["paths"]
    names = [made["operationId"] for methods in paths.values() for made in methods.values()]
    assert len(WAYS) + len(ways()) == len(names) == len(set(names))
