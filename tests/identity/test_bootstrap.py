"""The first rows of a cloud, made at every start."""

from typing import Any

from pileus.identity.manifest import ServiceEntry, bootstrap, make_demo


async def urls(cloud: Any) -> dict[str, str]:
    found = (await cloud.ask("GET", "/v3/endpoints?interface=public")).body["endpoints"]
    services = {one["id"]: one["type"] for one in (await cloud.ask("GET", "/v3/services")).body["services"]}
    return {services[one["service_id"]]: one["url"] for one in found}


async def test_a_second_start_changes_nothing(cloud: Any) -> None:
    await cloud.start()
    before = [
        (await cloud.ask("GET", f"/v3/{kind}")).body for kind in ("users", "roles", "endpoints", "role_assignments")
    ]
    again = await bootstrap(cloud.app, admin_password="another", public_url="http://cloud:1", services=SERVICES)
    assert cloud.account == again
    after = [
        (await cloud.ask("GET", f"/v3/{kind}")).body for kind in ("users", "roles", "endpoints", "role_assignments")
    ]
    assert before == after
    await cloud.login("admin")


async def test_endpoints_follow_where_the_cloud_listens_unless_someone_moved_them(cloud: Any) -> None:
    await cloud.start()
    found = (await cloud.ask("GET", "/v3/endpoints?interface=public")).body["endpoints"]
    (swift,) = [one["id"] for one in found if "object-store" in one["url"]]
    await cloud.ask("PATCH", f"/v3/endpoints/{swift}", {"endpoint": {"url": "http://elsewhere/"}})
    await bootstrap(cloud.app, admin_password="x", public_url="https://new:2/", services=SERVICES)
    assert "https://new:2/identity/v3" == (await urls(cloud))["identity"]
    assert "https://new:2/identity/v3" == await cloud.port.endpoint("identity")
    assert 6 == len((await cloud.ask("GET", "/v3/endpoints")).body["endpoints"])
    assert "http://elsewhere/" == (await urls(cloud))["object-store"]


async def test_what_is_served_no_more_leaves_the_catalog(cloud: Any) -> None:
    await cloud.start()
    await bootstrap(cloud.app, admin_password="x", public_url="http://cloud:1", services=SERVICES[:1])
    assert {"identity"} == (await urls(cloud)).keys()
    assert 1 == len((await cloud.ask("GET", "/v3/services")).body["services"])
    await bootstrap(cloud.app, admin_password="x", public_url="http://cloud:1", services=SERVICES)
    assert {"identity", "object-store"} == (await urls(cloud)).keys()


async def test_the_demo_account_is_a_member_of_its_project(cloud: Any) -> None:
    await cloud.start()
    account = await make_demo(cloud.app, "demo")
    assert account == await make_demo(cloud.app, "other")
    caller = await cloud.port.caller(await cloud.login("demo", "demo"))
    assert (account.project_id, "demo", frozenset({"member", "reader"})) == (
        caller.project_id,
        caller.project_name,
        caller.roles,
    )
    assert "demo" == await cloud.port.project_name(account.project_id)
    assert await cloud.port.project("none") is None


SERVICES = (
    ServiceEntry.at("identity", "keystone", "Identity", "/identity/v3"),
    ServiceEntry.at("object-store", "swift", "Objects", "/object-store/v1/AUTH_%(project_id)s"),
)
