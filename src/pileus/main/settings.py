"""What can be configured of the whole cloud; each service adds its own table."""

from pathlib import Path
from typing import Literal

import msgspec

from pileus.kit.config import Configured, load
from pileus.main.state import State

Service = Literal["identity", "image", "placement", "compute", "network"]
SERVICES: tuple[Service, ...] = ("identity", "image", "placement", "compute", "network")


class ExternalNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The provider network that floating IPs are on. An empty cidr means: the first free one of 172.24.0.0/13."""

    cidr: str = ""
    name: str = "public"
    physical_network: str = "external"
    masquerade: bool = True


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the cloud."""

    listen: str = "127.0.0.1:5000"
    public_url: str = ""  # what clients reach it by; derived from listen when empty
    region: str = "RegionOne"
    services: tuple[Service, ...] = SERVICES
    compute: Literal["qemu", "fake"] = "qemu"
    network: Literal["ovn", "fake"] = "ovn"
    server: Literal["granian", "uvicorn"] = "granian"
    host_name: str = ""  # this machine's name as a host; its own when empty
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    external: ExternalNetwork = ExternalNetwork()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)

    @property
    def url(self) -> str:
        """What clients reach the cloud by, without a slash at the end."""
        return (self.public_url or f"http://{self.listen}").rstrip("/")


def settings_of(state: State, given: dict[str, object], file: Path | None = None) -> Configured[Settings]:
    """The options of the cloud in a state directory."""
    return load(Settings, file or state / "config.toml", given)
