"""Unified limits, flat and by tree."""

from typing import Any

import msgspec
import pytest

from pileus.identity.config import Config
from pileus.ports.limits import Bound


async def world(cloud: Any, model: str = "flat") -> tuple[str, Any]:
    """A service with a default of ten servers."""
    cloud.config = msgspec.structs.replace(Config(), limit_model=model)
    await cloud.start()
    service = (await cloud.make("service", type="compute", name="nova"))["id"]
    body = {"registered_limits": [{"service_id": service, "resource_name": "servers", "default_limit": 10}]}
    made = await cloud.ask("POST", "/v3/registered_limits", body)
    assert 201 == made.status, made.body
    return service, made.body["registered_limits"][0]


async def limit(cloud: Any, service: str, much: int, **of: str) -> Any:
    body = {"service_id": service, "resource_name": "servers", "resource_limit": much, **of}
    return await cloud.ask("POST", "/v3/limits", {"limits": [body]})


async def test_a_projects_limit_goes_before_the_default(cloud: Any) -> None:
    service, registered = await world(cloud)
    project = (await cloud.make("project", name="p"))["id"]
    assert {"servers": Bound(10)} == await cloud.port.bounds(project, "compute")
    made = await limit(cloud, service, 3, project_id=project)
    assert (201, 3, None) == (made.status, *(made.body["limits"][0][name] for name in ("resource_limit", "domain_id")))
    assert {"servers": Bound(3)} == await cloud.port.bounds(project, "compute")
    assert {} == await cloud.port.bounds(project, "image")
    path = f"/v3/limits/{made.body['limits'][0]['id']}"
    changed = await cloud.ask("PATCH", path, {"limit": {"resource_limit": 4, "description": "d"}})
    assert (4, "d") == (changed.body["limit"]["resource_limit"], changed.body["limit"]["description"])
    assert 409 == (await limit(cloud, service, 5, project_id=project)).status
    of_registered = f"/v3/registered_limits/{registered['id']}"
    assert 403 == (await cloud.ask("DELETE", of_registered)).status
    assert 403 == (await cloud.ask("PATCH", of_registered, {"registered_limit": {"resource_name": "x"}})).status
    assert 200 == (await cloud.ask("PATCH", of_registered, {"registered_limit": {"default_limit": 20}})).status
    assert [204, 404] == [(await cloud.ask(how, path)).status for how in ("DELETE", "GET")]
    assert {"servers": Bound(20)} == await cloud.port.bounds(project, "compute")
    assert [204, 404] == [(await cloud.ask(how, of_registered)).status for how in ("DELETE", "GET")]


async def test_limits_of_nothing_are_refused_and_nothing_is_half_done(cloud: Any) -> None:
    service, _ = await world(cloud)
    project = (await cloud.make("project", name="p"))["id"]
    for body, status in (
        ({"service_id": "none", "resource_name": "servers", "project_id": project}, 400),
        ({"service_id": service, "resource_name": "servers", "project_id": "none"}, 400),
        ({"service_id": service, "resource_name": "ports", "project_id": project}, 403),
        ({"service_id": service, "resource_name": "servers"}, 400),
        ({"service_id": service, "resource_name": "servers", "project_id": project, "domain_id": "default"}, 400),
        ({"service_id": service, "resource_name": "servers", "project_id": project, "region_id": "none"}, 400),
    ):
        good = {"service_id": service, "resource_name": "servers", "resource_limit": 1, "domain_id": "default"}
        answer = await cloud.ask("POST", "/v3/limits", {"limits": [good, {**body, "resource_limit": 1}]})
        assert status == answer.status, answer.body
    assert [] == (await cloud.ask("GET", "/v3/limits")).body["limits"]
    twice = {"service_id": service, "resource_name": "servers", "default_limit": 1}
    assert 409 == (await cloud.ask("POST", "/v3/registered_limits", {"registered_limits": [twice]})).status
    assert 400 == (await limit(cloud, service, -2, project_id=project)).status


async def test_people_see_the_limits_of_their_own_project(cloud: Any) -> None:
    service, _ = await world(cloud)
    rita = await cloud.person("rita", "reader")
    own = (await cloud.port.caller(rita)).project_id
    other = (await cloud.make("project", name="p"))["id"]
    ids = [(await limit(cloud, service, 1, project_id=one)).body["limits"][0]["id"] for one in (own, other)]
    listed = (await cloud.ask("GET", "/v3/limits", None, rita)).body["limits"]
    assert [own] == [one["project_id"] for one in listed]
    assert [200, 403] == [(await cloud.ask("GET", f"/v3/limits/{id}", None, rita)).status for id in ids]
    assert 2 == len((await cloud.ask("GET", "/v3/limits")).body["limits"])
    model = (await cloud.ask("GET", "/v3/limits/model", None, rita)).body["model"]
    assert "flat" == model["name"]
    assert 1 == len((await cloud.ask("GET", "/v3/registered_limits", None, rita)).body["registered_limits"])


async def test_in_the_strict_model_no_project_is_above_its_domain(cloud: Any) -> None:
    service, _ = await world(cloud, "strict_two_level")
    domain = (await cloud.make("domain", name="d"))["id"]
    one, two = [(await cloud.make("project", name=name, domain_id=domain))["id"] for name in ("one", "two")]
    assert 403 == (await limit(cloud, service, 11, project_id=one)).status
    whole = await limit(cloud, service, 20, domain_id=domain)
    assert 201 == whole.status
    assert 201 == (await limit(cloud, service, 15, project_id=one)).status
    path = f"/v3/limits/{whole.body['limits'][0]['id']}"
    assert 403 == (await cloud.ask("PATCH", path, {"limit": {"resource_limit": 14}})).status
    bound = (await cloud.port.bounds(one, "compute"))["servers"]
    assert (15, 20, {domain, one, two}) == (bound.limit, bound.whole, set(bound.tree))
    assert bound.allows(10, 10, 5)
    assert not bound.allows(10, 16, 5)
    assert not bound.allows(12, 12, 5)


@pytest.mark.parametrize(("limit", "allowed"), [(5, False), (6, True), (-1, True)])
def test_a_bound_allows_what_fits(limit: int, allowed: bool) -> None:
    assert allowed is Bound(limit).allows(4, 4, 2)
