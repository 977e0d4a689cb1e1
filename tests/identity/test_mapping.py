"""The rule language of mappings."""

from typing import Any

import pytest

from pileus.identity.models.mapping import (
    BadAssertion,
    BadRules,
    MappedGroup,
    MappedProject,
    Place,
    apply_rules,
    read_rules,
)

SAID = {"UserName": "ann", "Email": "ann@example.com", "Groups": "staff;admins;guests", "orgPersonType": "Employee"}
USER = {"user": {"name": "{0}"}}
NAME = {"type": "UserName"}


def rule(local: Any, remote: Any) -> list[Any]:
    return [{"local": local if isinstance(local, list) else [local], "remote": remote}]


def groups(remote: Any, said: dict[str, str] = SAID) -> Any:
    local = [USER, {"groups": "{1}", "domain": {"id": "d"}}]
    found = apply_rules(rule(local, [NAME, remote]), "1.0", said)
    return None if found is None else [group.name for group in found.groups]


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ({"type": "Groups"}, ["staff", "admins", "guests"]),
        ({"type": "groups"}, ["staff", "admins", "guests"]),
        ({"type": "Groups", "whitelist": ["staff", "other"]}, ["staff"]),
        ({"type": "Groups", "blacklist": ["admins"]}, ["staff", "guests"]),
        ({"type": "Groups", "whitelist": ["^s", "^g"], "regex": True}, ["staff", "guests"]),
        ({"type": "Groups", "blacklist": ["^a"], "regex": True}, ["staff", "guests"]),
        ({"type": "Groups", "whitelist": ["none"]}, []),
        ({"type": "Missing"}, None),
    ],
)
def test_values_are_filled_in_as_far_as_they_are_allowed(remote: Any, expected: Any) -> None:
    assert expected == groups(remote)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"any_one_of": ["Employee", "Guest"]}, True),
        ({"any_one_of": ["Guest"]}, False),
        ({"not_any_of": ["Guest"]}, True),
        ({"not_any_of": ["Employee"]}, False),
        ({"any_one_of": ["^Emp.*"], "regex": True}, True),
        ({"not_any_of": ["^Emp.*"], "regex": True}, False),
        ({"any_one_of": ["Emp"]}, False),
    ],
)
def test_conditions_hold_or_the_rule_does_not_count(condition: Any, holds: bool) -> None:
    rules = rule(USER, [NAME, {"type": "orgPersonType", **condition}])
    assert holds is (apply_rules(rules, "1.0", SAID) is not None)


def test_conditions_take_no_number_and_all_rules_count_but_the_first_user() -> None:
    rules = [
        *rule([{"user": {"name": "{0}", "email": "{1}"}}], [NAME, {"type": "orgPersonType", "any_one_of": ["Employee"]}, {"type": "Email"}]),
        *rule([{"user": {"name": "other"}}, {"group": {"id": "g"}}], [NAME]),
        *rule([{"group": {"name": "n", "domain": {"name": "D"}}}], [NAME]),
        *rule([{"group": {"id": "h"}}], [{"type": "Nothing"}]),
    ]  # fmt: skip
    found = apply_rules(rules, "1.0", SAID)
    assert found is not None
    assert ("ann", "ann@example.com") == (found.user.name, found.user.email)
    assert (("g",), (MappedGroup("n", Place(name="D")),)) == (found.group_ids, found.groups)


def test_projects_are_provided_in_a_domain_from_schema_2_on() -> None:
    local = [
        USER,
        {"domain": {"id": "d"}},
        {
            "projects": [
                {"name": "of {0}", "roles": [{"name": "member"}]},
                {"name": "q", "roles": [], "domain": {"name": "E"}},
            ]
        },
    ]
    for version, domains in (("1.0", [None, None]), ("2.0", [Place(id="d"), Place(name="E")]), ("3.0", None)):
        found = apply_rules(rule(local, [NAME]), version, SAID)
        assert found is not None
        assert MappedProject("of ann", ("member",), found.projects[0].domain) == found.projects[0]
        assert domains is None or domains == [one.domain for one in found.projects]
        assert (None if version == "1.0" else Place(id="d")) == found.user.domain


def test_a_local_user_is_one_of_ours_and_a_proxy_may_name_the_user() -> None:
    found = apply_rules(rule({"user": {"name": "{0}", "type": "local", "domain": {"id": "d"}}}, [NAME]), "1.0", SAID)
    assert found is not None
    assert (True, Place(id="d")) == (found.user.local, found.user.domain)
    only_groups = rule({"group": {"id": "g"}}, [NAME])
    assert apply_rules(only_groups, "1.0", SAID) is None
    named = apply_rules(only_groups, "1.0", {**SAID, "REMOTE_USER": "bob"})
    assert named is not None
    assert "bob" == named.user.name


@pytest.mark.parametrize(
    ("rules", "version"),
    [
        ([], "1.0"),
        ({}, "1.0"),
        (rule(USER, []), "1.0"),
        ([{"local": [], "remote": [NAME]}], "1.0"),
        ([{"local": [USER]}], "1.0"),
        (rule({"colour": "red"}, [NAME]), "1.0"),
        (rule(USER, [{"type": "x", "any_one_of": ["a"], "whitelist": ["b"]}]), "1.0"),
        (rule(USER, [{"type": "x", "any_one_of": ["("], "regex": True}]), "1.0"),
        (rule([USER, {"groups": "{0}"}], [NAME]), "1.0"),
        (rule({"user": {"name": "x", "type": "god"}}, [NAME]), "1.0"),
        (rule([USER, {"projects": "{0}"}], [NAME]), "1.0"),
        (rule([USER, {"projects": "{0}"}], [NAME]), "2.0"),
        (rule(USER, [NAME]), "4.0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: Any, version: str) -> None:
    with pytest.raises(BadRules):
        read_rules(rules, version)


def test_a_number_too_high_fills_in_nothing() -> None:
    assert apply_rules(rule({"user": {"name": "{7}"}}, [NAME]), "1.0", SAID) is None


SAYS = [NAME, {"type": "projects"}]
NAMED = rule([USER, {"domain": {"id": "d"}, "projects": "{1}"}], SAYS)


def test_a_provider_says_itself_which_projects_somebody_has_from_schema_3_on() -> None:
    said = '[{"name": "p", "roles": [{"name": "member"}]}, {"name": "{0}", "roles": [], "domain": {"name": "E"}}]'
    found = apply_rules(NAMED, "3.0", {**SAID, "projects": said})
    assert found is not None
    expected = (MappedProject("p", ("member",), Place(id="d")), MappedProject("{0}", (), Place(name="E")))
    assert (expected, True) == (found.projects, found.projects_are_all)
    none = apply_rules(NAMED, "3.0", {**SAID, "projects": "[]"})
    assert none is not None
    assert ((), True) == (none.projects, none.projects_are_all)


def test_rules_that_say_nothing_of_projects_leave_them_as_they_are() -> None:
    listed = [USER, {"projects": [{"name": "p", "roles": []}]}]
    for local, version, expected in ((listed, "3.0", True), (listed, "2.0", False), (USER, "3.0", False)):
        found = apply_rules(rule(local, [NAME]), version, SAID)
        assert found is not None
        assert expected is found.projects_are_all
    found = apply_rules(rule([USER, {"projects": "{7}"}], [NAME]), "3.0", SAID)
    assert found is not None and not found.projects_are_all


@pytest.mark.parametrize(
    "said",
    ["p", "{}", "[1]", '[{"name": "p"}]', '[{"name": "p", "roles": ["r"]}]', '[{"name": "p", "roles": [], "x": 1}]'],
)
def test_projects_that_make_no_sense_are_no_projects(said: str) -> None:
    with pytest.raises(BadAssertion):
        apply_rules(NAMED, "3.0", {**SAID, "projects": said})
