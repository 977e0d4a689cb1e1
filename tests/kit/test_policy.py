"""Our evaluator of the rule language against oslo.policy's."""

import itertools

import pytest
from oslo_config import cfg
from oslo_policy import policy as oslo

from pileus.kit.auth import Caller
from pileus.kit.policy import ADMIN, PROJECT_MEMBER, Enforcer, PolicyError, Rule, check_string, compile_check

STRINGS = [
    "",
    "@",
    "!",
    "role:admin",
    "role:ADMIN or role:reader",
    "not role:admin",
    "role:member and project_id:%(project_id)s",
    "(role:member and project_id:%(project_id)s) or role:admin",
    "role:admin or (role:reader and (user_id:%(user_id)s or not project_id:%(project_id)s))",
    "user_id:%(target.user.id)s",
    "'public':%(visibility)s",
    "None:%(domain_id)s",
    "not None:%(domain_id)s",
    "domain_id:%(domain_id)s",
    "system_scope:all",
    "project_id:p1",
    "True:%(shared)s",
    "rule:other",
    "not rule:other or role:reader",
]
CALLERS = [
    Caller(user_id="u1", project_id="p1", roles=frozenset({"member", "reader"})),
    Caller(user_id="u2", project_id="p2", roles=frozenset({"reader"})),
    Caller(user_id="u3", project_id="p3", roles=frozenset({"admin", "member", "reader"})),
    Caller(user_id="u4", domain_id="d1", roles=frozenset({"manager"})),
    Caller(user_id="u5", system=True, roles=frozenset({"admin"})),
]
TARGETS = [
    {},
    {"project_id": "p1", "user_id": "u1"},
    {"project_id": "p2", "user_id": "u2", "target.user.id": "u1", "visibility": "public", "shared": True},
    {"project_id": None, "domain_id": "d1", "visibility": "private", "shared": False},
    {"domain_id": None},
]


def _credentials(caller: Caller) -> dict[str, object]:
    found: dict[str, object] = {"user_id": caller.user_id, "roles": sorted(caller.roles)}
    for name in ("project_id", "domain_id"):
        if getattr(caller, name) is not None:
            found[name] = getattr(caller, name)
    if caller.system:
        found["system_scope"] = "all"
    return found


@pytest.fixture(scope="module")
def oracle() -> oslo.Enforcer:
    made = oslo.Enforcer(cfg.ConfigOpts(), use_conf=False)
    made.set_rules(oslo.Rules({"other": oslo._parser.parse_rule("role:member")}))
    return made


@pytest.mark.parametrize("string", STRINGS)
def test_rules_mean_what_they_mean_to_oslo_policy(oracle: oslo.Enforcer, string: str) -> None:
    ours = compile_check(string, lambda _name: compile_check("role:member", lambda _: lambda *_: False))
    theirs = oslo._parser.parse_rule(string)
    for caller, target in itertools.product(CALLERS, TARGETS):
        expected = bool(theirs(target, _credentials(caller), oracle))
        assert expected == ours(caller, target), (string, caller, target)


@pytest.mark.parametrize("string", ["role:admin or", "(role:admin", "role:admin)", "admin", "http://x/y", "and"])
def test_what_cannot_be_understood_is_refused(string: str) -> None:
    with pytest.raises(PolicyError):
        compile_check(string, lambda _: lambda *_: True)


def test_a_bad_override_leaves_everything_as_it_was() -> None:
    enforcer = Enforcer()
    enforcer.declare([Rule("a", ADMIN), Rule("b", PROJECT_MEMBER)])
    with pytest.raises(PolicyError):
        enforcer.override({"a": "@", "b": "nonsense"})
    assert not enforcer.allows("a", CALLERS[0], {})
    enforcer.override({"a": "@"})
    assert enforcer.allows("a", CALLERS[0], {})
    assert not enforcer.allows("unheard of", CALLERS[2], {})


def test_phrases_become_check_strings() -> None:
    assert "role:admin or (role:member and project_id:%(project_id)s)" == check_string("admin or project member")
    assert "" == check_string("any")
    assert "!" == check_string("nobody")
