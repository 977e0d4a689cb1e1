"""Who may do what by default is what operators know: every rule of every service, against the published list."""

import csv
from pathlib import Path

import pytest

from pileus.kit.http.wire import Wire, fields, wires_in
from pileus.kit.policy import Enforcer, Rule, compile_check
from pileus.main.named_rules import NAMED_RULES

from .services import apis, rules

PUBLISHED = Path(__file__).parents[1] / "golden" / "policies.tsv"
SERVICES = apis()
# What upstream lets everybody do without asking a rule has one here, so that operators can close it. This list only shrinks.
OWN = {
    ("image", "image:default"),
    ("compute", "os_compute_api:flavors"),
    # Of images handed on to the image service, which upstream asks with the user's own token.
    ("compute", "os_compute_api:images:show"),
    ("compute", "os_compute_api:images:update"),
    ("block_storage", "block_storage:default"),
}
# Nobody has logged in where these are asked: versions, logging in, changing an expired password, a consumer's own signature or secret.
OPEN = {
    "identity": {
        "GET //",
        "GET //v3",
        "POST /auth/tokens",
        "POST /users/{user_id}/password",
        "POST /OS-OAUTH1/request_token",
        "POST /OS-OAUTH1/access_token",
        "POST /OS-OAUTH2/token",
        "POST /auth/OS-FEDERATION/saml2",
        "POST /auth/OS-FEDERATION/saml2/ecp",
        "GET /OS-FEDERATION/saml2/metadata",
        *(
            f"{method} {path}"
            for method in ("GET", "POST")
            for path in (
                "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth",
                "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso",
                "/auth/OS-FEDERATION/websso/{protocol_id}",
            )
        ),
    },
    "image": {"GET //", "GET //versions"},
    "placement": {"GET /"},
    "compute": {"GET //", "GET //v2.1", "GET //v2", "GET /versions/{id}"},
    "network": {"GET //", "GET /", "GET /extensions", "GET /extensions/{alias}"},
}
# Services of which upstream publishes several lists.
LISTED_AS = {"telemetry": ("metric", "alarm", "event")}


def published(service: str) -> dict[str, str]:
    names = LISTED_AS.get(service, (service.replace("_", "-"),))
    with PUBLISHED.open() as file:
        return {
            row["rule"]: row["default_role"] for row in csv.DictReader(file, delimiter="\t") if row["service"] in names
        }


@pytest.mark.parametrize("service", SERVICES)
def test_every_rule_has_the_default_that_is_published(service: str) -> None:
    known = published(service)
    ours = {rule.name: rule.default for rule in rules(SERVICES[service]) if (service, rule.name) not in OWN}
    assert {name: known.get(name) for name in ours} == ours


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_has_a_rule_but_those_at_the_door(service: str) -> None:
    open_ = {f"{route.method} {route.path}" for route in SERVICES[service].routes if route.rule is None}
    unlisted = {route for route in open_ - OPEN.get(service, set()) if not route.startswith("GET //")}
    assert set() == unlisted


@pytest.mark.parametrize("service", SERVICES)
def test_every_rule_of_a_field_is_declared(service: str) -> None:
    api = SERVICES[service]
    declared = {rule.name for rule in rules(api)}
    waiting: list[object] = [kind for route in api.routes for kind in (route.body, route.handler.__annotations__)]
    named = {field.mark.rule for wire in _wires(waiting) for field in fields(wire) if field.mark.rule}
    assert set() == named - declared


@pytest.mark.parametrize("service", SERVICES)
def test_every_default_can_be_understood_and_means_one_thing(service: str) -> None:
    enforcer = Enforcer()
    enforcer.declare(rules(SERVICES[service]))
    enforcer.declare(Rule(name, default) for name, default in NAMED_RULES.get(service, {}).items())
    enforcer.override({name: Rule(name, default).check for name, default in enforcer.defaults.items()})
    for name, default in enforcer.defaults.items():
        compile_check(Rule(name, default).check, lambda _: lambda *_: False)


def test_names_that_files_refer_to_mean_what_is_published() -> None:
    for service, base in NAMED_RULES.items():
        known = published(service)
        assert {name: known.get(name) for name in base} == base


def _wires(waiting: list[object]) -> set[type[Wire]]:
    known: set[type[Wire]] = set()
    while waiting:
        hint = waiting.pop()
        for part in hint.values() if isinstance(hint, dict) else [hint]:
            for kind in set(wires_in(part)) - known:
                known.add(kind)
                waiting += [field.type for field in fields(kind)]
    return known
