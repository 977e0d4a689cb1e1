"""Every list walks its pages once: no item twice, none left out, and the links lead to the end."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.clients.cloud import RunningCloud
from tests.stories.world import World, documents, listed, made, pages

pytestmark = [pytest.mark.client, pytest.mark.timeout(600)]

MORE = 5
AT = {"OpenStack-API-Version": "compute 2.90"}
WHOLE = {"/compute/v2.1/os-services"}  # has no pages upstream, and refuses a limit since 2.75


@pytest.fixture(scope="module")
def several(cloud: RunningCloud, world: World) -> Iterator[None]:
    """Some more of what is cheap to make, so that there are pages."""
    nets = [made(cloud, "/network/v2.0/networks", {"network": {"name": "more"}})["network"]["id"] for _ in range(MORE)]
    images = [made(cloud, "/image/v2/images", {"name": "more"})["id"] for _ in range(MORE)]
    yield
    for path in (*(f"/network/v2.0/networks/{id}" for id in nets), *(f"/image/v2/images/{id}" for id in images)):
        assert 204 == cloud.ask("DELETE", path, as_="demo").status


def collections(cloud: RunningCloud) -> Iterator[tuple[str, str]]:
    """Every list with pages: its path and the key of its items."""
    for service, document in documents(cloud).items():
        for path, operations in document["paths"].items():
            schema = answer_of(operations.get("get", {}))
            for key, inner in schema.get("properties", {}).items():
                if inner.get("type") == "array" and "{" not in path and paged(operations["get"]):
                    yield f"/{service}{path}", key


def answer_of(operation: dict) -> dict:  # type: ignore[type-arg]
    content = operation.get("responses", {}).get("200", {}).get("content", {})
    return dict(content.get("application/json", {}).get("schema", {}))


def paged(operation: dict) -> bool:  # type: ignore[type-arg]
    return operation.get("x-openstack-paged", True) is not False


@pytest.mark.parametrize("user", ["demo", "admin"])
def test_pages_hold_what_the_whole_holds(cloud: RunningCloud, several: None, user: str) -> None:
    walked = []
    for path, key in collections(cloud):
        whole = cloud.ask("GET", path, as_=user, headers=AT)
        if whole.status != 200 or not all("id" in item for item in whole.json[key]):
            continue
        if path in WHOLE:
            assert 400 == cloud.ask("GET", f"{path}?limit=1", as_=user, headers=AT).status
            continue
        every = [item["id"] for item in listed(cloud, path, key, user)]
        walked.append(path)
        for limit in (1, 2, len(every), 1000):
            found = list(pages(cloud, f"{path}?{urlencode({'limit': limit})}", key, user))
            assert every == [item["id"] for page in found for item in page], (path, limit)
        assert len(every) == len(set(every)), path
    assert len(walked) > 10, walked
    print(f"{user}: {len(walked)} lists walked")


@pytest.mark.parametrize(
    ("path", "key", "sort"),
    [
        ("/compute/v2.1/servers", "servers", "sort_key=display_name&sort_dir=asc"),
        ("/image/v2/images", "images", "sort=name:asc,created_at:desc"),
        ("/network/v2.0/networks", "networks", "sort_key=name&sort_dir=desc"),
    ],
)
def test_order_asked_for_holds_over_pages(cloud: RunningCloud, several: None, path: str, key: str, sort: str) -> None:
    every = [item["id"] for item in listed(cloud, f"{path}?{sort}", key)]
    assert every == [item["id"] for item in listed(cloud, f"{path}?{sort}&limit=2", key)]


@pytest.mark.parametrize("path", ["/compute/v2.1/servers", "/image/v2/images"])
def test_marker_of_nobody_is_refused(cloud: RunningCloud, path: str) -> None:
    assert 400 == cloud.ask("GET", f"{path}?marker=00000000-0000-4000-8000-000000000000", as_="demo").status


def test_names_of_keys_in_documents_are_plain(cloud: RunningCloud) -> None:
    for path, key in collections(cloud):
        assert re.fullmatch(r"[a-zA-Z_:-]+", key), (path, key)
