"""Who is refused what: strangers everywhere, readers on every write; and the rules are those operators know."""

import csv
from pathlib import Path
from typing import Any

from pileus.identity.manifest import API
from pileus.kit.http import Route
from pileus.kit.policy import Enforcer

POLICIES = Path(__file__).parents[1] / "golden" / "policies.tsv"
IDP = "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"
OPEN = {
    ("GET", "/"),
    ("GET", "/v3"),
    ("POST", "/auth/tokens"),
    ("POST", "/users/{user_id}/password"),
    ("POST", "/OS-OAUTH1/request_token"),
    ("POST", "/OS-OAUTH1/access_token"),
    ("POST", "/OS-OAUTH2/token"),
    *((method, f"{IDP}/auth") for method in ("GET", "POST")),
    *((method, f"/auth{IDP}/websso") for method in ("GET", "POST")),
    *((method, "/auth/OS-FEDERATION/websso/{protocol_id}") for method in ("GET", "POST")),
    ("POST", "/auth/OS-FEDERATION/saml2"),
    ("POST", "/auth/OS-FEDERATION/saml2/ecp"),
    ("GET", "/OS-FEDERATION/saml2/metadata"),
}
NOT_FOR_READERS = ("/auth/tokens", "/OS-REVOKE/events", "/users/{user_id}/OS-OAUTH1")
WRITES = ("POST", "PUT", "PATCH", "DELETE")

# What a route needs to get as far as the rule, where the rule is checked on what the body says.
BODIES: dict[str, Any] = {
    "/users": {"user": {"name": "x"}},
    "/projects": {"project": {"name": "x"}},
    "/groups": {"group": {"name": "x"}},
    "/roles": {"role": {"name": "x"}},
    "/roles/{role_id}": {"role": {}},
    "/credentials": {"credential": {"user_id": "x", "type": "x", "blob": "x"}},
    "/users/{user_id}/credentials/OS-EC2": {"tenant_id": "x"},
    "/s3tokens": {"credentials": {"access": "x", "signature": "x", "token": ""}},
    "/OS-EP-FILTER/endpoint_groups": {"endpoint_group": {"name": "x", "filters": {}}},
    "/users/{user_id}/application_credentials": {"application_credential": {"name": "x"}},
    "/OS-TRUST/trusts": {"trust": {"trustor_user_id": "x", "trustee_user_id": "x", "impersonation": True}},
}


def path_of(route: Route) -> str:
    return route.path.removeprefix("/") if route.path.startswith("//") else route.path


def filled(route: Route, ids: dict[str, str]) -> str:
    if "security_compliance" in route.path:
        ids = {**ids, "option": "password_regex"}
    return "/v3" + route.path.format(**ids)


async def more_of_a_world(cloud: Any, service: str) -> dict[str, str]:
    group_of_endpoints = await cloud.ask(
        "POST", "/v3/OS-EP-FILTER/endpoint_groups", BODIES["/OS-EP-FILTER/endpoint_groups"]
    )
    what = {"service_id": service, "resource_name": "x"}
    registered = await cloud.ask("POST", "/v3/registered_limits", {"registered_limits": [{**what, "default_limit": 1}]})
    consumer = await cloud.ask("POST", "/v3/OS-OAUTH1/consumers", {"consumer": {}})
    limits = [{**what, "resource_limit": 1, "domain_id": "default"}]
    limit = await cloud.ask("POST", "/v3/limits", {"limits": limits})
    return {
        "endpoint_group_id": group_of_endpoints.body["endpoint_group"]["id"],
        "registered_limit_id": registered.body["registered_limits"][0]["id"],
        "limit_id": limit.body["limits"][0]["id"],
        "consumer_id": consumer.body["consumer"]["id"],
        "request_token_id": "none",
        "access_token_id": "none",
        **dict.fromkeys(("idp_id", "protocol_id", "mapping_id", "service_provider_id"), "x"),
        "group": "ldap",
        "option": "url",
    }


async def a_world(cloud: Any) -> dict[str, str]:
    """Something for every path parameter."""
    user = (await cloud.make("user", name="target"))["id"]
    group = (await cloud.make("group", name="target"))["id"]
    role = await cloud.role("member")
    found = {
        kind: (await cloud.ask("GET", f"/v3/{kind}s")).body[f"{kind}s"][0]["id"] for kind in ("service", "endpoint")
    }
    credential = await cloud.make("credential", user_id=user, type="x", blob="x")
    policy = await cloud.ask("POST", "/v3/policies", {"policy": {"type": "x", "blob": "x"}})
    body = {"trustor_user_id": cloud.account.user_id, "trustee_user_id": user, "project_id": cloud.account.project_id}
    body |= {"impersonation": False, "roles": [{"id": role}]}
    rule = {"service": "x", "method": "GET", "path": "/x"}
    path = f"/v3/users/{cloud.account.user_id}/application_credentials"
    body_of_application = {"application_credential": {"name": "x", "access_rules": [rule]}}
    application = (await cloud.ask("POST", path, body_of_application)).body["application_credential"]
    trust = (await cloud.ask("POST", "/v3/OS-TRUST/trusts", {"trust": body})).body["trust"]
    return {
        "credential_id": credential["id"],
        "policy_id": policy.body["policy"]["id"],
        "trust_id": trust["id"],
        "application_credential_id": application["id"],
        "access_rule_id": application["access_rules"][0]["id"],
        "user_id": user,
        "group_id": group,
        "project_id": cloud.account.project_id,
        "domain_id": "default",
        "role_id": role,
        "prior_role_id": role,
        "implied_role_id": await cloud.role("reader"),
        "service_id": found["service"],
        "endpoint_id": found["endpoint"],
        "region_id": "RegionOne",
        "tag": "x",
        **await more_of_a_world(cloud, found["service"]),
    }


async def test_strangers_are_refused_everywhere_but_at_the_door(cloud: Any) -> None:
    await cloud.start()
    ids = await a_world(cloud)
    assert OPEN == {(route.method, path_of(route)) for route in API.routes if route.rule is None}
    for route in API.routes:
        if route.rule is not None:
            for token in (None, "nonsense"):
                answer = await cloud.ask(route.method, filled(route, ids), {}, token)
                assert 401 == answer.status, (route.method, route.path)


async def test_readers_can_write_nothing(cloud: Any) -> None:
    await cloud.start()
    ids = await a_world(cloud)
    readers = [
        await cloud.person("rita", "reader"),
        await cloud.person("rob", "reader", scope="domain"),
        await cloud.person("rex", "reader", scope="system"),
    ]
    writes = [route for route in API.routes if route.method in WRITES and route.rule is not None]
    assert len(writes) > 50
    for route in writes:
        if route.path == "/auth/tokens":
            continue  # Everybody may revoke their own: test_tokens.py.
        for token in readers:
            answer = await cloud.ask(route.method, filled(route, ids), BODIES.get(route.path, {}), token)
            assert 403 == answer.status, (route.method, route.path, answer.body)
            assert "identity:" in answer.body["error"]["message"]


async def test_what_is_missing_is_forbidden_to_those_who_could_not_see_it(cloud: Any) -> None:
    await cloud.start()
    rita = await cloud.person("rita", "reader")
    for path in ("users/none", "projects/none", "groups/none", "domains/none", "roles/none", "services/none"):
        assert 403 == (await cloud.ask("GET", f"/v3/{path}", None, rita)).status, path
        answer = await cloud.ask("GET", f"/v3/{path}")
        assert 404 == answer.status
        assert answer.body["error"]["message"].startswith("Could not find ")


async def test_system_readers_see_everything(cloud: Any) -> None:
    await cloud.start()
    ids = await a_world(cloud)
    rex = await cloud.person("rex", "reader", scope="system")
    for route in API.routes:
        if route.method == "GET" and route.rule is not None and not route.path.startswith(NOT_FOR_READERS):
            answer = await cloud.ask("GET", filled(route, ids), None, rex)
            assert answer.status in {200, 204, 404}, (route.path, answer.body)
    subject = {"x-subject-token": cloud.admin}
    assert 200 == (await cloud.ask("GET", "/v3/auth/tokens", None, rex, subject)).status


async def test_a_manager_of_a_domain_manages_it_and_nothing_else(cloud: Any) -> None:
    await cloud.start()
    domain = (await cloud.make("domain", name="mine"))["id"]
    mona = await cloud.person("mona", "manager", domain=domain, scope="domain")
    user = await cloud.ask("POST", "/v3/users", {"user": {"name": "u"}}, mona)
    assert (201, domain) == (user.status, user.body["user"]["domain_id"])
    project = await cloud.ask("POST", "/v3/projects", {"project": {"name": "p"}}, mona)
    assert (201, domain) == (project.status, project.body["project"]["domain_id"])
    grant = f"/v3/projects/{project.body['project']['id']}/users/{user.body['user']['id']}/roles/"
    assert 204 == (await cloud.ask("PUT", grant + await cloud.role("member"), None, mona)).status
    assert 403 == (await cloud.ask("PUT", grant + await cloud.role("admin"), None, mona)).status
    assert {"mona", "u"} == {one["name"] for one in (await cloud.ask("GET", "/v3/users", None, mona)).body["users"]}
    assert ["mine"] == [one["name"] for one in (await cloud.ask("GET", "/v3/domains", None, mona)).body["domains"]]
    assert 200 == (await cloud.ask("GET", "/v3/roles", None, mona)).status
    held = (await cloud.ask("GET", "/v3/role_assignments", None, mona)).body["role_assignments"]
    assert 2 == len(held)
    elsewhere = {"user": {"name": "u", "domain_id": "default"}}
    assert 403 == (await cloud.ask("POST", "/v3/users", elsewhere, mona)).status
    assert 403 == (await cloud.ask("DELETE", f"/v3/users/{cloud.account.user_id}", None, mona)).status
    assert 403 == (await cloud.ask("POST", "/v3/domains", {"domain": {"name": "d"}}, mona)).status
    assert [] == (await cloud.ask("GET", "/v3/users?domain_id=default", None, mona)).body["users"]


async def test_people_see_themselves_and_their_project_but_no_others(cloud: Any) -> None:
    await cloud.start()
    rita = await cloud.person("rita", "reader")
    caller = await cloud.port.caller(rita)
    own = (f"users/{caller.user_id}", f"users/{caller.user_id}/projects", f"users/{caller.user_id}/groups")
    for path in (*own, f"projects/{caller.project_id}", "domains/default", "auth/catalog", "auth/system"):
        assert 200 == (await cloud.ask("GET", f"/v3/{path}", None, rita)).status, path
    other = cloud.account
    others = (f"users/{other.user_id}", f"users/{other.user_id}/projects", f"projects/{other.project_id}")
    for path in (*others, "users", "projects", "domains", "role_assignments", "endpoints"):
        assert 403 == (await cloud.ask("GET", f"/v3/{path}", None, rita)).status, path


def test_rules_have_the_defaults_operators_know() -> None:
    with POLICIES.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["service"] == "identity"]
    known = {row["rule"]: row["default_role"] for row in rows}
    ours = {rule.name: rule.default for rule in [*(route.rule for route in API.routes if route.rule), *API.rules]}
    assert {name: known.get(name) for name in ours} == ours
    # The list of revoked PKI tokens went with the tokens; nothing else is missing.
    asked = {row["rule"] for row in rows if row["operations"]}
    assert {"identity:revocation_list"} == asked - ours.keys()
    Enforcer().declare(rule for rule in [*(route.rule for route in API.routes if route.rule), *API.rules])
