"""Placement through its API, at the microversions where something changed."""

import pytest
from tests.placement.harness import Service, run

P1, P2, C1, C2 = (f"{n}0000000-0000-0000-0000-000000000000" for n in "1234")
AGGREGATE = "a0000000-0000-0000-0000-000000000000"


async def provider(cloud: Service, id: str = P1, name: str = "h1", **inventories: int) -> None:
    assert 200 == (await cloud.ask("POST", "/resource_providers", {"uuid": id, "name": name}))[0]
    body = {
        "resource_provider_generation": 0,
        "inventories": {name: {"total": total} for name, total in (inventories or {"VCPU": 4}).items()},
    }
    assert 200 == (await cloud.ask("PUT", f"/resource_providers/{id}/inventories", body))[0]


def holding(generation: int | None = None, amount: int = 1, at: str = P1) -> dict[str, object]:
    return {
        "allocations": {at: {"resources": {"VCPU": amount}}},
        "project_id": "p1",
        "user_id": "u1",
        "consumer_generation": generation,
        "consumer_type": "INSTANCE",
    }


def test_the_root_lists_the_one_version_to_anybody() -> None:
    async def test(cloud: Service) -> None:
        status, body, headers = await cloud.ask("GET", "/", token=None)
        assert 200 == status
        assert {
            "id": "v1.0",
            "min_version": "1.0",
            "max_version": "1.39",
            "status": "CURRENT",
            "links": [{"rel": "self", "href": ""}],
        } == body["versions"][0]
        assert "no-cache" == headers["cache-control"]

    run(test)


def test_a_new_provider_is_told_of_in_the_way_of_the_version() -> None:
    async def test(cloud: Service) -> None:
        status, body, headers = await cloud.ask("POST", "/resource_providers", {"uuid": P1, "name": "h1"}, at="1.19")
        assert (201, b"") == (status, body)
        assert headers["location"].endswith(f"/placement/resource_providers/{P1}")
        status, body, _ = await cloud.ask(
            "POST", "/resource_providers", {"uuid": P2, "name": "h2", "parent_provider_uuid": P1}
        )
        assert (200, P1, P1) == (status, body["parent_provider_uuid"], body["root_provider_uuid"])
        _, body, _ = await cloud.ask("GET", f"/resource_providers/{P1}", at="1.0")
        assert {"uuid", "name", "generation", "links"} == set(body)
        assert ["self", "inventories", "usages"] == [link["rel"] for link in body["links"]]

    run(test)


def test_names_and_ids_are_taken_once() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        status, body, _ = await cloud.ask("POST", "/resource_providers", {"name": "h1"})
        assert (409, "placement.duplicate_name") == (status, body["errors"][0]["code"])
        assert 409 == (await cloud.ask("POST", "/resource_providers", {"name": "x", "uuid": P1}))[0]
        assert 404 == (await cloud.ask("GET", f"/resource_providers/{P2}"))[0]

    run(test)


def test_providers_move_only_where_the_version_lets_them() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        await provider(cloud, P2, "h2")
        here = f"/resource_providers/{P2}"
        body = {"name": "h2", "parent_provider_uuid": P1}
        assert P1 == (await cloud.ask("PUT", here, body, at="1.14"))[1]["root_provider_uuid"]
        assert 409 == (await cloud.ask("DELETE", f"/resource_providers/{P1}"))[0]
        apart = {"name": "h2", "parent_provider_uuid": None}
        assert 400 == (await cloud.ask("PUT", here, apart, at="1.36"))[0]
        loop = {"name": "h1", "parent_provider_uuid": P2}
        assert 400 == (await cloud.ask("PUT", f"/resource_providers/{P1}", loop))[0]
        assert P2 == (await cloud.ask("PUT", here, apart))[1]["root_provider_uuid"]
        assert 204 == (await cloud.ask("DELETE", f"/resource_providers/{P1}"))[0]

    run(test)


def test_inventories_follow_the_generation() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        here = f"/resource_providers/{P1}/inventories"
        stale = {"resource_provider_generation": 0, "inventories": {}}
        status, body, _ = await cloud.ask("PUT", here, stale)
        assert (409, "placement.concurrent_update") == (status, body["errors"][0]["code"])
        status, body, _ = await cloud.ask("POST", here, {"resource_class": "MEMORY_MB", "total": 9})
        assert (201, 2) == (status, body["resource_provider_generation"])
        _, body, _ = await cloud.ask("GET", f"{here}/VCPU")
        assert {
            "total": 4,
            "reserved": 0,
            "min_unit": 1,
            "max_unit": 2147483647,
            "step_size": 1,
            "allocation_ratio": 1.0,
            "resource_provider_generation": 2,
        } == body
        assert 200 == (await cloud.ask("PUT", f"{here}/VCPU", {"total": 8, "resource_provider_generation": 2}))[0]
        assert 204 == (await cloud.ask("DELETE", f"{here}/MEMORY_MB"))[0]
        assert 404 == (await cloud.ask("DELETE", f"{here}/MEMORY_MB"))[0]
        assert ["VCPU"] == list((await cloud.ask("GET", here))[1]["inventories"])

    run(test)


def test_impossible_inventories_are_refused() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        here = f"/resource_providers/{P1}/inventories"
        for body in (
            {"resource_class": "NO_SUCH", "total": 1},
            {"resource_class": "MEMORY_MB", "total": 1, "reserved": 2},
            {"resource_class": "MEMORY_MB", "total": 0},
            {"resource_class": "MEMORY_MB"},
        ):
            assert 400 == (await cloud.ask("POST", here, body))[0]
        full = {"resource_class": "MEMORY_MB", "total": 1, "reserved": 1}
        assert 400 == (await cloud.ask("POST", here, full, at="1.25"))[0]
        assert 201 == (await cloud.ask("POST", here, full, at="1.26"))[0]

    run(test)


@pytest.mark.parametrize(
    ("at", "body"),
    [
        ("1.0", {"allocations": [{"resource_provider": {"uuid": P1}, "resources": {"VCPU": 2}}]}),
        (
            "1.8",
            {
                "allocations": [{"resource_provider": {"uuid": P1}, "resources": {"VCPU": 2}}],
                "project_id": "p1",
                "user_id": "u1",
            },
        ),
        ("1.12", {"allocations": {P1: {"resources": {"VCPU": 2}}}, "project_id": "p1", "user_id": "u1"}),
        ("1.39", holding(amount=2)),
    ],
)
def test_allocations_are_written_in_each_versions_shape(at: str, body: dict[str, object]) -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", body, at=at))[0]
        _, shown, _ = await cloud.ask("GET", f"/allocations/{C1}", at="1.0")
        assert {"allocations": {P1: {"generation": 2, "resources": {"VCPU": 2}}}} == shown
        _, shown, _ = await cloud.ask("GET", f"/resource_providers/{P1}/usages")
        assert {"resource_provider_generation": 2, "usages": {"VCPU": 2}} == shown
        assert 400 == (await cloud.ask("PUT", f"/allocations/{C2}", {}, at=at))[0]

    run(test)


def test_a_consumers_generation_is_checked() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        here = f"/allocations/{C1}"
        assert 409 == (await cloud.ask("PUT", here, holding(1)))[0]
        assert 204 == (await cloud.ask("PUT", here, holding(None)))[0]
        status, body, _ = await cloud.ask("PUT", here, holding(None))
        assert (409, "placement.concurrent_update") == (status, body["errors"][0]["code"])
        _, body, _ = await cloud.ask("GET", here)
        assert (1, "INSTANCE", "p1") == (body["consumer_generation"], body["consumer_type"], body["project_id"])
        assert 204 == (await cloud.ask("PUT", here, {**holding(1), "allocations": {}}))[0]
        assert {"allocations": {}} == (await cloud.ask("GET", here))[1]
        assert 404 == (await cloud.ask("DELETE", here))[0]

    run(test)


def test_nobody_gets_more_than_there_is() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", holding(amount=3)))[0]
        status, body, _ = await cloud.ask("PUT", f"/allocations/{C2}", holding(amount=2))
        assert 409 == status
        assert "VCPU" in body["errors"][0]["detail"]
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", holding(1, amount=4)))[0]
        _, body, _ = await cloud.ask("GET", f"/resource_providers/{P1}/allocations")
        assert {C1: {"resources": {"VCPU": 4}, "consumer_generation": 2, "consumer_type": "INSTANCE"}} == body[
            "allocations"
        ]
        inventories = {"resource_provider_generation": 3, "inventories": {}}
        status, body, _ = await cloud.ask("PUT", f"/resource_providers/{P1}/inventories", inventories)
        assert (409, "placement.inventory.inuse") == (status, body["errors"][0]["code"])
        assert 409 == (await cloud.ask("DELETE", f"/resource_providers/{P1}"))[0]

    run(test)


def test_consumers_exchange_places_in_one_request() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        await provider(cloud, P2, "h2")
        swap = {C1: holding(amount=4), C2: holding(amount=4, at=P2)}
        assert 204 == (await cloud.ask("POST", "/allocations", swap))[0]
        back = {C1: holding(1, amount=4, at=P2), C2: holding(1, amount=4)}
        assert 204 == (await cloud.ask("POST", "/allocations", back))[0]
        assert [P2] == list((await cloud.ask("GET", f"/allocations/{C1}"))[1]["allocations"])
        half = {C1: holding(2, amount=1, at=P2), C2: holding(2, amount=9)}
        assert 409 == (await cloud.ask("POST", "/allocations", half))[0]
        assert 4 == (await cloud.ask("GET", f"/allocations/{C1}"))[1]["allocations"][P2]["resources"]["VCPU"]

    run(test)


def test_classes_and_traits_are_made_and_kept_while_used() -> None:
    async def test(cloud: Service) -> None:
        assert 201 == (await cloud.ask("PUT", "/resource_classes/CUSTOM_GOLD"))[0]
        assert 204 == (await cloud.ask("PUT", "/resource_classes/CUSTOM_GOLD"))[0]
        assert 400 == (await cloud.ask("PUT", "/resource_classes/GOLD"))[0]
        assert 409 == (await cloud.ask("POST", "/resource_classes", {"name": "CUSTOM_GOLD"}))[0]
        await provider(cloud, CUSTOM_GOLD=3)
        assert 409 == (await cloud.ask("DELETE", "/resource_classes/CUSTOM_GOLD"))[0]
        assert 400 == (await cloud.ask("DELETE", "/resource_classes/VCPU"))[0]
        names = [one["name"] for one in (await cloud.ask("GET", "/resource_classes"))[1]["resource_classes"]]
        assert "VCPU" == names[0]
        assert "CUSTOM_GOLD" == names[-1]

        assert 201 == (await cloud.ask("PUT", "/traits/CUSTOM_FAST"))[0]
        assert 204 == (await cloud.ask("GET", "/traits/CUSTOM_FAST"))[0]
        here = f"/resource_providers/{P1}/traits"
        body = {"resource_provider_generation": 1, "traits": ["CUSTOM_FAST", "HW_CPU_X86_AVX"]}
        assert ["CUSTOM_FAST", "HW_CPU_X86_AVX"] == (await cloud.ask("PUT", here, body))[1]["traits"]
        assert 409 == (await cloud.ask("PUT", here, body))[0]
        assert 409 == (await cloud.ask("DELETE", "/traits/CUSTOM_FAST"))[0]
        assert ["CUSTOM_FAST"] == (await cloud.ask("GET", "/traits?name=startswith:CUSTOM_&associated=true"))[1][
            "traits"
        ]
        assert 204 == (await cloud.ask("DELETE", here))[0]
        assert 204 == (await cloud.ask("DELETE", "/traits/CUSTOM_FAST"))[0]
        assert 404 == (await cloud.ask("GET", "/traits/CUSTOM_FAST"))[0]
        assert 400 == (await cloud.ask("DELETE", "/traits/HW_CPU_X86_AVX"))[0]

    run(test)


def test_aggregates_are_spelled_in_both_ways() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        here = f"/resource_providers/{P1}/aggregates"
        assert {"aggregates": [AGGREGATE]} == (await cloud.ask("PUT", here, [AGGREGATE], at="1.18"))[1]
        body = {"aggregates": [], "resource_provider_generation": 0}
        assert 409 == (await cloud.ask("PUT", here, body))[0]
        assert {"aggregates": [AGGREGATE], "resource_provider_generation": 2} == (await cloud.ask("GET", here))[1]

    run(test)


def test_providers_are_found_by_what_they_have() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        await provider(cloud, P2, "h2", VCPU=1)
        await cloud.ask("PUT", f"/resource_providers/{P2}/aggregates", [AGGREGATE], at="1.18")
        traits = {"resource_provider_generation": 1, "traits": ["HW_CPU_X86_AVX"]}
        await cloud.ask("PUT", f"/resource_providers/{P1}/traits", traits)

        async def names(query: str, at: str = "1.39") -> list[str]:
            status, body, _ = await cloud.ask("GET", f"/resource_providers?{query}", at=at)
            assert 200 == status, body
            return [one["name"] for one in body["resource_providers"]]

        assert ["h1", "h2"] == await names("")
        assert ["h1"] == await names("resources=VCPU:2")
        assert ["h2"] == await names(f"member_of=in:{AGGREGATE}")
        assert ["h1"] == await names(f"member_of=!{AGGREGATE}")
        assert ["h1"] == await names("required=HW_CPU_X86_AVX")
        assert ["h2"] == await names("required=!HW_CPU_X86_AVX")
        assert ["h1"] == await names("required=in:HW_CPU_X86_AVX,HW_CPU_X86_AVX2")
        assert ["h2"] == await names("name=h2")
        assert ["h1"] == await names(f"in_tree={P1}")
        for query in ("required=!HW_CPU_X86_AVX&x=1", "resources=VCPU", "resources=NO:1", "required=NO", "uuid=x"):
            assert 400 == (await cloud.ask("GET", f"/resource_providers?{query}"))[0]
        assert 400 == (await cloud.ask("GET", "/resource_providers?required=HW_CPU_X86_AVX", at="1.17"))[0]
        assert 400 == (await cloud.ask("GET", "/resource_providers?required=!HW_CPU_X86_AVX", at="1.21"))[0]

    run(test)


def test_candidates_come_in_each_versions_shape() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud, VCPU=4, MEMORY_MB=8)
        _, body, _ = await cloud.ask("GET", "/allocation_candidates?resources=VCPU:1", at="1.10")
        assert [{"allocations": [{"resource_provider": {"uuid": P1}, "resources": {"VCPU": 1}}]}] == body[
            "allocation_requests"
        ]
        assert {P1: {"resources": {"VCPU": {"capacity": 4, "used": 0}}}} == body["provider_summaries"]
        _, body, _ = await cloud.ask("GET", "/allocation_candidates?resources1=VCPU:1&resources=MEMORY_MB:2&limit=9")
        assert [
            {
                "allocations": {P1: {"resources": {"MEMORY_MB": 2, "VCPU": 1}}},
                "mappings": {"": [P1], "1": [P1]},
            }
        ] == body["allocation_requests"]
        assert {"resources", "traits", "parent_provider_uuid", "root_provider_uuid"} == set(
            body["provider_summaries"][P1]
        )
        for query in ("", "resources=X", "resources1=VCPU:1&resources2=VCPU:1", "resources=VCPU:1&limit=0", "x=1"):
            assert 400 == (await cloud.ask("GET", f"/allocation_candidates?{query}"))[0]

    run(test)


def test_usages_of_a_project_are_told_to_its_readers() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        await cloud.ask("PUT", f"/allocations/{C1}", holding(amount=2))
        here = "/usages?project_id=p1"
        assert {"usages": {"VCPU": 2}} == (await cloud.ask("GET", here, at="1.9", token="alice"))[1]
        assert {"usages": {"INSTANCE": {"consumer_count": 1, "VCPU": 2}}} == (await cloud.ask("GET", here))[1]
        assert {"usages": {"all": {"consumer_count": 1, "VCPU": 2}}} == (
            await cloud.ask("GET", f"{here}&consumer_type=all")
        )[1]
        assert 403 == (await cloud.ask("GET", "/usages?project_id=p2", token="alice"))[0]
        assert 403 == (await cloud.ask("GET", here, token="nobody"))[0]
        assert 400 == (await cloud.ask("GET", "/usages"))[0]

    run(test)


def test_reshaping_moves_inventories_with_their_claims() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud, VCPU=4)
        child = {"uuid": P2, "name": "numa0", "parent_provider_uuid": P1}
        assert 200 == (await cloud.ask("POST", "/resource_providers", child))[0]
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", holding(amount=4)))[0]
        body = {
            "inventories": {
                P1: {"resource_provider_generation": 2, "inventories": {"MEMORY_MB": {"total": 8}}},
                P2: {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4}}},
            },
            "allocations": {C1: holding(1, amount=4, at=P2)},
        }
        assert 403 == (await cloud.ask("POST", "/reshaper", body, token="root"))[0]
        stuck = {**body, "allocations": {}}
        assert 409 == (await cloud.ask("POST", "/reshaper", stuck, token="service"))[0]
        assert 204 == (await cloud.ask("POST", "/reshaper", body, token="service"))[0]
        assert ["MEMORY_MB"] == list(
            (await cloud.ask("GET", f"/resource_providers/{P1}/inventories"))[1]["inventories"]
        )
        assert {"VCPU": 4} == (await cloud.ask("GET", f"/resource_providers/{P2}/usages"))[1]["usages"]
        assert [P2] == list((await cloud.ask("GET", f"/allocations/{C1}"))[1]["allocations"])
        assert 409 == (await cloud.ask("POST", "/reshaper", body, token="service"))[0]

    run(test)
