"""What a drill plays with: a user, the things he has made, and how the cloud says they are.

A thing is known by its kind ("server", "router" ...) and has a name of its own each time it is made anew, so that one whose
making was never acknowledged is found again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pileus.main.client import ApiProblem, Client
from pileus.main.drill_files import VolumeFolders

Json = dict[str, Any]
ABSENT = "absent"


class Kind(msgspec.Struct, frozen=True):
    """Where things of a kind are listed, and the key of one and of many."""

    service: str
    path: str
    one: str
    many: str
    called: str = "name"  # floating IPs have no name


KINDS: Mapping[str, Kind] = {
    "server": Kind("compute", "/servers", "server", "servers"),
    "image": Kind("image", "/v2/images", "", "images"),
    "router": Kind("network", "/v2.0/routers", "router", "routers"),
    "floatingip": Kind("network", "/v2.0/floatingips", "floatingip", "floatingips", "description"),
    "security_group": Kind("network", "/v2.0/security-groups", "security_group", "security_groups"),
    "subnet": Kind("network", "/v2.0/subnets", "subnet", "subnets"),
    "volume": Kind("block-storage", "/volumes", "volume", "volumes"),
    "clone": Kind("block-storage", "/volumes", "volume", "volumes"),
    "volume snapshot": Kind("block-storage", "/snapshots", "snapshot", "snapshots"),
    "backup": Kind("block-storage", "/backups", "backup", "backups"),
}


class Scene:
    """One user and his things; `made_of` says what a server is made of, `images` which there are."""

    def __init__(self, log_in: Callable[[], Client], made_of: Json, images: Mapping[str, str], external: str) -> None:
        self._log_in = log_in
        self._client: Client | None = None
        self.made_of = made_of
        self.images = images
        self.external = external  # the name of the network outside
        self.folders = VolumeFolders()
        self._number = 0
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    @property
    def client(self) -> Client:
        """The user; his token outlives the process that issued it."""
        if self._client is None:
            self._client = self._log_in()
        return self._client

    def anew(self, kind: str) -> None:
        """The next thing of this kind is another than the last."""
        self._number += 1
        self._names[kind] = f"drill-{kind}-{self._number}"
        self._ids.pop(kind, None)

    def name(self, kind: str) -> str:
        """What the thing is called."""
        return self._names[kind]

    def make(self, kind: str, about: Json) -> None:
        """The thing is asked for, under its name."""
        its = KINDS[kind]
        named = {**about, its.called: self._names[kind]}
        made = self.client.post(its.service, its.path, {its.one: named} if its.one else named)
        self._ids[kind] = str((made[its.one] if its.one else made)["id"])

    def id(self, kind: str) -> str | None:
        """Its id, also where its making was not acknowledged; None when there is none."""
        if kind not in self._ids and kind in self._names:
            its = KINDS[kind]
            for found in self.client.get(its.service, its.path, **{its.called: self._names[kind]})[its.many]:
                self._ids[kind] = str(found["id"])
        return self._ids.get(kind)

    def change(self, method: str, kind: str, below: str = "", body: Json | None = None) -> Json:
        """Something is asked of the thing."""
        its = KINDS[kind]
        return self.client.ask(method, its.service, f"{its.path}/{self.id(kind)}{below}", body)

    def show(self, kind: str) -> Json | None:
        """The thing as the cloud shows it."""
        id, its = self.id(kind), KINDS[kind]
        if id is None:
            return None
        try:
            shown = self.client.get(its.service, f"{its.path}/{id}")
        except ApiProblem as problem:
            if "answered 404" in problem.message:
                return None
            raise
        return dict(shown[its.one]) if its.one else shown

    def server(self) -> str:
        """How the server is; `busy` while something is under way."""
        found = self.show("server")
        if found is None:
            return ABSENT
        return str(found["status"]) if found["OS-EXT-STS:task_state"] is None else "busy"

    def there(self, kind: str) -> str:
        """Whether the thing is there."""
        return ABSENT if self.show(kind) is None else "there"

    def port(self) -> str:
        """The server's port."""
        found = self.client.get("network", "/v2.0/ports", device_id=self.id("server") or "")["ports"]
        return str(found[0]["id"])

    def outside(self) -> str:
        """The network outside."""
        found = self.client.by_name("network", "/v2.0/networks", "networks", self.external)
        assert found is not None
        return str(found["id"])

    def subnet(self) -> str:
        """The subnet that servers are in."""
        network = self.made_of["networks"][0]["uuid"]
        return str(self.client.get("network", "/v2.0/subnets", network_id=network)["subnets"][0]["id"])
