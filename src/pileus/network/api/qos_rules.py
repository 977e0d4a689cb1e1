"""The rules of QoS policies: the same routes for each kind, below the policy and by the rule's own id."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call
from pileus.kit.http.misread import BadField
from pileus.kit.http.wire import Wire
from pileus.network.api.policy import rule
from pileus.network.api.qos import parts, policy_for
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.commands import qos as commands
from pileus.network.errors.qos import QosRuleNotFound
from pileus.network.models.qos import BANDWIDTH, DSCP, MARKS, MINIMUM, MOST_KBPS, QosPolicy, QosRule
from pileus.network.store import qos as rows

Kbps = Annotated[int, Meta(ge=0, le=MOST_KBPS)]


class BandwidthWanted(Wire):
    """The most a port may take, in one direction as its guest sees it."""

    max_kbps: Kbps
    max_burst_kbps: Kbps = 0
    direction: Literal["egress", "ingress"] = "egress"


class DscpWanted(Wire):
    """How what a guest sends is marked."""

    dscp_mark: int


class MinimumWanted(Wire):
    """The least a port is to have of what its host sends."""

    min_kbps: Kbps
    direction: Literal["egress"] = "egress"


WIRES: dict[str, type[Wire]] = {BANDWIDTH: BandwidthWanted, DSCP: DscpWanted, MINIMUM: MinimumWanted}


def view(one: QosRule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {"id": one.id, **{name: value for name, value in parts(one).items() if isinstance(value, int | str)}}


def _values(body: Wire) -> dict[str, Any]:
    found = body.given()
    if found.get("dscp_mark", 0) not in MARKS:
        raise BadField(field="dscp_mark", why=f"it is one of {', '.join(map(str, MARKS))}")
    return found


async def _policy_of(app: App, caller: Caller, rule_id: str) -> QosPolicy:
    """The policy a rule is in, if the caller sees it; raises QosRuleNotFound."""
    found = await app.db.one(rows.RULE_GET, id=rule_id)
    if found is None:
        raise QosRuleNotFound(id=rule_id, policy="any")
    return await policy_for(app, caller, found.policy_id)


def _declare(kind: str, wanted: type[Wire]) -> None:
    """The routes of one kind of rule."""
    name = f"{kind}_rule"
    below = f"/qos/policies/{{policy_id}}/{name}s"

    @api.get(below, rule(f"get_policy_{name}"), key=f"{name}s", find=policy_for)
    async def index(call: Call[App], policy: QosPolicy) -> list[dict[str, Any]]:
        """List the rules of this kind in a policy."""
        return [view(one) for one in policy.rules if one.kind == kind]

    @api.post(below, rule(f"create_policy_{name}"), key=name, find=policy_for, body=wanted)
    async def create(call: Call[App], policy: QosPolicy, body: Any) -> dict[str, Any]:
        """Add a rule to a policy."""
        values = {**_defaults(body), **_values(body)}
        return view(await commands.create_rule(call.app, policy, kind, values))

    for place, find, prefix, key in (
        (f"{below}/{{rule_id}}", policy_for, "policy", name),
        (f"/qos/alias_{name}s/{{rule_id}}", _policy_of, "alias", f"alias_{name}"),
    ):
        _declare_one(kind, wanted, place, find, f"{prefix}_{name}", key)


def _defaults(body: Wire) -> dict[str, Any]:
    return {name: getattr(body, name) for name in body.__struct_fields__}


def _declare_one(kind: str, wanted: type[Wire], place: str, find: Any, ruled: str, key: str) -> None:
    """The routes of one rule, at one of its two places."""

    @api.get(place, rule(f"get_{ruled}"), key=key, find=find)
    async def show(call: Call[App], policy: QosPolicy, rule_id: str) -> dict[str, Any]:
        """Show a rule of a policy."""
        return view(commands.rule_in(policy, kind, rule_id))

    @api.put(place, rule(f"update_{ruled}"), key=key, find=find, body=wanted)
    async def update(call: Call[App], policy: QosPolicy, rule_id: str, body: Any) -> dict[str, Any]:
        """Change a rule of a policy."""
        one = commands.rule_in(policy, kind, rule_id)
        return view(await commands.update_rule(call.app, policy, one, _values(body)))

    @api.delete(place, rule(f"delete_{ruled}"), find=find)
    async def delete(call: Call[App], policy: QosPolicy, rule_id: str) -> None:
        """Remove a rule from a policy."""
        await commands.delete_rule(call.app, policy, commands.rule_in(policy, kind, rule_id))


for _kind, _wanted in WIRES.items():
    _declare(_kind, _wanted)
