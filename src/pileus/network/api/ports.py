"""Ports."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.db import In, Matches
from pileus.kit.http.call import Call, Page
from pileus.kit.http.misread import BadField
from pileus.kit.http.wire import F, Wire
from pileus.network.api.networks import network_for
from pileus.network.api.policy import project_of, require, require_named, rule, sees_all, shown
from pileus.network.api.service import api
from pileus.network.api.wires import DnsName, DomainName, Filters, Name, Owned, Seen, asked, standard, where
from pileus.network.app import Network as App
from pileus.network.commands import ports as commands
from pileus.network.errors import PortNotFound
from pileus.network.models.names import hostname, words_of
from pileus.network.models.requests import AskedIp, NewPort
from pileus.network.models.resources import AddressPair, DhcpOption, Port
from pileus.network.store import ports as rows

# Where a card of real hardware may be from; what is emulated has no place of its own, and suits every policy.
NumaPolicy = Literal["none", "required", "legacy", "preferred", "socket"]
Mac = Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$(?!\n)")]


class FixedIpWire(Wire):
    subnet_id: str | UnsetType = UNSET
    ip_address: str | UnsetType = UNSET


class PairWire(Wire):
    ip_address: str
    mac_address: Mac | UnsetType = UNSET


class DhcpOptionWire(Wire):
    opt_name: str
    opt_value: str | None
    ip_version: Literal[4, 6] = 4


class PortWanted(Owned, kw_only=True):
    """A port to make or to change."""

    network_id: Annotated[str, F(on="c")]
    name: Name = ""
    description: Name = ""
    mac: Annotated[Mac | UnsetType | None, F("mac_address")] = UNSET  # null: another one
    admin_up: Annotated[bool, F("admin_state_up")] = True
    device_id: Name = ""
    device_owner: Name = ""
    host: Annotated[str | None, F("binding:host_id")] = ""
    vnic_type: Annotated[Literal["normal"], F("binding:vnic_type")] = "normal"
    profile: Annotated[dict[str, Any] | None, F("binding:profile")] = None
    port_security: Annotated[bool | UnsetType, F("port_security_enabled")] = UNSET
    fixed_ips: list[FixedIpWire] | UnsetType = UNSET
    security_groups: list[str] | UnsetType | None = UNSET
    allowed_pairs: Annotated[list[PairWire] | None, F("allowed_address_pairs")] = None
    dhcp_options: Annotated[list[DhcpOptionWire] | None, F("extra_dhcp_opts")] = None
    dns_name: DnsName = ""
    dns_domain: DomainName = ""
    qos_policy_id: str | None = None
    numa_policy: Annotated[NumaPolicy | None, F("numa_affinity_policy")] = None
    device_profile: Annotated[Name | None, F(on="c")] = None


class PortPost(Wire):
    port: PortWanted | UnsetType = UNSET
    ports: list[PortWanted] | UnsetType = UNSET


class Assignment(Wire):
    ip_address: str
    hostname: str
    fqdn: str


class PortSeen(Seen):
    """A port as a caller sees it."""

    network_id: str
    mac: Annotated[str, F("mac_address")]
    admin_up: Annotated[bool, F("admin_state_up")]
    status: str
    device_id: str
    device_owner: str
    host: Annotated[str, F("binding:host_id", rule="get_port:binding:host_id")]
    vnic_type: Annotated[str, F("binding:vnic_type")]
    profile: Annotated[dict[str, Any], F("binding:profile", rule="get_port:binding:profile")]
    vif_type: Annotated[str, F("binding:vif_type", rule="get_port:binding:vif_type")]
    vif_details: Annotated[dict[str, Any], F("binding:vif_details", rule="get_port:binding:vif_details")]
    port_security: Annotated[bool, F("port_security_enabled")]
    fixed_ips: list[FixedIpWire]
    security_groups: list[str]
    allowed_pairs: Annotated[list[PairWire], F("allowed_address_pairs")]
    dhcp_options: Annotated[list[DhcpOptionWire], F("extra_dhcp_opts")]
    dns_name: str
    dns_assignment: list[Assignment]
    dns_domain: str
    qos_policy_id: str | None = None
    numa_policy: Annotated[str | None, F("numa_affinity_policy")] = None
    device_profile: str | None = None


class PortsMade(Wire):
    port: PortSeen | UnsetType = UNSET
    ports: list[PortSeen] | UnsetType = UNSET


class PortFilters(Filters):
    network_id: list[str] = []
    mac: Annotated[list[str], F("mac_address")] = []
    admin_up: Annotated[list[bool], F("admin_state_up")] = []
    status: list[str] = []
    device_id: list[str] = []
    device_owner: list[str] = []
    host: Annotated[list[str], F("binding:host_id")] = []
    vnic_type: Annotated[list[str], F("binding:vnic_type")] = []
    port_security: Annotated[list[bool], F("port_security_enabled")] = []
    fixed_ips: list[str] = []
    group: Annotated[list[str], F("security_groups")] = []
    dns_name: list[str] = []
    dns_domain: list[str] = []
    numa_policy: Annotated[list[str], F("numa_affinity_policy")] = []
    device_profile: list[str] = []
    qos_policy_id: list[str] = []


def view(app: App, port: Port) -> PortSeen:
    """A port as the API shows it."""
    vif_type, vif_details = vif(port.host)
    domain = port.own_domain or port.network_domain or app.config.dns_domain
    names = {fixed.address: hostname(port.dns_name, fixed.address) for fixed in port.fixed_ips}
    return PortSeen(
        **standard(port),
        network_id=port.network_id,
        mac=port.mac,
        admin_up=port.admin_up,
        status="ACTIVE" if port.up else "DOWN",
        device_id=port.device_id,
        device_owner=port.device_owner,
        host=port.host,
        vnic_type=port.vnic_type,
        profile=port.profile,
        vif_type=vif_type,
        vif_details=vif_details,
        port_security=port.port_security,
        fixed_ips=[FixedIpWire(subnet_id=fixed.subnet, ip_address=fixed.address) for fixed in port.fixed_ips],
        security_groups=list(port.security_groups),
        allowed_pairs=[
            PairWire(ip_address=pair.address, mac_address=pair.mac or port.mac) for pair in port.allowed_pairs
        ],
        dhcp_options=[
            DhcpOptionWire(opt_name=option.name, opt_value=option.value, ip_version=option.ip_version)
            for option in port.dhcp_options
        ],
        dns_name=port.dns_name,
        dns_domain=port.dns_domain,
        numa_policy=port.numa_policy,
        device_profile=port.device_profile,
        qos_policy_id=port.qos_policy_id,
        dns_assignment=[
            Assignment(ip_address=address, hostname=name, fqdn=f"{name}.{domain.strip('.')}.")
            for address, name in names.items()
        ],
    )


def vif(host: str) -> tuple[str, dict[str, Any]]:
    """How a hypervisor on the host plugs a port: its type and its details."""
    return ("ovs", {"port_filter": True, "connectivity": "l2", "bridge_name": "br-int"}) if host else ("unbound", {})


async def port_for(app: App, caller: Caller, port_id: str) -> Port:
    """The port, if the caller sees it; raises PortNotFound."""
    found = await rows.port_find(app.db, port_id)
    own = found is not None and caller.project_id in {found.project_id, found.network_project_id}
    if found is None or not (caller.admin or "service" in caller.roles or own):
        raise PortNotFound(id=port_id)
    return found


def _values(body: PortWanted, before: tuple[DhcpOption, ...] = ()) -> dict[str, Any]:
    """What was given, in the words of the model; DHCP options are added to those before."""
    found = body.given()
    readers: dict[str, Callable[[Any], object]] = {
        "fixed_ips": lambda item: AskedIp(item.subnet_id or None, item.ip_address or None),
        "allowed_pairs": lambda item: AddressPair(item.ip_address, item.mac_address or None),
        "security_groups": lambda item: item,
    }
    for name, read in readers.items():
        if name in found:
            found[name] = tuple(read(item) for item in found[name] or ())
    if "dhcp_options" in found:
        found["dhcp_options"] = _options(found["dhcp_options"] or [], before)
    for name, empty in (("host", ""), ("profile", {})):
        if name in found and found[name] is None:
            found[name] = empty
    if found.get("mac") is not None:
        found["mac"] = found["mac"].lower().replace("-", ":")
    return {name: value for name, value in found.items() if name in NewPort.__struct_fields__}


def _options(given: list[DhcpOptionWire], before: tuple[DhcpOption, ...]) -> tuple[DhcpOption, ...]:
    """The options; one without a value takes an earlier one back."""
    kept: dict[tuple[str, int], DhcpOption] = {(option.name, option.ip_version): option for option in before}
    for option in given:
        kept.pop((option.opt_name, option.ip_version), None)
        if option.opt_value is not None:
            version = 6 if option.ip_version == 6 else 4
            kept[option.opt_name, version] = DhcpOption(option.opt_name, option.opt_value, version)  # type: ignore[arg-type]
    return tuple(kept.values())


@api.post("/ports", rule("create_port"), late=True)
async def create(call: Call[App], body: PortPost) -> PortsMade:
    """Create one port or many."""
    wanted = asked("port", body.port, body.ports)
    made = []
    async with call.app.db.transaction():
        for number, each in enumerate(wanted):
            project_id = project_of(call, each)
            network = await network_for(call.app, call.caller, each.network_id)
            target = {
                **network.policy_target(),
                "project_id": project_id,
                "tenant_id": project_id,
                "device_owner": each.device_owner,
            }
            require(call, "create", "port", each, target)
            words = words_of(call.caller, project_id)
            new = NewPort(**{**_values(each), "project_id": project_id, "number": number, "words": words})
            made.append(
                view(call.app, await commands.create_port(call.app, network, new, any_policy=call.caller.admin))
            )
    return PortsMade(port=made[0]) if body.ports is UNSET else PortsMade(ports=made)


def _narrowed(query: PortFilters) -> dict[str, object]:
    wanted = where(query)
    if "status" in wanted:
        del wanted["status"]
        wanted["up"] = In([status == "ACTIVE" for status in query.status if status in {"ACTIVE", "DOWN"}])
    if "fixed_ips" in wanted:
        del wanted["fixed_ips"]
        wanted |= _by_address(query.fixed_ips)
    return wanted


def _by_address(asked_for: list[str]) -> dict[str, object]:
    """The filters that `fixed_ips` comes to: one of these addresses, parts of addresses, and subnets."""
    parts: dict[str, list[str]] = {"ip_address": [], "ip_address_substr": [], "subnet_id": []}
    for given in asked_for:
        name, _, value = given.partition("=")
        if name not in parts:
            raise BadField(field="fixed_ips", why="give ip_address=ADDRESS, ip_address_substr=PART or subnet_id=ID")
        parts[name].append(value)
    found: dict[str, object] = {}
    if parts["ip_address"]:
        found["address"] = In(parts["ip_address"])
    if parts["ip_address_substr"]:
        found["address_part"] = Matches("|".join(re.escape(value) for value in parts["ip_address_substr"]))
    if parts["subnet_id"]:
        found["subnet"] = In(parts["subnet_id"])
    return found


@api.get("/ports", rule("get_port"), key="ports", late=True)
async def index(call: Call[App], query: PortFilters, page: Page) -> list[PortSeen]:
    """List ports: the caller's own, and those on his networks."""
    wanted = _narrowed(query)
    if not sees_all(call):
        wanted["visible"] = call.caller.project_id or ""
    found = await call.app.db.page(
        rows.LISTING, where=wanted, sort=page.sort, marker=page.marker, limit=page.limit, reverse=page.reverse
    )
    return [view(call.app, port) for port in await rows.with_addresses(call.app.db, shown(call, "port", found))]


@api.get("/ports/{port_id}", rule("get_port"), key="port", find=port_for)
async def show(call: Call[App], port: Port) -> PortSeen:
    """Show a port."""
    return view(call.app, port)


@api.put("/ports/{port_id}", rule("update_port"), key="port", find=port_for)
async def update(call: Call[App], port: Port, body: PortWanted) -> PortSeen:
    """Change a port."""
    target = dict(port.policy_target())
    target |= {name: value for name, value in body.given().items() if name == "device_owner"}
    require_named(call, "update", "port", body, target)
    values = {**_values(body, port.dhcp_options), "words": words_of(call.caller, port.project_id)}
    return view(call.app, await commands.update_port(call.app, port, values, any_policy=call.caller.admin))


@api.delete("/ports/{port_id}", rule("delete_port"), find=port_for)
async def delete(call: Call[App], port: Port) -> None:
    """Delete a port."""
    await commands.delete_port(call.app, port)
