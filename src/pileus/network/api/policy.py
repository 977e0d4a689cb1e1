"""Policy: how rules are checked, and the check of the attributes a request names.

Neutron's way: whoever makes or changes a resource needs the rule of the act, and the rule of every attribute named
that has one; what an attribute is by default anyway needs none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import UNSET

from pileus.kit.http.call import Call
from pileus.kit.http.misread import BadField
from pileus.kit.http.wire import Wire, fields
from pileus.kit.policy import Rule
from pileus.network.api.rules import RULES
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.models.resources import Standard

T = TypeVar("T", bound=Standard)

api.declare(*(Rule(name, default) for name, default in RULES.items()))


def rule(name: str) -> Rule:
    """The rule of that name, with its default."""
    return Rule(name, RULES[name])


def require(call: Call[App], verb: str, resource: str, body: Wire, target: Mapping[str, object]) -> None:
    """Raise Forbidden unless policy lets the caller do this with all the attributes the body names."""
    call.require(f"{verb}_{resource}", target)
    require_named(call, verb, resource, body, target)


def require_named(call: Call[App], verb: str, resource: str, body: Wire, target: Mapping[str, object]) -> None:
    """Raise Forbidden unless policy lets the caller use all the attributes the body names."""
    for name in _named(body, on=verb[0]):
        wanted = f"{verb}_{resource}:{name}"
        if wanted in RULES:
            call.require(wanted, target)


def _named(body: Wire, on: str) -> Iterator[str]:
    """Wire names of what the body sets to something else than its default, and of what is inside."""
    for field in fields(type(body)):
        value = getattr(body, field.attribute)
        if value is UNSET or (on == "c" and (value is None or value == field.default or value in ([], {}))):
            continue
        yield field.name
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Wire):
                yield from (f"{field.name}:{inner}" for inner in _inner(item))


def _inner(item: Wire) -> Iterator[str]:
    for field in fields(type(item)):
        if getattr(item, field.attribute) is not UNSET:
            yield field.name


def project_of(call: Call[App], body: Any) -> str:
    """The project a new resource is for: the one named, which only those above projects may, else the caller's own."""
    named = {given for given in (body.project_id, body.tenant_id) if given is not UNSET and given is not None}
    if len(named) > 1:
        raise BadField("'project_id' and 'tenant_id' do not match")
    own = call.caller.project_id or ""
    if named - {own} and not sees_all(call):
        raise BadField(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin "
            "privileges"
        )
    return str(named.pop()) if named else own


def sees_all(call: Call[App]) -> bool:
    """Whether the caller sees what belongs to others."""
    return call.caller.admin or "service" in call.caller.roles


def shown(call: Call[App], resource: str, found: Iterable[T]) -> list[T]:
    """Those of the resources that policy lets the caller see."""
    name = f"get_{resource}"
    return [each for each in found if call.allows(name, each.policy_target())]
