"""Clients find their way: version documents, the catalog, and what keystoneauth makes of them; and documents of each API."""

import json
import re
from typing import Any

import pytest
from keystoneauth1 import adapter, discover, session
from keystoneauth1.identity import v3
from tests.clients.cloud import RunningCloud
from tests.stories.world import documents

pytestmark = [pytest.mark.client, pytest.mark.timeout(400), pytest.mark.filterwarnings("default::ResourceWarning")]

VERSIONS = {"identity": (3, 14), "image": (2, 0), "placement": (1, 0), "compute": (2, 1), "network": (2, 0)}
MICROVERSIONS = {"compute": ((2, 1), (2, 90)), "placement": ((1, 0), (1, 39))}
METHODS = {"get", "put", "post", "delete", "patch", "head"}


@pytest.fixture(scope="module")
def login(cloud: RunningCloud) -> session.Session:
    given = cloud.environment("demo")
    names = ("auth_url", "username", "password", "project_name", "user_domain_name", "project_domain_name")
    return session.Session(v3.Password(**{name: given[f"OS_{name.upper()}"] for name in names}))


@pytest.mark.parametrize("service", VERSIONS)
def test_service_is_found_by_its_type_and_version(login: session.Session, service: str) -> None:
    found = adapter.Adapter(login, service_type=service, interface="public").get_endpoint_data()
    assert found is not None
    assert found.api_version[0] == VERSIONS[service][0]
    lowest, highest = MICROVERSIONS.get(service, (None, None))
    assert (lowest is None) == (found.min_microversion is None)
    if lowest:
        assert lowest == found.min_microversion
        assert highest <= found.max_microversion


@pytest.mark.parametrize("service", VERSIONS)
def test_version_document_is_public_and_links_to_itself(cloud: RunningCloud, service: str) -> None:
    answer = cloud.ask("GET", f"/{service}/")
    assert answer.status in {200, 300}, answer
    found = discover.Discover(session.Session(), f"{cloud.url}/{service}/").version_data()
    assert found
    for version in found:
        assert version["url"].startswith(f"{cloud.url}/{service}"), version


def test_catalog_holds_three_interfaces_of_each_service(cloud: RunningCloud) -> None:
    catalog = cloud.ask("GET", "/identity/v3/auth/catalog", as_="demo").json["catalog"]
    for service in catalog:
        assert {"public", "internal", "admin"} == {endpoint["interface"] for endpoint in service["endpoints"]}, service
        assert all(endpoint["region"] == "RegionOne" for endpoint in service["endpoints"])


def test_root_lists_what_is_served(cloud: RunningCloud) -> None:
    told = cloud.ask("GET", "/").body.decode()
    assert all(service in told for service in VERSIONS)


def test_health_is_told_without_a_login(cloud: RunningCloud) -> None:
    assert 200 == cloud.ask("GET", "/healthcheck").status


@pytest.mark.parametrize("service", VERSIONS)
def test_document_of_an_api_is_whole(cloud: RunningCloud, service: str) -> None:
    document = documents(cloud)[service]
    assert "3.1.0" == document["openapi"]
    assert f"/{service}" == document["x-openstack-mount"]
    assert len(document["paths"]) > 5
    names = document["components"]["schemas"].keys()
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert referred <= names
    for path, operations in document["paths"].items():
        assert path.startswith("/") and operations.keys() <= METHODS, path
        for operation in operations.values():
            whole_operation(path, operation)


def whole_operation(path: str, operation: dict[str, Any]) -> None:
    """The operation says what it does, how it answers, and what the path's parts are."""
    assert operation["summary"] and operation["responses"], path
    told = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
    assert set(re.findall(r"\{([^}]+)\}", path)) <= told, path
    assert all(isinstance(action, str) for action in operation.get("x-actions", []))
    if path.endswith("/action"):
        assert operation["x-actions"]


def test_every_route_that_needs_a_login_says_so_to_who_has_none(cloud: RunningCloud) -> None:
    wrong = []
    for service, document in documents(cloud).items():
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation["security"]:
                    answer = cloud.ask(method.upper(), f"/{service}{re.sub('{[^}]+}', 'x', path)}")
                    if answer.status != 401:
                        wrong.append(f"{method} /{service}{path}: {answer.status}")
    assert [] == wrong
