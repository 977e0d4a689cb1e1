"""Rules that ask whether the caller, or the target, has a domain at all."""

from pileus.kit.auth import Caller
from pileus.kit.policy import Enforcer, Rule


def test_a_rule_may_ask_for_a_caller_in_some_domain() -> None:
    enforcer = Enforcer()
    enforcer.declare([Rule("roles:list", "admin or manager[not(domain_id:None)]")])
    inside = Caller(user_id="u", domain_id="d", roles=frozenset({"manager"}))
    outside = Caller(user_id="u", project_id="p", roles=frozenset({"manager"}))
    assert enforcer.allows("roles:list", inside, {})
    assert not enforcer.allows("roles:list", outside, {})


def test_a_rule_may_ask_for_a_target_without_a_domain() -> None:
    enforcer = Enforcer()
    enforcer.declare([Rule("grants:check", "reader[domain=target.user.domain_id & target.role.domain_id unset]")])
    reader = Caller(user_id="u", domain_id="d", roles=frozenset({"reader"}))
    assert enforcer.allows("grants:check", reader, {"target.user.domain_id": "d", "target.role.domain_id": None})
    assert not enforcer.allows("grants:check", reader, {"target.user.domain_id": "d", "target.role.domain_id": "d"})
    assert not enforcer.allows("grants:check", reader, {"target.user.domain_id": "d"})
