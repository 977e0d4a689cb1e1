"""The dispersion report: of some partitions, how many copies are where the ring says they belong."""

import msgspec

from pileus.object_store.errors import StorageProblem
from pileus.object_store.proxy.cluster import Cluster

MOST = 256  # partitions that are looked at


class Dispersion(msgspec.Struct):
    """What was found for one policy's objects."""

    policy: str
    partitions: int = 0  # looked at, of those that hold anything
    wanted: int = 0  # copies of suffixes there should be
    found: int = 0
    silent: int = 0  # places that did not answer

    @property
    def percent(self) -> float:
        """How much of what should be there is."""
        return 100 * self.found / self.wanted if self.wanted else 100.0


async def report(cluster: Cluster) -> list[Dispersion]:
    """How well the objects of each policy are spread, by partitions spread evenly over the ring."""
    return [await _of(cluster, index) for index in sorted(cluster.rings.objects)]


async def _of(cluster: Cluster, policy: int) -> Dispersion:
    ring = cluster.rings.objects[policy]
    made = Dispersion(cluster.rings.policies[policy].name)
    for partition in range(0, ring.partitions, max(1, ring.partitions // MOST)):
        held: list[dict[str, str]] = []
        for place in ring.places(partition):
            try:
                held.append(await cluster.servers.of(place).replicas.suffixes(place, policy))
            except StorageProblem:
                made.silent += 1
                held.append({})
        every = {suffix for one in held for suffix in one}
        made.partitions += bool(every)
        for suffix in every:
            # The hash most copies have is taken for the right one.
            hashes = [one[suffix] for one in held if suffix in one]
            best = max(sorted(set(hashes)), key=hashes.count)
            made.wanted += len(held)
            made.found += hashes.count(best)
    return made
