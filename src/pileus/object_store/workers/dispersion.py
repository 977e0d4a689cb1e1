"""The dispersion report: of some partitions, how many copies are where the ring says they belong."""

from collections.abc import Sequence

import msgspec

from pileus.object_store.disk.names import META, Named, named
from pileus.object_store.errors import StorageProblem
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.ring.places import Place
from pileus.object_store.workers.progress import Progress

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


class Reporter:
    """Makes the report now and then, so that its line tells how well things are spread."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def run(self) -> str | None:
        """It is known how well the objects of each policy are spread."""
        progress = Progress()
        found = await report(self._cluster)
        for one in found:
            progress.seen += one.wanted
            progress.done += one.found
            progress.failed += one.silent
        return "; ".join(f"policy {one.policy}: {one.percent:.2f} % of copies where they belong" for one in found)


async def report(cluster: Cluster) -> list[Dispersion]:
    """How well the objects of each policy are spread, by partitions spread evenly over the ring."""
    return [await _of(cluster, index) for index in sorted(cluster.rings.objects)]


async def _of(cluster: Cluster, policy: int) -> Dispersion:
    ring = cluster.rings.objects[policy]
    known = cluster.rings.policies[policy]
    made = Dispersion(known.name)
    for partition in range(0, ring.partitions, max(1, ring.partitions // MOST)):
        places = ring.places(partition)
        held: list[dict[str, str]] = []
        for place in places:
            try:
                held.append(await cluster.servers.of(place).replicas.suffixes(place, policy))
            except StorageProblem:
                made.silent += 1
                held.append({})
        every = sorted({suffix for one in held for suffix in one})
        made.partitions += bool(every)
        if known.fragments is not None:
            await _fragments(cluster, policy, places, every, made)
            continue
        for suffix in every:
            # The hash most copies have is taken for the right one.
            hashes = [one[suffix] for one in held if suffix in one]
            best = max(sorted(set(hashes)), key=hashes.count)
            made.wanted += len(held)
            made.found += hashes.count(best)
    return made


async def _fragments(
    cluster: Cluster, policy: int, places: Sequence[Place], suffixes: Sequence[str], made: Dispersion
) -> None:
    """Each place has its fragment of what is newest anywhere, or knows that it is gone."""
    for suffix in suffixes:
        held: list[list[Named]] = []
        for place in places:
            try:
                names = await cluster.servers.of(place).replicas.names(place, policy, suffix)
            except StorageProblem:
                names = []
            held.append([one for one in map(named, names) if one is not None and one.durable and one.kind != META])
        for hash in {one.hash for files in held for one in files}:
            newest = max(one.stamp for files in held for one in files if one.hash == hash)
            made.wanted += len(places)
            made.found += sum(
                any(one.hash == hash and one.stamp == newest and one.fragment in {number, None} for one in files)
                for number, files in enumerate(held)
            )
