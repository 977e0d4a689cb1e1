"""What a caller says to get servers, and what is made of it."""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.compute import errors
from pileus.compute.api.block_devices import BlockDevice, OldBlockDevice, devices_asked, old_devices_asked
from pileus.compute.api.server_volumes import SHARED_SINCE
from pileus.compute.api.service import Metadata, Name, Tag, Uuid, is_uuid
from pileus.compute.app import Compute
from pileus.compute.commands.create import NewServer
from pileus.compute.models.block_devices import DeviceAsked
from pileus.compute.models.servers import GivenFile
from pileus.kit.http import Call, F, Wire
from pileus.kit.secret import new_secret
from pileus.ports.network import NicRequest

DiskConfig = Annotated[str, msgspec.Meta(pattern=r"^(AUTO|MANUAL)$(?!\n)")]
# Names for one machine until 2.93, with their domains since then.
Label = Annotated[
    str, msgspec.Meta(min_length=2, max_length=63, pattern=r"^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$(?!\n)")
]
HostName = Annotated[str, msgspec.Meta(min_length=2, max_length=255, pattern=r"^[a-zA-Z0-9-._]*$(?!\n)")]
Count = Annotated[int, msgspec.Meta(ge=1)]
YES = frozenset({"1", "t", "true", "on", "y", "yes"})
NO = frozenset({"", "0", "f", "false", "off", "n", "no"})
MOST_AT_ONCE = 100


class Nic(Wire):
    """A network card to give the new server: on a network, or on an existing port."""

    network_id: Annotated[Uuid | None, F("uuid")] = None
    port_id: Annotated[Uuid | None, F("port")] = None
    fixed_ip: str | None = None
    early_tag: Annotated[Tag | None, F("tag", since="2.32", until="2.36")] = None
    tag: Annotated[Tag | None, F(since="2.42")] = None


class Group(Wire):
    """A security group, by name or id."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class FileGiven(Wire, kw_only=True):
    """A file to find in the new server, its contents in base64."""

    path: Annotated[str, msgspec.Meta(min_length=1)]
    contents: str


Certificates = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=255)]], msgspec.Meta(min_length=1, max_length=50)
]


class ServerCreate(Wire, kw_only=True):
    """A server to make."""

    name: Name
    flavor_id: Annotated[str | int, F("flavorRef")]
    image_id: Annotated[str, F("imageRef")] = ""
    early_nics: Annotated[list[Nic] | UnsetType, F("networks", until="2.36")] = UNSET
    nics: Annotated[list[Nic] | Literal["auto", "none"] | UnsetType, F("networks", since="2.37")]
    security_groups: list[Group] | UnsetType = UNSET
    key_name: Name | None = None
    user_data: str | None = None
    metadata: Metadata = {}
    admin_password: Annotated[str | None, F("adminPass")] = None
    access_ipv4: Annotated[str | UnsetType, F("accessIPv4")] = UNSET
    access_ipv6: Annotated[str | UnsetType, F("accessIPv6")] = UNSET
    disk_config: Annotated[DiskConfig, F("OS-DCF:diskConfig")] = "MANUAL"
    config_drive: bool | str | None = None
    zone: Annotated[Name | None, F("availability_zone")] = None
    min_count: Count | UnsetType = UNSET
    max_count: Count | UnsetType = UNSET
    wants_reservation: Annotated[bool, F("return_reservation_id")] = False
    block_devices: Annotated[list[BlockDevice], F("block_device_mapping_v2")] = []
    old_block_devices: Annotated[list[OldBlockDevice], F("block_device_mapping")] = []
    files: Annotated[list[FileGiven], F("personality", until="2.56")] = []
    description: Annotated[Annotated[str, msgspec.Meta(max_length=255)] | None, F(since="2.19")] = None
    tags: Annotated[list[Tag], F(since="2.52")] = []
    certificates: Annotated[Certificates | None, F("trusted_image_certificates", since="2.63")] = None
    host: Annotated[str | None, F(since="2.74", rule="compute:servers:create:requested_destination")] = None
    hypervisor_hostname: Annotated[str | None, F(since="2.74", rule="compute:servers:create:requested_destination")] = (
        None
    )
    early_hostname: Annotated[Label | None, F("hostname", since="2.90", until="2.93")] = None
    hostname: Annotated[HostName | None, F(since="2.94")] = None


class ServerBody(Wire, kw_only=True):
    """The body of a request for servers."""

    server: ServerCreate
    hints: Annotated[dict[str, Any], F("os:scheduler_hints")] = {}
    old_hints: Annotated[dict[str, Any], F("OS-SCH-HNT:scheduler_hints")] = {}


def asked(call: Call[Compute], body: ServerBody) -> NewServer:
    """What the caller wants, with what this cloud does not offer refused."""
    server = body.server
    zone, host = _place(call, server)
    least, most = _counts(server)
    if len(server.tags) > 50:
        raise errors.BadRequest(why="The number of tags exceeded the per-server limit 50")
    nics = _nics(server)
    if most > 1 and not isinstance(nics, str):
        _check_many(nics)
    return NewServer(
        name=server.name,
        flavor_id=str(server.flavor_id),
        image_id=server.image_id or None,
        devices=_devices(server),
        may_share_volumes=call.version >= SHARED_SINCE,
        nics=nics,
        card_tags=_card_tags(server),
        on_a_network=server.nics == "auto",
        security_groups=[] if server.security_groups is UNSET else [group.name for group in server.security_groups],
        key_name=server.key_name,
        user_data=server.user_data,
        metadata=server.metadata,
        description=server.description,
        hostname=server.hostname or server.early_hostname,
        tags=list(dict.fromkeys(server.tags)),
        hints=_hints({**body.old_hints, **body.hints}),
        zone=zone,
        host=host,
        host_must_exist=bool(server.host or server.hypervisor_hostname),
        access_ipv4=access_address(4, server.access_ipv4 or None),
        access_ipv6=access_address(6, server.access_ipv6 or None),
        disk_config=server.disk_config,
        config_drive=_config_drive(server.config_drive),
        files=[GivenFile(file.path, file.contents) for file in server.files],
        certificates=_certificates(call, server),
        min_count=least,
        max_count=most,
        admin_password=server.admin_password or new_secret(9),
        may_have_no_disk=call.allows("os_compute_api:servers:create:zero_disk_flavor"),
    )


def _check_many(nics: Sequence[NicRequest]) -> None:
    """Raise BadRequest if several servers would get the same port, or the same address."""
    if any(nic.port_id for nic in nics):
        raise errors.BadRequest(why="Unable to launch multiple instances with a single configured port ID. Please "
                                "launch your instance one by one with different ports.")  # fmt: skip
    if any(nic.fixed_ip for nic in nics):
        raise errors.BadRequest(why="max_count cannot be greater than 1 if an fixed_ip is specified.")


def _counts(server: ServerCreate) -> tuple[int, int]:
    """How many servers at least, and at most."""
    least = server.min_count if server.min_count is not UNSET else 1
    most = server.max_count if server.max_count is not UNSET else least
    if least > most:
        raise errors.BadRequest(why="min_count must be <= max_count")
    if most > MOST_AT_ONCE:
        raise errors.BadRequest(why=f"max_count is {most}; one request makes at most {MOST_AT_ONCE} servers.")
    return least, most


def access_address(version: int, text: str | None) -> str | None:
    """The address in its usual spelling; raises BadRequest if it is none of that version."""
    if text is None:
        return None
    try:
        return str(ipaddress.IPv4Address(text) if version == 4 else ipaddress.IPv6Address(text))
    except ValueError:
        raise errors.BadRequest(why=f"Invalid input for field/attribute accessIPv{version}. Value: {text}. "
                                f"'{text}' is not an IPv{version} address.") from None  # fmt: skip


def _config_drive(asked: object) -> bool:
    """Whether a config drive is asked for, in the words clients have for that."""
    word = "" if asked is None else str(asked).strip().lower()
    if word not in YES | NO:
        raise errors.BadRequest(why=f"Invalid input for field/attribute config_drive. Value: {asked}. It is a boolean.")
    return word in YES


def _hints(given: dict[str, Any]) -> dict[str, Any]:
    """The hints, with those that name things checked; what nothing here looks at is kept and shown."""
    for name in ("group", "same_host", "different_host"):
        value = given.get(name)
        ids = value if isinstance(value, list) and name != "group" else [value]
        if name in given and not all(isinstance(id, str) and is_uuid(id) for id in ids):
            raise errors.BadRequest(why=f"Invalid input for field/attribute {name}. Value: {value}. It holds UUIDs.")
    for name, fits in SHAPES.items():
        if name in given and not fits(given[name]):
            raise errors.BadRequest(why=f"Invalid input for field/attribute {name}. Value: {given[name]}.")
    return given


def _is_address(value: object) -> bool:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


# What hints look like that no scheduler here follows, but that clients are told when they get them wrong.
SHAPES: Mapping[str, Callable[[object], bool]] = {
    "build_near_host_ip": _is_address,
    "cidr": lambda value: isinstance(value, str) and re.fullmatch(r"/[0-9a-f.:]+", value) is not None,
    "target_cell": lambda value: isinstance(value, str) and 0 < len(value) <= 255,
    "different_cell": lambda value: isinstance(value, str | list),
    "query": lambda value: isinstance(value, str | dict),
}


def _certificates(call: Call[Compute], server: ServerCreate) -> list[str] | None:
    if server.certificates is not None:
        call.require("os_compute_api:servers:create:trusted_certs")
        check_certificates(server.certificates)
    return server.certificates


def check_certificates(given: list[str]) -> None:
    """Each is named once; raises BadRequest."""
    if len(set(given)) < len(given):
        raise errors.BadRequest(why="Invalid input for field/attribute trusted_image_certificates. "
                                    f"Value: {given}. {given} has non-unique elements")  # fmt: skip


def _devices(server: ServerCreate) -> list[DeviceAsked]:
    """The disks, in whichever words they are asked for; raises BadRequest."""
    if server.block_devices and server.old_block_devices:
        raise errors.BadRequest(why="Using different block_device_mapping syntaxes is not allowed in the same request.")
    if server.image_id and not is_uuid(server.image_id):
        why = f"Invalid input for field/attribute imageRef. Value: {server.image_id}. It is no UUID."
        raise errors.BadRequest(why=why)
    if not server.image_id and not server.block_devices and not server.old_block_devices:
        raise errors.BadRequest(why="Invalid imageRef provided: name an image, or a volume to boot from.")
    if server.old_block_devices:
        return old_devices_asked(server.old_block_devices, has_image=bool(server.image_id))
    return devices_asked(server.block_devices)


def _nics(server: ServerCreate) -> list[NicRequest] | Literal["auto", "none"]:
    # Clients before 2.37 may omit networks and mean: what there is, or nothing.
    chosen = server.early_nics if server.nics is UNSET else server.nics
    if chosen is UNSET or isinstance(chosen, str):
        return "none" if chosen == "none" else "auto"
    if not chosen and server.nics is UNSET:
        return "auto"
    if any(nic.network_id is None and nic.port_id is None for nic in chosen):
        raise errors.BadRequest(why="networks: each item needs a uuid or a port.")
    if any(nic.port_id and nic.fixed_ip for nic in chosen):
        raise errors.BadRequest(
            why="Specified Fixed IP cannot be used with port: the two cannot be specified together."
        )
    return [
        NicRequest(network_id=None if nic.port_id else nic.network_id, port_id=nic.port_id, fixed_ip=nic.fixed_ip)
        for nic in chosen
    ]


def _card_tags(server: ServerCreate) -> list[str | None]:
    """What the user calls each of the cards asked for."""
    chosen = server.early_nics if server.nics is UNSET else server.nics
    return [nic.tag or nic.early_tag for nic in chosen] if isinstance(chosen, list) else []


def _place(call: Call[Compute], server: ServerCreate) -> tuple[str | None, str | None]:
    """Zone and host; `zone:host` is the old way to name both."""
    zone, host = server.zone, server.host or server.hypervisor_hostname
    if server.host and server.hypervisor_hostname and server.host != server.hypervisor_hostname:
        raise errors.BadRequest(why=f"No compute host {server.host} with hypervisor {server.hypervisor_hostname}.")
    if zone is not None and ":" in zone:
        if host is not None:
            raise errors.BadRequest(why=f"Host {host} is named twice: leave it out of availability_zone '{zone}'.")
        name, *places = zone.split(":")
        if len(places) > 2:
            raise errors.BadRequest(why="Invalid input received: Unable to parse availability_zone")
        call.require("os_compute_api:servers:create:forced_host")
        zone, host = name or None, next(filter(None, places), None)
    return zone, host
