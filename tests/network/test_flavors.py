"""Flavors of routers, and the profiles they are provided by."""

from typing import Any

Open = Any
KIND = "L3_ROUTER_NAT"


async def test_routers_are_of_a_flavor_that_stays_while_they_are(net: Open) -> None:
    async with net() as n:
        flavor = await n.make("flavors", "root", name="edge", service_type=KIND)
        assert {"id": flavor["id"], "name": "edge", "description": "", "service_type": KIND, "enabled": True,
                "service_profiles": []} == flavor  # fmt: skip
        router = await n.make("routers", flavor_id=flavor["id"])
        assert flavor["id"] == (await n.get(f"routers/{router['id']}"))["flavor_id"]
        for answer in (
            await n.delete("flavors", flavor["id"], "root"),
            await n.put("flavors", flavor["id"], "root", name="x"),
        ):
            assert (409, "FlavorInUse") == (answer.status, answer.kind)
        await n.delete("routers", router["id"])
        off = await n.put("flavors", flavor["id"], "root", enabled=False)
        assert False is off.body["flavor"]["enabled"]
        refused = await n.post("routers", flavor_id=flavor["id"])
        assert (400, "FlavorDisabled") == (refused.status, refused.kind)
        assert 204 == (await n.delete("flavors", flavor["id"], "root")).status
        assert (404, "FlavorNotFound") == ((gone := await n.post("routers", flavor_id=flavor["id"])).status, gone.kind)


async def test_profiles_are_added_to_flavors_and_taken_off(net: Open) -> None:
    async with net() as n:
        flavor = (await n.make("flavors", "root", service_type=KIND))["id"]
        made = await n.ask("POST", "/v2.0/service_profiles", {"service_profile": {"metainfo": "{}"}}, "root")
        profile = made.body["service_profile"]["id"]
        place = f"/v2.0/flavors/{flavor}/service_profiles"
        body = {"service_profile": {"id": profile}}
        assert 201 == (await n.ask("POST", place, body, "root")).status
        assert 409 == (await n.ask("POST", place, body, "root")).status
        assert [profile] == (await n.get(f"flavors/{flavor}"))["service_profiles"]
        used = await n.ask("DELETE", f"/v2.0/service_profiles/{profile}", who="root")
        assert (409, "ServiceProfileInUse") == (used.status, used.kind)
        assert 204 == (await n.ask("DELETE", f"{place}/{profile}", who="root")).status
        assert 404 == (await n.ask("DELETE", f"{place}/{profile}", who="root")).status
        change = {"service_profile": {"driver": "ovn", "enabled": False}}
        changed = await n.ask("PUT", f"/v2.0/service_profiles/{profile}", change, "root")
        assert ("ovn", False) == tuple(changed.body["service_profile"][name] for name in ("driver", "enabled"))
        assert [profile] == [each["id"] for each in await n.get("service_profiles?driver=ovn", "root")]
        assert 204 == (await n.ask("DELETE", f"/v2.0/service_profiles/{profile}", who="root")).status


async def test_what_nobody_provides_is_refused(net: Open) -> None:
    async with net() as n:
        assert 400 == (await n.post("flavors", "root", service_type="VPN")).status
        assert 403 == (await n.post("flavors", "mona", service_type=KIND)).status
        for profile, status in (({}, 400), ({"driver": "somebody.else"}, 404)):
            assert (
                status == (await n.ask("POST", "/v2.0/service_profiles", {"service_profile": profile}, "root")).status
            )
        made = await n.ask("POST", "/v2.0/service_profiles", {"service_profile": {"driver": "ovn"}}, "root")
        place = f"/v2.0/service_profiles/{made.body['service_profile']['id']}"
        assert 403 == (await n.ask("GET", place, who="mona")).status
        assert [] == await n.get("service_profiles", "mona")
