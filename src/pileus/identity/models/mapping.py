"""Mappings: rules that make of what an identity provider says about somebody a user, their groups and their projects.

A rule's `remote` part says what must be asserted; what it names without a condition (or through a list of allowed or
refused values) can be used in the `local` part as {0}, {1} and so on. All rules that match count; the first that makes a
user makes the user. From schema 2.0 on a `domain` of the local part is that of users, groups and projects without one. From
schema 3.0 on the provider itself may say, as JSON, which projects somebody has: `projects` is then text with places to be
filled in, and the projects of the rules are all that the user is given.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

SCHEMAS = ("1.0", "2.0", "3.0")
Assertion = Mapping[str, str]
Values = list[str]
_PLACE = re.compile(r"\{(\d+)\}")
_CONDITIONS = ("any_one_of", "not_any_of", "whitelist", "blacklist")


class Place(msgspec.Struct, frozen=True):
    """A domain named by id or by name."""

    id: str | None = None
    name: str | None = None


class MappedUser(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the rules make of somebody; a local one must be there already."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    domain: Place | None = None
    local: bool = False


class MappedGroup(msgspec.Struct, frozen=True):
    """A group by name."""

    name: str
    domain: Place | None


class MappedProject(msgspec.Struct, frozen=True):
    """A project that shall be there, with these roles for the user."""

    name: str
    roles: tuple[str, ...]
    domain: Place | None


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """What all rules together make of an assertion."""

    user: MappedUser
    group_ids: tuple[str, ...] = ()
    groups: tuple[MappedGroup, ...] = ()
    projects: tuple[MappedProject, ...] = ()
    projects_are_all: bool = False  # whether the user shall be given nothing in other projects


class BadAssertion(ValueError):
    """What the provider says cannot be understood as the rules mean it; the message says why."""


class BadRules(ValueError):
    """Rules that cannot be understood; the message says where and why."""


# -- checking -----------------------------------------------------------------------------------------------------------


class _Remote(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    regex: bool = False
    any_one_of: list[str] | None = None
    not_any_of: list[str] | None = None
    whitelist: list[str] | None = None
    blacklist: list[str] | None = None


class _Named(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None


class _User(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    email: str | None = None
    domain: _Named | None = None
    type: str = "ephemeral"


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    domain: _Named | None = None


class _Role(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class _Project(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    roles: list[_Role]
    domain: _Named | None = None


class _Local(msgspec.Struct, forbid_unknown_fields=True):
    user: _User | None = None
    group: _Group | None = None
    groups: str | None = None
    group_ids: str | None = None
    projects: list[_Project] | str | None = None
    domain: _Named | None = None


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    local: list[_Local]
    remote: list[_Remote]


def read_rules(rules: object, version: str) -> list[_Rule]:
    """The rules, understood; raises BadRules."""
    if version not in SCHEMAS:
        raise BadRules(f"schema_version is one of {', '.join(SCHEMAS)}, not {version}")
    try:
        found = msgspec.convert(rules, list[_Rule])
    except msgspec.ValidationError as bad:
        raise BadRules(str(bad)) from bad
    if not found:
        raise BadRules("there are no rules")
    for rule in found:
        if not rule.remote or not rule.local:
            raise BadRules("a rule has at least one local and one remote part")
        for remote in rule.remote:
            _check_remote(remote)
        for local in rule.local:
            _check_local(local, version)
    return found


def _check_local(local: _Local, version: str) -> None:
    if isinstance(local.projects, str) and version in {"1.0", "2.0"}:
        raise BadRules(f"projects are a list in schema {version}; they can be text from schema 3.0 on")
    if local.groups is not None and local.domain is None:
        raise BadRules("groups need a domain")
    if local.user is not None and local.user.type not in {"ephemeral", "local"}:
        raise BadRules(f"a user's type is ephemeral or local, not {local.user.type}")


def _check_remote(remote: _Remote) -> None:
    named = [name for name in _CONDITIONS if getattr(remote, name) is not None]
    if len(named) > 1:
        raise BadRules(f"{remote.type}: only one of {', '.join(_CONDITIONS)} can be asked at once")
    if remote.regex:
        for pattern in getattr(remote, named[0]) if named else ():
            try:
                re.compile(pattern)
            except re.error as bad:
                raise BadRules(f"{remote.type}: no regular expression: {pattern} ({bad})") from bad


# -- applying -----------------------------------------------------------------------------------------------------------


def apply_rules(rules: object, version: str, assertion: Assertion) -> Mapped | None:
    """What the rules make of an assertion; None when none of them makes a user of it. Raises BadAssertion."""
    user: MappedUser | None = None
    says_projects = False
    group_ids: list[str] = []
    groups: list[MappedGroup] = []
    projects: list[MappedProject] = []
    for rule in read_rules(rules, version):
        direct = _matched(rule.remote, assertion)
        if direct is None:
            continue
        default = _default_domain(rule.local, direct) if version != "1.0" else None
        for local in rule.local:
            user = user or _user(local, direct, default)
            _groups(local, direct, default, group_ids, groups)
            said = _projects(local, direct, default, version)
            says_projects = says_projects or said is not None
            projects += said or ()
    if user is None:
        name = assertion.get("REMOTE_USER")
        if name is None or not (group_ids or groups or projects):
            return None
        user = MappedUser(name=name)
    return Mapped(
        user=user,
        group_ids=tuple(dict.fromkeys(group_ids)),
        groups=tuple(dict.fromkeys(groups)),
        projects=tuple(projects),
        projects_are_all=says_projects and version not in {"1.0", "2.0"},
    )


def _values(assertion: Assertion, name: str) -> Values | None:
    given = assertion.get(name)
    if given is None:
        # Headers come in any case; what a provider says by itself comes as it is written.
        given = next((value for key, value in assertion.items() if key.lower() == name.lower()), None)
    return None if given is None else [value.strip() for value in given.split(";") if value.strip()]


def _matched(remotes: Iterable[_Remote], assertion: Assertion) -> list[Values] | None:
    """The values to be filled in; None where a condition does not hold."""
    direct: list[Values] = []
    for remote in remotes:
        values = _values(assertion, remote.type)
        if not values or not _holds(remote, values):
            return None
        if remote.any_one_of is None and remote.not_any_of is None:
            direct.append(_kept(remote, values))
    return direct


def _holds(remote: _Remote, values: Values) -> bool:
    """Whether what is asked of the values is so."""
    if remote.any_one_of is not None:
        return bool(_among(values, remote.any_one_of, regex=remote.regex))
    return remote.not_any_of is None or not _among(values, remote.not_any_of, regex=remote.regex)


def _kept(remote: _Remote, values: Values) -> Values:
    """The values that can be filled in."""
    if remote.whitelist is not None:
        return _among(values, remote.whitelist, regex=remote.regex)
    if remote.blacklist is not None:
        refused = _among(values, remote.blacklist, regex=remote.regex)
        return [value for value in values if value not in refused]
    return values


def _among(values: Sequence[str], wanted: Sequence[str], *, regex: bool) -> Values:
    if regex:
        return [value for value in values if any(re.search(pattern, value) for pattern in wanted)]
    return [value for value in values if value in wanted]


def _filled(text: str | None, direct: Sequence[Values]) -> str | None:
    """The text with values put in; None when it is none, or names a value there is not."""
    if text is None:
        return None
    if any(int(place) >= len(direct) for place in _PLACE.findall(text)):
        return None
    return _PLACE.sub(lambda found: ";".join(direct[int(found[1])]), text) or None


def _many(text: str, direct: Sequence[Values]) -> Values:
    return [one.strip() for one in (_filled(text, direct) or "").split(";") if one.strip()]


def _place(domain: _Named | None, direct: Sequence[Values], default: Place | None) -> Place | None:
    if domain is None:
        return default
    found = Place(_filled(domain.id, direct), _filled(domain.name, direct))
    return found if found.id or found.name else default


def _default_domain(locals_: Sequence[_Local], direct: Sequence[Values]) -> Place | None:
    return next((_place(local.domain, direct, None) for local in locals_ if local.domain is not None), None)


def _user(local: _Local, direct: Sequence[Values], default: Place | None) -> MappedUser | None:
    if local.user is None:
        return None
    found = MappedUser(
        id=_filled(local.user.id, direct),
        name=_filled(local.user.name, direct),
        email=_filled(local.user.email, direct),
        domain=_place(local.user.domain, direct, default),
        local=local.user.type == "local",
    )
    return found if found.id or found.name else None


def _groups(
    local: _Local, direct: Sequence[Values], default: Place | None, ids: list[str], named: list[MappedGroup]
) -> None:
    if local.group is not None:
        if local.group.id is not None:
            ids += _many(local.group.id, direct)
        elif local.group.name is not None:
            domain = _place(local.group.domain, direct, default)
            named += [MappedGroup(name, domain) for name in _many(local.group.name, direct)]
    if local.group_ids is not None:
        ids += _many(local.group_ids, direct)
    if local.groups is not None:
        domain = _place(local.domain, direct, default)
        named += [MappedGroup(name, domain) for name in _many(local.groups, direct)]


def _projects(
    local: _Local, direct: Sequence[Values], default: Place | None, version: str
) -> list[MappedProject] | None:
    """The projects of a local part; None where it says nothing of them."""
    if isinstance(local.projects, str):
        text = _filled(local.projects, direct)
        return None if text is None else _said_projects(text, default)
    if local.projects is None:
        return None
    found = []
    for project in local.projects:
        name = _filled(project.name, direct)
        roles = tuple(role for one in project.roles if (role := _filled(one.name, direct)) is not None)
        if name is not None:
            domain = _place(project.domain, direct, default) if version != "1.0" else None
            found.append(MappedProject(name, roles, domain))
    return found


def _said_projects(text: str, default: Place | None) -> list[MappedProject]:
    """The projects the provider names, as it names them: nothing is filled in there."""
    try:
        said = msgspec.json.decode(text, type=list[_Project])
    except msgspec.DecodeError as bad:
        raise BadAssertion(f"the projects are not what they should be: {bad}") from bad
    return [
        MappedProject(
            one.name,
            tuple(role.name for role in one.roles),
            Place(one.domain.id, one.domain.name) if one.domain and (one.domain.id or one.domain.name) else default,
        )
        for one in said
    ]


def explained(mapped: Mapped | None) -> dict[str, Any]:
    """What a mapping makes of an assertion, for people."""
    return {"mapped": False} if mapped is None else {"mapped": True, **msgspec.to_builtins(mapped)}
