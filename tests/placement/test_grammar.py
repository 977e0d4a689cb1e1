"""How placement reads what it is asked, to the letter: media types, spellings, repetitions, codes of errors."""

from tests.placement.harness import Service, run
from tests.placement.test_api import AGGREGATE, C1, C2, P1, P2, holding, provider

BAD, MISSING, TWICE = (f"placement.query.{name}" for name in ("bad_value", "missing_value", "duplicate_key"))
PLAIN = "placement.undefined_code"

# Microversion, query of allocation candidates, status, and the code of the error where codes exist (1.23).
QUESTIONS = [
    ("1.9", "resources=VCPU:1", 404, None),
    ("1.10", "resources=VCPU:1", 200, None),
    ("1.10", "", 400, None),
    ("1.35", "", 400, PLAIN),
    ("1.36", "", 400, MISSING),
    ("1.39", "resources=", 400, PLAIN),
    ("1.39", "resources=VCPU", 400, PLAIN),
    ("1.39", "resources=VCPU:", 400, PLAIN),
    ("1.39", "resources=VCPU:0", 400, PLAIN),
    ("1.39", "resources=VCPU:-1", 400, PLAIN),
    ("1.39", "resources=VCPU:1.0", 400, PLAIN),
    ("1.39", "resources=VCPU:1:1", 400, PLAIN),
    ("1.39", "resources=VCPU:1,", 400, PLAIN),
    ("1.39", "resources=NOT_A_CLASS:1", 400, PLAIN),
    ("1.39", "resources=VCPU:%201%20", 200, None),
    ("1.39", "resources=VCPU:1,VCPU:2", 200, None),
    ("1.39", "resources=VCPU:1&resources=VCPU:2", 200, None),
    ("1.39", "resources=VCPU:1&nonsense=1", 400, PLAIN),
    ("1.15", "resources=VCPU:1&limit=1", 400, None),
    ("1.16", "resources=VCPU:1&limit=1", 200, None),
    ("1.16", "resources=VCPU:1&limit=2&limit=1", 200, None),
    ("1.39", "resources=VCPU:1&limit=0", 400, PLAIN),
    ("1.39", "resources=VCPU:1&limit=-1", 400, PLAIN),
    ("1.39", "resources=VCPU:1&limit=x", 400, PLAIN),
    ("1.39", "resources=VCPU:1&limit=", 400, PLAIN),
    ("1.16", "resources=VCPU:1&required=HW_CPU_X86_AVX", 400, None),
    ("1.17", "resources=VCPU:1&required=HW_CPU_X86_AVX", 200, None),
    ("1.17", "resources=VCPU:1&required=%20HW_CPU_X86_AVX%20", 200, None),
    ("1.17", "resources=VCPU:1&required=NO_SUCH_TRAIT", 400, None),
    ("1.21", "resources=VCPU:1&required=!HW_CPU_X86_AVX", 400, None),
    ("1.22", "resources=VCPU:1&required=!HW_CPU_X86_AVX", 200, None),
    ("1.39", "resources=VCPU:1&required=", 400, PLAIN),
    ("1.39", "resources=VCPU:1&required=!", 400, PLAIN),
    ("1.39", "resources=VCPU:1&required=HW_CPU_X86_AVX,,HW_CPU_X86_AVX2", 400, PLAIN),
    ("1.39", "resources=VCPU:1&required=HW_CPU_X86_AVX,!HW_CPU_X86_AVX", 400, PLAIN),
    ("1.38", "resources=VCPU:1&required=HW_CPU_X86_AVX&required=HW_CPU_X86_AVX2", 200, None),
    ("1.38", "resources=VCPU:1&required=in:HW_CPU_X86_AVX,HW_CPU_X86_AVX2", 400, PLAIN),
    ("1.39", "resources=VCPU:1&required=in:HW_CPU_X86_AVX,HW_CPU_X86_AVX2", 200, None),
    ("1.39", "resources=VCPU:1&required=in:HW_CPU_X86_AVX,!HW_CPU_X86_AVX2", 400, PLAIN),
    ("1.39", "resources=VCPU:1&required=in:", 400, PLAIN),
    ("1.39", "resources=VCPU:1&required=in:HW_CPU_X86_AVX&required=!HW_CPU_X86_AVX", 400, PLAIN),
    ("1.39", "required=HW_CPU_X86_AVX", 400, MISSING),
    ("1.20", f"resources=VCPU:1&member_of={AGGREGATE}", 400, None),
    ("1.21", f"resources=VCPU:1&member_of={AGGREGATE}", 200, None),
    ("1.23", f"resources=VCPU:1&member_of={AGGREGATE}&member_of={AGGREGATE}", 400, PLAIN),
    ("1.24", f"resources=VCPU:1&member_of={AGGREGATE}&member_of={AGGREGATE}", 200, None),
    ("1.31", f"resources=VCPU:1&member_of=!{AGGREGATE}", 400, PLAIN),
    ("1.32", f"resources=VCPU:1&member_of=!{AGGREGATE}", 200, None),
    ("1.32", f"resources=VCPU:1&member_of=!in:{AGGREGATE},{C1}", 200, None),
    ("1.32", f"resources=VCPU:1&member_of=in:{AGGREGATE},!{C1}", 400, PLAIN),
    ("1.39", f"resources=VCPU:1&member_of={AGGREGATE},{C1}", 400, PLAIN),
    ("1.39", "resources=VCPU:1&member_of=in:", 400, PLAIN),
    ("1.39", "resources=VCPU:1&member_of=nobody", 400, PLAIN),
    ("1.24", "resources1=VCPU:1", 400, PLAIN),
    ("1.25", "resources1=VCPU:1", 200, None),
    ("1.25", "resources01=VCPU:1", 400, PLAIN),
    ("1.32", "resources_A=VCPU:1", 400, PLAIN),
    ("1.33", "resources_A=VCPU:1", 200, None),
    ("1.33", f"resources{'A' * 64}=VCPU:1", 200, None),
    ("1.33", f"resources{'A' * 65}=VCPU:1", 400, PLAIN),
    ("1.33", "resources1@=VCPU:1", 400, PLAIN),
    ("1.25", "resources1=VCPU:1&resources2=VCPU:1", 400, PLAIN),
    ("1.25", "resources1=VCPU:1&resources2=VCPU:1&group_policy=none", 200, None),
    ("1.25", "resources1=VCPU:1&resources2=VCPU:1&group_policy=isolate&group_policy=none", 200, None),
    ("1.25", "resources1=VCPU:1&group_policy=both", 400, PLAIN),
    ("1.24", "resources=VCPU:1&group_policy=none", 400, PLAIN),
    ("1.25", "resources=VCPU:1&required1=HW_CPU_X86_AVX", 400, PLAIN),
    ("1.36", "resources=VCPU:1&required1=HW_CPU_X86_AVX", 400, BAD),
    ("1.30", f"resources=VCPU:1&in_tree={P1}", 400, PLAIN),
    ("1.31", f"resources=VCPU:1&in_tree={P1}", 200, None),
    ("1.31", f"resources=VCPU:1&in_tree={C2}", 200, None),
    ("1.31", "resources=VCPU:1&in_tree=here", 400, PLAIN),
    ("1.34", "resources=VCPU:1&root_required=HW_CPU_X86_AVX", 400, PLAIN),
    ("1.35", "resources=VCPU:1&root_required=HW_CPU_X86_AVX,!HW_CPU_X86_AVX2", 200, None),
    ("1.35", "resources=VCPU:1&root_required=HW_CPU_X86_AVX&root_required=HW_CPU_X86_AVX", 400, TWICE),
    ("1.35", "resources=VCPU:1&root_required=HW_CPU_X86_AVX,!HW_CPU_X86_AVX", 400, BAD),
    ("1.35", "resources=VCPU:1&root_required=NO_SUCH_TRAIT", 400, PLAIN),
    ("1.39", "resources=VCPU:1&root_required=in:HW_CPU_X86_AVX", 400, PLAIN),
    ("1.35", "resources1=VCPU:1&same_subtree=1", 400, PLAIN),
    ("1.36", "resources1=VCPU:1&same_subtree=1", 200, None),
    ("1.36", "resources1=VCPU:1&same_subtree=1,2", 400, BAD),
    ("1.36", "resources1=VCPU:1&same_subtree=", 400, BAD),
    ("1.36", "resources1=VCPU:1&required2=HW_CPU_X86_AVX&same_subtree=1,%202&group_policy=none", 200, None),
    ("1.36", "required2=HW_CPU_X86_AVX&same_subtree=2", 400, MISSING),
]


def test_questions_for_candidates_are_read_to_the_letter() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        for at, query, status, code in QUESTIONS:
            seen, body, _ = await cloud.ask("GET", f"/allocation_candidates?{query}", at=at)
            told = body["errors"][0].get("code") if seen >= 400 else None
            assert (status, code) == (seen, told), (at, query, body)

    run(test)


def test_of_what_is_given_twice_the_last_counts_and_the_first_of_what_is_about_all() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        await provider(cloud, P2, "h2")

        async def found(query: str, at: str) -> int:
            return len((await cloud.ask("GET", f"/allocation_candidates?{query}", at=at))[1]["allocation_requests"])

        assert 0 == await found("resources=VCPU:1&resources=VCPU:9", "1.39")
        assert 2 == await found("resources=VCPU:9,VCPU:1", "1.39")
        assert 1 == await found("resources=VCPU:1&limit=1&limit=2", "1.16")
        groups = "resources1=VCPU:1&resources2=VCPU:1"
        assert 0 == await found(f"{groups}&group_policy=isolate&group_policy=none", "1.25")
        assert 2 == await found("resources=VCPU:1&required=HW_CPU_X86_AVX&required=!HW_CPU_X86_AVX2", "1.38")
        assert 0 == await found("resources=VCPU:1&required=HW_CPU_X86_AVX&required=!HW_CPU_X86_AVX2", "1.39")

    run(test)


def test_bodies_are_json_and_say_so() -> None:
    async def test(cloud: Service) -> None:
        body = b'{"name": "h1"}'
        for given in ("text/plain", "application/x-www-form-urlencoded"):
            headers = {"content-type": given}
            assert 415 == (await cloud.ask("POST", "/resource_providers", body, headers=headers))[0]
        # Before it is looked whether there is such a provider; but who may not ask learns only that.
        assert 415 == (await cloud.ask("PUT", f"/resource_providers/{P1}", b""))[0]
        assert 403 == (await cloud.ask("PUT", f"/resource_providers/{P1}", b"", token="alice"))[0]
        good = {"content-type": "application/json; charset=utf-8"}
        assert 200 == (await cloud.ask("POST", "/resource_providers", body, headers=good))[0]

    run(test)


def test_who_takes_no_json_gets_none() -> None:
    async def test(cloud: Service) -> None:
        for accept, status in (
            ("text/plain", 406),
            ("application/json;q=0, text/html", 406),
            ("text/html, */*;q=0.1", 200),
            ("application/*", 200),
            ("application/json", 200),
        ):
            assert status == (await cloud.ask("GET", "/resource_providers", headers={"accept": accept}))[0], accept

    run(test)


def test_a_version_there_is_not_is_refused_with_those_there_are() -> None:
    async def test(cloud: Service) -> None:
        status, body, _ = await cloud.ask("GET", "/resource_providers", at="1.40")
        assert (406, "1.0", "1.39") == (status, body["errors"][0]["min_version"], body["errors"][0]["max_version"])
        status, body, headers = await cloud.ask("GET", "/nothing", at="1.23")
        assert (404, "placement 1.23", PLAIN) == (status, headers["openstack-api-version"], body["errors"][0]["code"])
        status, body, _ = await cloud.ask("GET", "/reshaper", at="1.30")
        assert (405, PLAIN) == (status, body["errors"][0]["code"])
        assert 405 == (await cloud.ask("DELETE", f"/resource_providers/{P1}/inventories", at="1.4"))[0]

    run(test)


def test_a_uuid_without_dashes_is_the_same_one() -> None:
    async def test(cloud: Service) -> None:
        short = {"uuid": P1.replace("-", ""), "name": "h1"}
        _, body, _ = await cloud.ask("POST", "/resource_providers", short)
        assert P1 == body["uuid"]
        again = {"uuid": P1.replace("-", "").upper(), "name": "h2"}
        assert 409 == (await cloud.ask("POST", "/resource_providers", again))[0]
        child = {"uuid": P2, "name": "h2", "parent_provider_uuid": P1.replace("-", "")}
        assert P1 == (await cloud.ask("POST", "/resource_providers", child))[1]["parent_provider_uuid"]
        body = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4}}}
        await cloud.ask("PUT", f"/resource_providers/{P1}/inventories", body)
        held = holding(at=P1.replace("-", ""))
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1.replace('-', '')}", held))[0]
        assert [P1] == list((await cloud.ask("GET", f"/allocations/{C1}"))[1]["allocations"])

    run(test)


def test_what_cannot_be_said_twice_or_emptily() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        body = {"aggregates": [AGGREGATE, AGGREGATE], "resource_provider_generation": 1}
        assert 400 == (await cloud.ask("PUT", f"/resource_providers/{P1}/aggregates", body))[0]
        for query in (
            "project_id=",
            "project_id=p1&user_id=",
            f"project_id={'p' * 256}",
            "project_id=p1&consumer_type=x",
        ):
            assert 400 == (await cloud.ask("GET", f"/usages?{query}"))[0], query
        wrong: list[dict[str, object]] = [{}, {"_A": []}, {"_A": ["here"]}, {"@": [P1]}, {"_A": P1}]
        for mappings in wrong:
            assert 400 == (await cloud.ask("PUT", f"/allocations/{C1}", {**holding(), "mappings": mappings}))[0]
        good = {**holding(), "mappings": {"": [P1], "_A": [P1]}}
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", good))[0]
        one = {"resource_provider_generation": 2, "resource_class": "VCPU", "total": 1}
        status, body, _ = await cloud.ask("POST", f"/resource_providers/{P1}/inventories", one)
        assert (409, "placement.concurrent_update") == (status, body["errors"][0]["code"])

    run(test)


def test_generations_move_only_with_what_others_have_to_read_again() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)

        async def at() -> int:
            return int((await cloud.ask("GET", f"/resource_providers/{P1}"))[1]["generation"])

        traits = {"resource_provider_generation": 1, "traits": ["HW_CPU_X86_AVX"]}
        assert (
            2 == (await cloud.ask("PUT", f"/resource_providers/{P1}/traits", traits))[1]["resource_provider_generation"]
        )
        same = {**traits, "resource_provider_generation": 2}
        assert (
            2 == (await cloud.ask("PUT", f"/resource_providers/{P1}/traits", same))[1]["resource_provider_generation"]
        )
        assert 409 == (await cloud.ask("PUT", f"/resource_providers/{P1}/traits", traits))[0]
        await cloud.ask("PUT", f"/allocations/{C1}", holding())
        assert 3 == await at()
        await cloud.ask("DELETE", f"/allocations/{C1}")
        assert 3 == await at()

    run(test)


def test_an_aggregate_of_the_root_finds_only_the_root_in_the_list_of_providers() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        child = {"uuid": P2, "name": "numa0", "parent_provider_uuid": P1}
        await cloud.ask("POST", "/resource_providers", child)
        await cloud.ask("PUT", f"/resource_providers/{P1}/aggregates", [AGGREGATE], at="1.1")

        async def names(query: str) -> list[str]:
            _, body, _ = await cloud.ask("GET", f"/resource_providers?{query}")
            return [one["name"] for one in body["resource_providers"]]

        assert ["h1"] == await names(f"member_of={AGGREGATE}")
        assert ["numa0"] == await names(f"member_of=!{AGGREGATE}")

    run(test)


def test_portions_are_looked_at_anew_when_a_claim_is_written_again() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        await cloud.ask("PUT", f"/allocations/{C1}", holding(amount=4))
        smaller = {"resource_provider_generation": 2, "total": 4, "max_unit": 2}
        assert 200 == (await cloud.ask("PUT", f"/resource_providers/{P1}/inventories/VCPU", smaller))[0]
        assert 409 == (await cloud.ask("PUT", f"/allocations/{C1}", holding(1, amount=4)))[0]
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", holding(1, amount=2)))[0]

    run(test)


def test_the_type_of_a_consumer_is_left_out_where_nobody_told_it() -> None:
    async def test(cloud: Service) -> None:
        await provider(cloud)
        old = {key: value for key, value in holding().items() if key != "consumer_type"}
        assert 204 == (await cloud.ask("PUT", f"/allocations/{C1}", old, at="1.28"))[0]
        _, body, _ = await cloud.ask("GET", f"/resource_providers/{P1}/allocations")
        assert {"resources": {"VCPU": 1}, "consumer_generation": 1} == body["allocations"][C1]
        assert "unknown" == (await cloud.ask("GET", f"/allocations/{C1}"))[1]["consumer_type"]
        for query in ("", "&consumer_type=unknown"):
            _, body, _ = await cloud.ask("GET", f"/usages?project_id=p1{query}")
            assert {"unknown": {"consumer_count": 1, "VCPU": 1}} == body["usages"]

    run(test)
