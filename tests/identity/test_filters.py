"""What projects see of the catalog, and which kept policy is an endpoint's."""

from typing import Any

EP = "/v3/OS-EP-FILTER"


async def world(cloud: Any) -> tuple[Any, str, str]:
    """The endpoints there are, and the administrator's project, and an endpoint group of public ones."""
    await cloud.start()
    endpoints = (await cloud.ask("GET", "/v3/endpoints")).body["endpoints"]
    body = {"endpoint_group": {"name": "g", "filters": {"interface": "public"}}}
    made = await cloud.ask("POST", f"{EP}/endpoint_groups", body)
    assert (201, "") == (made.status, made.body["endpoint_group"]["description"])
    return endpoints, cloud.account.project_id, made.body["endpoint_group"]["id"]


async def seen(cloud: Any) -> set[str]:
    catalog = (await cloud.ask("GET", "/v3/auth/catalog")).body["catalog"]
    return {endpoint["id"] for service in catalog for endpoint in service["endpoints"]}


async def test_a_project_sees_what_was_given_to_it_and_everything_when_nothing_was(cloud: Any) -> None:
    endpoints, project, group = await world(cloud)
    every = {one["id"] for one in endpoints}
    assert every == await seen(cloud)
    admin = next(one["id"] for one in endpoints if one["interface"] == "admin")
    given, given_group = (
        f"{EP}/projects/{project}/endpoints/{admin}",
        f"{EP}/endpoint_groups/{group}/projects/{project}",
    )
    assert 404 == (await cloud.ask("GET", given)).status
    assert 204 == (await cloud.ask("PUT", given)).status
    assert {admin} == await seen(cloud)
    assert 204 == (await cloud.ask("PUT", given_group)).status
    public = {one["id"] for one in endpoints if one["interface"] == "public"}
    assert {admin, *public} == await seen(cloud)
    listed = (await cloud.ask("GET", f"{EP}/projects/{project}/endpoints")).body["endpoints"]
    assert {admin, *public} == {one["id"] for one in listed}
    assert [204, 204] == [(await cloud.ask(how, given)).status for how in ("GET", "HEAD")]
    assert 200 == (await cloud.ask("HEAD", given_group)).status
    for path, key in (
        (f"{EP}/endpoints/{admin}/projects", "projects"),
        (f"{EP}/endpoint_groups/{group}/projects", "projects"),
        (f"{EP}/projects/{project}/endpoint_groups", "endpoint_groups"),
    ):
        wanted = group if key == "endpoint_groups" else project
        assert [wanted] == [one["id"] for one in (await cloud.ask("GET", path)).body[key]], path
    assert [204, 204] == [(await cloud.ask("DELETE", path)).status for path in (given, given_group)]
    assert [404, 404] == [(await cloud.ask("DELETE", path)).status for path in (given, given_group)]
    assert every == await seen(cloud)


async def test_endpoint_groups_change_and_refuse_filters_endpoints_do_not_have(cloud: Any) -> None:
    endpoints, _, group = await world(cloud)
    path = f"{EP}/endpoint_groups/{group}"
    changed = await cloud.ask("PATCH", path, {"endpoint_group": {"filters": {"interface": "internal"}, "name": "h"}})
    assert ("h", {"interface": "internal"}) == (
        changed.body["endpoint_group"]["name"], changed.body["endpoint_group"]["filters"],
    )  # fmt: skip
    inside = (await cloud.ask("GET", f"{path}/endpoints")).body["endpoints"]
    assert {one["id"] for one in endpoints if one["interface"] == "internal"} == {one["id"] for one in inside}
    assert 400 == (await cloud.ask("PATCH", path, {"endpoint_group": {"filters": {"colour": "red"}}})).status
    assert 1 == len((await cloud.ask("GET", f"{EP}/endpoint_groups?name=h")).body["endpoint_groups"])
    assert [204, 404] == [(await cloud.ask(how, path)).status for how in ("DELETE", "GET")]


async def test_the_nearest_policy_is_the_endpoints(cloud: Any) -> None:
    endpoints, _, _ = await world(cloud)
    await cloud.make("region", id="part", parent_region_id="RegionOne")
    endpoint = endpoints[0]
    await cloud.ask("PATCH", f"/v3/endpoints/{endpoint['id']}", {"endpoint": {"region_id": "part"}})
    policies = [
        (await cloud.ask("POST", "/v3/policies", {"policy": {"type": "x", "blob": str(number)}})).body["policy"]["id"]
        for number in range(3)
    ]
    places = (
        f"services/{endpoint['service_id']}",
        f"services/{endpoint['service_id']}/regions/RegionOne",
        f"endpoints/{endpoint['id']}",
    )
    answer = f"/v3/endpoints/{endpoint['id']}/OS-ENDPOINT-POLICY/policy"
    assert 404 == (await cloud.ask("GET", answer)).status
    for policy, place in zip(policies, places, strict=True):
        path = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/{place}"
        assert [404, 204, 204, 204] == [(await cloud.ask(how, path)).status for how in ("GET", "PUT", "GET", "HEAD")]
        assert policy == (await cloud.ask("GET", answer)).body["policy"]["id"]
    under = (await cloud.ask("GET", f"/v3/policies/{policies[2]}/OS-ENDPOINT-POLICY/endpoints")).body["endpoints"]
    assert [endpoint["id"]] == [one["id"] for one in under]
    path = f"/v3/policies/{policies[0]}/OS-ENDPOINT-POLICY/endpoints/{endpoint['id']}"
    assert 204 == (await cloud.ask("PUT", path)).status
    assert policies[0] == (await cloud.ask("GET", answer)).body["policy"]["id"]
    assert [204, 404] == [(await cloud.ask("DELETE", path)).status for _ in range(2)]
    assert policies[1] == (await cloud.ask("GET", answer)).body["policy"]["id"]
    assert 404 == (await cloud.ask("PUT", f"/v3/policies/{policies[0]}/OS-ENDPOINT-POLICY/endpoints/none")).status
