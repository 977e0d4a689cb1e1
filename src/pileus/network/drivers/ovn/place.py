"""Where one cloud's OVN lives on a machine: folders, sockets, and the names it takes in the kernel.

Every name in the kernel carries eight hex digits of the state directory's path, so that several clouds stand side by
side: the namespace the daemons run in, the link to the machine, the nftables table, the metadata namespaces.
"""

import hashlib
from pathlib import Path

import msgspec

INTEGRATION_BRIDGE = "br-int"
EXTERNAL_BRIDGE = "br-ex"
PHYSICAL_BRIDGE = "br-phy"


class Place(msgspec.Struct, frozen=True):
    """The OVN of the cloud with this state directory."""

    state: Path

    @property
    def digest(self) -> str:
        """Eight hex digits that tell this cloud from others on the machine."""
        return hashlib.sha256(str(self.state.resolve()).encode()).hexdigest()[:8]

    @property
    def root(self) -> Path:
        """Holds everything below."""
        return self.state.resolve() / "ovn"

    @property
    def run(self) -> Path:
        """Sockets and pid files."""
        return self.root / "run"

    @property
    def socket(self) -> Path:
        """Where the database server listens; it serves all three databases."""
        return self.run / "db.sock"

    @property
    def namespace(self) -> str:
        """The network namespace the daemons and TAPs are in."""
        return f"pileus-{self.digest}"

    @property
    def link(self) -> str:
        """The machine's end of the link to the external bridge."""
        return f"pl-{self.digest}"

    @property
    def nft_table(self) -> str:
        """The nftables table with this cloud's rules."""
        return f"pileus_{self.digest}"

    def database(self, name: str) -> Path:
        """A database's file."""
        return self.root / f"{name}.db"

    def control(self, daemon: str) -> Path:
        """A daemon's control socket."""
        return self.run / f"{daemon}.ctl"

    def pidfile(self, daemon: str) -> Path:
        """A daemon's pid file."""
        return self.run / f"{daemon}.pid"

    def log(self, daemon: str) -> Path:
        """A daemon's log."""
        return self.root / "log" / f"{daemon}.log"

    def metadata_namespace(self, network_id: str = "") -> str:
        """The namespace in which a network's metadata is served; without an id, what all of them begin with."""
        return f"plm-{self.digest}-{network_id}"
