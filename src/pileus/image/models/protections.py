"""Property protections: who may create, read, change and delete which properties of images.

The operator's file is the one that OpenStack's image service has: sections are regular expressions, the first that is found in a
property's name counts, and each says for `create`, `read`, `update` and `delete` which roles may, or by which policy rule; `@` is
everybody and `!` nobody. Where there is a file, what no section is found in is nobody's.
"""

import configparser
import enum
import re
from collections.abc import Mapping, Sequence

import msgspec

from pileus.kit.auth import Caller
from pileus.kit.policy import Enforcer


class NotUnderstood(ValueError):
    """A file of protections that cannot be understood; the text says why."""


class Action(enum.StrEnum):
    """What is done to a property."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"


class Protection(msgspec.Struct, frozen=True):
    """Properties with such names, and by whom each action is allowed: roles, or one rule."""

    names: re.Pattern[str]
    who: Mapping[Action, tuple[str, ...]]


def protections_of(text: str, *, by_policies: bool) -> tuple[Protection, ...]:
    """What the file says; raises NotUnderstood."""
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as bad:
        raise NotUnderstood(str(bad).replace("\n", " ")) from bad
    return tuple(_protection(name, parser[name], by_policies=by_policies) for name in parser.sections())


def _protection(name: str, given: Mapping[str, str], *, by_policies: bool) -> Protection:
    try:
        names = re.compile(name)
    except re.error as bad:
        raise NotUnderstood(f"[{name}] is no regular expression: {bad}") from bad
    who: dict[Action, tuple[str, ...]] = {}
    for action in Action:
        found = tuple(one.strip() for one in given.get(action, "").split(",") if one.strip())
        if {"@", "!"} <= set(found):
            raise NotUnderstood(f"[{name}] {action}: it is either everybody (@) or nobody (!)")
        if by_policies and len(found) > 1:
            raise NotUnderstood(f"[{name}] {action}: it is one rule, not {len(found)}")
        who[action] = found if by_policies else tuple(one.lower() for one in found)
    return Protection(names, who)


class Guard:
    """Tells who may do what to properties; without protections, everybody anything."""

    def __init__(self, protections: Sequence[Protection] | None = None, *, by_policies: bool = False) -> None:
        self._protections = protections
        self._by_policies = by_policies
        self.enforcer: Enforcer | None = None  # of the service's policy, where rules are asked

    def allows(self, caller: Caller, name: str, action: Action) -> bool:
        """Whether the caller may do that to a property of this name."""
        if self._protections is None:
            return True
        who = next((one.who[action] for one in self._protections if one.names.search(name)), ())
        if "!" in who or not who:
            return False
        if "@" in who:
            return True
        if self._by_policies:
            return self.enforcer is not None and self.enforcer.allows(who[0], caller, {})
        return not caller.roles.isdisjoint(who)

    def shown(self, caller: Caller, properties: Mapping[str, str]) -> Mapping[str, str]:
        """Those properties that the caller may read."""
        if self._protections is None:
            return properties
        return {name: value for name, value in properties.items() if self.allows(caller, name, Action.READ)}
