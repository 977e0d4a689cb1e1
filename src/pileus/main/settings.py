"""What can be configured of the whole cloud; each service adds its own table."""

import ipaddress
import json
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pileus.block_storage.config import BlockStorageConfig
from pileus.compute.config import ComputeConfig
from pileus.identity.config import Config as IdentityConfig
from pileus.image.config import ImageConfig
from pileus.kit.config import Configured, load
from pileus.main.blocks import BLOCKS, claim_block
from pileus.main.state import State, write_whole
from pileus.network.config import NetworkConfig
from pileus.object_store.config import ObjectStoreConfig

Service = Literal["identity", "image", "placement", "compute", "network", "object_store", "block_storage"]
VolumeDriver = Literal["file", "shared", "rbd", "lvm", "fake"]
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  what one listens on to be reached from all sides
SERVICES: tuple[Service, ...] = (
    "identity",
    "image",
    "placement",
    "compute",
    "network",
    "object_store",
    "block_storage",
)


class ExternalNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider network that floating IPs are on. An empty cidr means: the first free one of 172.24.0.0/13."""

    cidr: str = ""
    name: str = "public"
    physical_network: str = "external"
    masquerade: bool = True


class VolumeBackend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A back end of volumes on this host: what it is, and what that needs."""

    driver: VolumeDriver | Literal[""] = ""  # what volume_driver says, when empty
    path: str = ""  # file, shared: the directory; below the state directory when empty
    format: Literal["raw", "qcow2"] = "raw"  # file, shared: what new volumes are
    pool: str = "volumes"  # rbd: the pool,
    conf: str = "/etc/ceph/ceph.conf"  # the cluster's configuration on this host,
    user: str = "admin"  # and whose key is used
    group: str = "volumes"  # lvm: the volume group,
    thin_pool: str = "thin"  # and the thin pool in it


class VolumeServing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where this host may be asked, by other hosts, for volumes that only it keeps: nowhere while the address is empty."""

    address: str = ""
    first_port: int = 49500
    last_port: int = 49999


class VolumeBackups(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where this host keeps backups of volumes: in files, in this cloud's object storage, or in another cloud's."""

    driver: Literal["files", "objects", "swift"] = "files"
    path: str = ""  # files: a directory that hosts have mounted; each back end's own folder when empty
    auth_url: str = ""  # swift: Keystone's address with its version, as https://cloud:5000/identity/v3,
    username: str = ""  # who asks there,
    password_file: str = ""  # a file with the password,
    project: str = ""  # whose containers these are,
    user_domain: str = "Default"
    project_domain: str = "Default"
    region: str = ""  # the catalog's first when empty,
    container: str = "volume_backups"
    authority: str = ""  # and the certificate authority to believe, besides those of the system


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the cloud."""

    listen: str = "127.0.0.1:5000"
    public_url: str = ""  # what clients reach it by; derived from listen when empty
    region: str = "RegionOne"
    database: str = ""  # postgresql://user@host/name; the state directory's own SQLite file when empty
    services: tuple[Service, ...] = SERVICES
    compute_driver: Literal["qemu", "fake"] = "qemu"
    network_driver: Literal["ovn", "fake"] = "ovn"
    volume_driver: Literal["file", "fake", ""] = ""  # fake where servers are, unless something is said
    volume_backends: dict[str, VolumeBackend] = {}  # by name; these instead of volume_driver's
    volume_backups: VolumeBackups = VolumeBackups()
    volume_serving: VolumeServing = VolumeServing()
    server: Literal["granian", "uvicorn"] = "granian"
    agent: bool = True  # whether this machine is a host as well, and has the network; not for further controllers
    host_name: str = ""  # this machine's name as a host; its own when empty
    hosts_listen: str = ""  # where hosts from afar reach this controller; nowhere when empty
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tls_certificate: str = ""  # PEM files of the operator's own; ours are made when both are empty and it is needed
    tls_key: str = ""
    external: ExternalNetwork = ExternalNetwork()
    identity: IdentityConfig = IdentityConfig()
    image: ImageConfig = ImageConfig()
    compute: ComputeConfig = ComputeConfig()
    network: NetworkConfig = NetworkConfig()
    object_store: ObjectStoreConfig = ObjectStoreConfig()
    block_storage: BlockStorageConfig = BlockStorageConfig()

    def __post_init__(self) -> None:
        """Raises ValueError where an option cannot be meant so."""
        for name, text in (("listen", self.listen), ("hosts_listen", self.hosts_listen)):
            if not _is_address(text) and (text or name == "listen"):
                raise ValueError(f"option '{name}': it is HOST:PORT, such as 127.0.0.1:5000, not '{text}'")
        if self.public_url and not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", self.public_url):
            raise ValueError("option 'public_url': it is an address such as https://cloud.example.org:5000")
        if self.database and not self.database.startswith(("postgresql://", "postgres://")):
            # Not the value: it may hold a password.
            raise ValueError("option 'database': it is postgresql://user@host/name, or empty for a file of its own")
        if bool(self.tls_certificate) != bool(self.tls_key):
            missing = "tls_key" if self.tls_certificate else "tls_certificate"
            raise ValueError(f"option '{missing}': a certificate and its key are given together")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)

    @property
    def url(self) -> str:
        """What clients reach the cloud by, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host, port = self.address
        if host in EVERYWHERE:
            host = own_address()
        return f"{'https' if self.encrypted else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def encrypted(self) -> bool:
        """Whether the APIs answer by TLS: always where others can hear."""
        host, _ = self.address
        try:
            return bool(self.tls_certificate) or not ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    digits = port.isascii() and port.isdigit() and len(port) < 6
    return bool(colon) and digits and int(port) < 65536 and not re.search(r"[\s/]", host)


def own_address() -> str:
    """The address this machine has towards the world, else loopback. Nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def settings_of(state: State, given: dict[str, object], file: Path | None = None) -> Configured[Settings]:
    """The options of the cloud in a state directory."""
    return load(Settings, file or state / "config.toml", given)


def remember(state: State, settings: Settings, given: dict[str, object]) -> Settings:
    """What the command line gave, and what had to be chosen, stands in config.toml for every later command."""
    if settings.network_driver == "ovn" and not settings.external.cidr:
        chosen = msgspec.structs.replace(settings.external, cidr=claim_block(state.path))
        settings = msgspec.structs.replace(settings, external=chosen)
        given = {**given, "external.cidr": chosen.cidr}
    elif settings.network_driver == "fake" and not settings.external.cidr:
        settings = msgspec.structs.replace(
            settings, external=msgspec.structs.replace(settings.external, cidr=BLOCKS[0])
        )
        given = {**given, "external.cidr": BLOCKS[0]}
    remember_only(state, given)
    return settings


def remember_only(state: State, given: Mapping[str, object]) -> None:
    """These options, by dotted names, stand in config.toml beside what stands there."""
    file = state / "config.toml"
    table = tomllib.loads(file.read_text()) if file.exists() else {}
    for dotted, value in given.items():
        *path, last = dotted.split(".")
        inner = table
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value or inner.get(last, value) if isinstance(value, dict) else value
    if given:
        write_whole(file, _toml(table), mode=0o600)  # a database's address may hold a password


def _key(name: str) -> str:
    """A key as TOML writes it: bare where it may be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _toml(table: Mapping[str, object], above: str = "") -> str:
    """TOML of scalars, lists and tables of them, however deep."""
    plain = [f"{_key(key)} = {json.dumps(value)}\n" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            name = f"{above}{_key(key)}"
            plain += [f"\n[{name}]\n", _toml(value, f"{name}.")]
    return "".join(plain)
