"""Ranges of segments: from which numbers the networks of a project, or of all, get theirs."""

from collections.abc import Iterator, Sequence

import msgspec

from pileus.network.models.resources import Standard

MAX_VNI = (1 << 24) - 1
MAX_VLAN = 4094
LIMITS = {"vlan": MAX_VLAN, "geneve": MAX_VNI}


class SegmentRange(Standard, frozen=True):
    """Numbers of one kind of network. `default`: all there are, which nobody changes; `project_id` is empty where shared."""

    network_type: str
    physical_network: str  # empty for tunnels
    minimum: int
    maximum: int
    shared: bool
    default: bool

    def overlaps(self, other: "SegmentRange") -> bool:
        """Whether some number is in both."""
        return self.minimum <= other.maximum and other.minimum <= self.maximum


class Numbers(msgspec.Struct, frozen=True):
    """The numbers a project's network may get: those of its own ranges first, then those all share."""

    own: tuple[SegmentRange, ...]
    shared: tuple[SegmentRange, ...]
    taken: tuple[SegmentRange, ...]  # ranges of other projects, out of which nobody else gets one

    def free(self, used: frozenset[int]) -> Iterator[int]:
        """Those nobody uses, in the order in which they are to be tried."""
        for each in self.own:
            yield from (number for number in range(each.minimum, each.maximum + 1) if number not in used)
        for each in self.shared:
            for number in range(each.minimum, each.maximum + 1):
                if number not in used and not self.reserved(number):
                    yield number

    def reserved(self, number: int) -> bool:
        """Whether the number is another project's."""
        return any(each.minimum <= number <= each.maximum for each in self.taken)


def numbers_for(ranges: Sequence[SegmentRange], project_id: str) -> Numbers:
    """What there is for a project; the default, which holds all numbers, comes last."""
    made = [each for each in ranges if not each.default]
    shared = [*(each for each in made if each.shared), *(each for each in ranges if each.default)]
    own = [each for each in made if not each.shared and each.project_id == project_id]
    taken = [each for each in made if not each.shared and each.project_id != project_id]
    return Numbers(tuple(own), tuple(shared), tuple(taken))
