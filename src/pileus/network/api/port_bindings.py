"""Bindings of a port: where it is, and where it is going to be while a server moves."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call
from pileus.kit.http.wire import F, Wire
from pileus.network.api.policy import rule
from pileus.network.api.ports import port_for, vif
from pileus.network.api.service import api
from pileus.network.app import Network as App
from pileus.network.commands import bindings as commands
from pileus.network.models.resources import Binding, Port

PATH = "/ports/{port_id}/bindings"


class BindingWanted(Wire, kw_only=True):
    """A binding to make or to change."""

    host: Annotated[str, Meta(min_length=1, max_length=255), F(on="c")]
    vnic_type: Literal["normal"] | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType | None = UNSET


class BindingSeen(Wire):
    """A binding as a caller sees it."""

    host: str
    vnic_type: str
    profile: dict[str, Any]
    vif_type: str
    vif_details: dict[str, Any]
    status: str
    project_id: str


def _view(port: Port, found: tuple[Binding, bool]) -> BindingSeen:
    binding, active = found
    vif_type, details = vif(binding.host)
    return BindingSeen(
        host=binding.host,
        vnic_type=binding.vnic_type,
        profile=binding.profile,
        vif_type=vif_type,
        vif_details=details,
        status="ACTIVE" if active else "INACTIVE",
        project_id=port.project_id,
    )


async def _find(app: App, caller: Caller, port_id: str, host: str = "") -> Port:
    return await port_for(app, caller, port_id)


def _values(body: BindingWanted) -> dict[str, Any]:
    found = {name: value for name, value in body.given().items() if name != "host"}
    return {**found, "profile": found["profile"] or {}} if "profile" in found else found


@api.get(PATH, rule("get_port_binding"), key="bindings", find=_find)
async def index(call: Call[App], port: Port) -> list[BindingSeen]:
    """List a port's bindings."""
    return [_view(port, found) for found in await commands.bindings_of(call.app, port)]


@api.post(PATH, rule("create_port_binding"), key="binding", find=_find)
async def create(call: Call[App], port: Port, body: BindingWanted) -> BindingSeen:
    """Bind a port to a host; inactive when it is on another."""
    values = {"vnic_type": "normal", "profile": {}, **_values(body)}
    return _view(port, await commands.create_binding(call.app, port, Binding(port.id, body.host, **values)))


@api.get(f"{PATH}/{{host}}", rule("get_port_binding"), key="binding", find=_find)
async def show(call: Call[App], port: Port, host: str) -> BindingSeen:
    """Show a port's binding to a host."""
    return _view(port, await commands.binding_on(call.app, port, host))


@api.put(f"{PATH}/{{host}}", rule("create_port_binding"), key="binding", find=_find)
async def update(call: Call[App], port: Port, host: str, body: BindingWanted) -> BindingSeen:
    """Change a port's binding to a host."""
    return _view(port, await commands.update_binding(call.app, port, host, _values(body)))


@api.put(f"{PATH}/{{host}}/activate", rule("create_port_binding"), key="binding", find=_find)
async def activate(call: Call[App], port: Port, host: str) -> BindingSeen:
    """Let the port be on the host."""
    return _view(port, await commands.activate_binding(call.app, port, host))


@api.delete(f"{PATH}/{{host}}", rule("delete_port_binding"), find=_find)
async def delete(call: Call[App], port: Port, host: str) -> None:
    """Take a port's binding to a host away."""
    await commands.delete_binding(call.app, port, host)
