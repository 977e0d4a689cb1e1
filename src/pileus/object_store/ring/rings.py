"""The rings of one cluster: one for accounts, one for containers, one for the objects of each storage policy."""

import msgspec

from pileus.object_store.models.paths import Path
from pileus.object_store.ring.places import Place, Ring

REMEMBERED = 1024  # hashes


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A way of keeping objects; a container has one for all its objects, for ever."""

    index: int
    name: str
    aliases: tuple[str, ...] = ()
    default: bool = False
    deprecated: bool = False
    fragments: tuple[int, int] | None = None  # data and parity of an erasure code; None: whole copies


class Rings:
    """Tells where accounts, containers and objects belong."""

    def __init__(
        self, accounts: Ring, containers: Ring, objects: dict[int, Ring], policies: tuple[Policy, ...], salt: str
    ) -> None:
        self.accounts = accounts
        self.containers = containers
        self.objects = objects
        self.policies = {policy.index: policy for policy in policies}
        self.salt = salt
        self._hashes: dict[Path, str] = {}

    def become(self, other: "Rings") -> None:
        """Everything is where the other rings say, for whoever holds these."""
        self.accounts, self.containers, self.objects = other.accounts, other.containers, other.objects
        self.policies, self.salt = other.policies, other.salt
        self._hashes.clear()

    @property
    def default(self) -> Policy:
        """The policy of containers that name none."""
        return next(policy for policy in self.policies.values() if policy.default)

    def policy(self, name: str) -> Policy | None:
        """The policy with this name or alias, however written."""
        low = name.lower()
        for policy in self.policies.values():
            if low in {policy.name.lower(), *(alias.lower() for alias in policy.aliases)}:
                return policy
        return None

    def ring(self, path: Path, policy: int = 0) -> Ring:
        """The ring a path is on."""
        if path.depth == 3:
            return self.objects[policy]
        return self.containers if path.depth == 2 else self.accounts

    def hash(self, path: Path) -> str:
        """The hash of a path in this cluster."""
        found = self._hashes.get(path)
        if found is None:  # a request asks for the same several times
            if len(self._hashes) >= REMEMBERED:
                self._hashes.clear()
            found = self._hashes[path] = path.hash(self.salt)
        return found

    def places(self, path: Path, policy: int = 0) -> list[Place]:
        """Where a path belongs."""
        ring = self.ring(path, policy)
        return ring.places(ring.partition(self.hash(path)))
