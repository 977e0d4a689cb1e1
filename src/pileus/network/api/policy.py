"""Policy: the rules this service enforces, each with its default, and the check of the attributes a request names.

Neutron's way: whoever makes or changes a resource needs the rule of the act, and the rule of every attribute named
that has one; what an attribute is by default anyway needs none.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import UNSET

from pileus.kit.http.call import Call
from pileus.kit.http.kernel import BadField
from pileus.kit.http.wire import Wire, fields
from pileus.kit.policy import Rule
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.models.resources import Standard

T = TypeVar("T", bound=Standard)

RULES: dict[str, str] = {
    "create_address_scope": "admin or project member",
    "create_address_scope:shared": "admin",
    "get_address_scope": "admin or project reader or field address_scopes:shared=True",
    "update_address_scope": "admin or project member",
    "update_address_scope:shared": "admin",
    "delete_address_scope": "admin or project member",
    "get_auto_allocated_topology": "admin or project reader",
    "delete_auto_allocated_topology": "admin or project member",
    "create_rbac_policy": "admin or project member",
    "create_rbac_policy:target_tenant": "admin or not(field rbac_policy:target_project=*) & not(field rbac_policy:target_tenant=*)",
    "get_rbac_policy": "admin or project reader",
    "update_rbac_policy": "admin or project member",
    "update_rbac_policy:target_tenant": "admin or not(field rbac_policy:target_project=*) & not(field rbac_policy:target_tenant=*)",
    "delete_rbac_policy": "admin or project member",
    "create_subnetpool": "admin or project member",
    "create_subnetpool:shared": "admin",
    "create_subnetpool:is_default": "admin",
    "create_subnetpool:tags": "admin or project member",
    "get_subnetpool": "admin or project reader or field subnetpools:shared=True",
    "get_subnetpool:tags": "admin or project reader or field subnetpools:shared=True",
    "update_subnetpool": "admin or project member",
    "update_subnetpool:is_default": "admin",
    "update_subnetpool:tags": "admin or project member",
    "delete_subnetpool": "admin or project member",
    "delete_subnetpool:tags": "admin or project member",
    "create_port_binding": "service",
    "get_port_binding": "admin or service",
    "delete_port_binding": "service",
    "get_agent": "admin",
    "update_agent": "admin",
    "delete_agent": "admin",
    "get_availability_zone": "reader",
    "create_floatingip": "admin or project member",
    "create_floatingip:floating_ip_address": "admin or project manager",
    "create_floatingip:tags": "admin or project member",
    "get_floatingip": "admin or project reader",
    "get_floatingip:tags": "admin or project reader",
    "update_floatingip": "admin or project member",
    "update_floatingip:tags": "admin or project member",
    "delete_floatingip": "admin or project member",
    "delete_floatingip:tags": "admin or project member",
    "create_network": "admin or project member",
    "create_network:shared": "admin",
    "create_network:router:external": "admin",
    "create_network:is_default": "admin",
    "create_network:port_security_enabled": "admin or project member",
    "create_network:provider:network_type": "admin",
    "create_network:provider:physical_network": "admin",
    "create_network:provider:segmentation_id": "admin",
    "create_network:tags": "admin or project member",
    "get_network": "admin or project reader or service or field networks:shared=True or field networks:router:external=True or advsvc",
    "get_network:provider:network_type": "admin",
    "get_network:provider:physical_network": "admin",
    "get_network:provider:segmentation_id": "admin",
    "get_network:tags": "admin or project reader or field networks:shared=True or field networks:router:external=True or advsvc",
    "update_network": "admin or project member",
    "update_network:shared": "admin",
    "update_network:provider:network_type": "admin",
    "update_network:provider:physical_network": "admin",
    "update_network:provider:segmentation_id": "admin",
    "update_network:router:external": "admin",
    "update_network:is_default": "admin",
    "update_network:port_security_enabled": "admin or project member",
    "update_network:tags": "admin or project member",
    "delete_network": "admin or project member",
    "delete_network:tags": "admin or project member",
    "get_network_ip_availability": "admin or service",
    "create_port": "admin or service or member[project=network:project_id] or field networks:shared=True",
    "create_port:device_id": "admin or project member or service",
    "create_port:device_owner": "admin or not(field port:device_owner=~^network:) or service or member[project=network:project_id]",
    "create_port:mac_address": "admin or service or member[project=network:project_id]",
    "create_port:fixed_ips": "admin or service or member[project=network:project_id] or field networks:shared=True",
    "create_port:fixed_ips:ip_address": "admin or service or member[project=network:project_id]",
    "create_port:fixed_ips:subnet_id": "admin or service or member[project=network:project_id] or field networks:shared=True",
    "create_port:port_security_enabled": "admin or service or member[project=network:project_id]",
    "create_port:binding:host_id": "admin or service",
    "create_port:binding:profile": "service",
    "create_port:binding:vnic_type": "admin or project member or service",
    "create_port:allowed_address_pairs": "admin or member[project=network:project_id] or service",
    "create_port:allowed_address_pairs:mac_address": "admin or member[project=network:project_id] or service",
    "create_port:allowed_address_pairs:ip_address": "admin or member[project=network:project_id] or service",
    "create_port:tags": "admin or project member or advsvc",
    "get_port": "admin or service or reader[project=network:project_id] or project reader",
    "get_port:binding:vif_type": "admin or service",
    "get_port:binding:vif_details": "admin or service",
    "get_port:binding:host_id": "admin or service",
    "get_port:binding:profile": "admin or service",
    "get_port:tags": "admin or advsvc or reader[project=network:project_id] or project reader",
    "update_port": "admin or service or project member",
    "update_port:device_id": "admin or project member or service",
    "update_port:device_owner": "admin or not(field port:device_owner=~^network:) or service or member[project=network:project_id]",
    "update_port:mac_address": "admin or service or manager[project=network:project_id]",
    "update_port:fixed_ips": "admin or service or member[project=network:project_id]",
    "update_port:fixed_ips:ip_address": "admin or service or member[project=network:project_id]",
    "update_port:fixed_ips:subnet_id": "admin or service or member[project=network:project_id] or field networks:shared=True",
    "update_port:port_security_enabled": "admin or service or member[project=network:project_id]",
    "update_port:binding:host_id": "admin or service",
    "update_port:binding:profile": "service",
    "update_port:binding:vnic_type": "admin or service or project member",
    "update_port:allowed_address_pairs": "admin or member[project=network:project_id] or service",
    "update_port:allowed_address_pairs:mac_address": "admin or member[project=network:project_id] or service",
    "update_port:allowed_address_pairs:ip_address": "admin or member[project=network:project_id] or service",
    "update_port:tags": "admin or project member or advsvc",
    "delete_port": "admin or service or member[project=network:project_id] or project member",
    "delete_port:tags": "admin or advsvc or project member or member[project=network:project_id]",
    "get_quota": "admin or project manager",
    "update_quota": "admin",
    "delete_quota": "admin",
    "create_router": "admin or project member",
    "create_router:distributed": "admin",
    "create_router:ha": "admin",
    "create_router:external_gateway_info": "admin or project member",
    "create_router:external_gateway_info:network_id": "admin or project member",
    "create_router:external_gateway_info:enable_snat": "admin",
    "create_router:external_gateway_info:external_fixed_ips": "admin",
    "create_router:tags": "admin or project member",
    "get_router": "admin or project reader",
    "get_router:distributed": "admin",
    "get_router:ha": "admin",
    "get_router:tags": "admin or project reader",
    "update_router": "admin or project member",
    "update_router:distributed": "admin",
    "update_router:ha": "admin",
    "update_router:external_gateway_info": "admin or project member",
    "update_router:external_gateway_info:network_id": "admin or project member",
    "update_router:external_gateway_info:enable_snat": "admin",
    "update_router:external_gateway_info:external_fixed_ips": "admin",
    "update_router:tags": "admin or project member",
    "delete_router": "admin or project member",
    "delete_router:tags": "admin or project member",
    "add_router_interface": "admin or project member",
    "remove_router_interface": "admin or project member",
    "add_extraroutes": "admin or project member",
    "remove_extraroutes": "admin or project member",
    "create_security_group": "admin or project member",
    "create_security_group:tags": "admin or project member",
    "get_security_group": "admin or project reader or field security_groups:shared=True",
    "get_security_group:tags": "admin or project reader or field security_groups:shared=True",
    "update_security_group": "admin or project member",
    "update_security_group:tags": "admin or project member",
    "delete_security_group": "admin or project member",
    "delete_security_group:tags": "admin or project member",
    "create_security_group_rule": "admin or member[project=security_group:project_id]",
    "get_security_group_rule": "admin or reader[project=security_group:project_id]",
    "delete_security_group_rule": "admin or member[project=security_group:project_id]",
    "create_subnet": "admin or member[project=network:project_id]",
    "create_subnet:service_types": "admin",
    "create_subnet:tags": "admin or project member or member[project=network:project_id]",
    "get_subnet": "admin or project reader or field networks:shared=True or field subnets:router:external=True or reader[project=network:project_id] or service",
    "get_subnet:tags": "admin or project reader or field networks:shared=True or field subnets:router:external=True or reader[project=network:project_id]",
    "update_subnet": "admin or project member or member[project=network:project_id]",
    "update_subnet:service_types": "admin",
    "update_subnet:tags": "admin or project member or member[project=network:project_id]",
    "delete_subnet": "admin or project member or member[project=network:project_id]",
    "delete_subnet:tags": "admin or project member or member[project=network:project_id]",
}
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
