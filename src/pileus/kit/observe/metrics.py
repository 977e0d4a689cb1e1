"""Measurements in Prometheus' text format: what is counted here, and how anything counted elsewhere is written down.

A counter costs a dictionary lookup; nothing is kept but numbers. What is read from tables is read when somebody asks.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds: from what a page without database takes to what a client's patience ends at.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

_PAGE = os.sysconf("SC_PAGE_SIZE")

# Anybody may write any word there, and each would be a row for ever.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Labels = Mapping[str, str]
Kind = Literal["counter", "gauge", "histogram"]


class Sample(msgspec.Struct, frozen=True):
    """One number; `suffix` goes behind the family's name."""

    value: float
    labels: Labels = {}
    suffix: str = ""


class Family(msgspec.Struct, frozen=True):
    """Numbers of one name."""

    name: str
    kind: Kind
    about: str
    samples: tuple[Sample, ...]


class Requests:
    """Counts requests by service, method and status, and how long they took by service and method."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._seconds: dict[tuple[str, str], float] = {}

    def saw(self, service: str, method: str, status: int, seconds: float) -> None:
        """One more request was answered."""
        method = method if method in METHODS else "other"
        what = (service, method, status)
        self._counts[what] = self._counts.get(what, 0) + 1
        who = (service, method)
        buckets = self._buckets.get(who)
        if buckets is None:
            buckets = self._buckets[who] = [0] * (len(BOUNDS) + 1)
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[who] = self._seconds.get(who, 0.0) + seconds

    def families(self) -> list[Family]:
        """What was counted so far."""
        counts = tuple(
            Sample(count, {"service": service, "method": method, "status": str(status)})
            for (service, method, status), count in sorted(self._counts.items())
        )
        times = tuple(sample for who in sorted(self._buckets) for sample in self._histogram(*who))
        return [
            Family("pileus_http_requests_total", "counter", "Requests answered.", counts),
            Family("pileus_http_request_duration_seconds", "histogram", "Time to the whole answer.", times),
        ]

    def _histogram(self, service: str, method: str) -> Iterable[Sample]:
        labels = {"service": service, "method": method}
        so_far = 0
        for bound, count in zip((*BOUNDS, float("inf")), self._buckets[service, method], strict=True):
            so_far += count
            yield Sample(so_far, {**labels, "le": _number(bound)}, "_bucket")
        yield Sample(self._seconds[service, method], labels, "_sum")
        yield Sample(so_far, labels, "_count")


def process() -> list[Family]:
    """What this process takes, by the names Prometheus' own clients use."""
    cpu = time.process_time()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return [
        Family("process_cpu_seconds_total", "counter", "CPU time, user and system.", (Sample(cpu),)),
        Family("process_resident_memory_bytes", "gauge", "Memory held.", (Sample(pages * _PAGE),)),
        Family("process_open_fds", "gauge", "Open files and connections.", (Sample(files),)),
    ]


def text_of(families: Iterable[Family]) -> bytes:
    """The families as Prometheus reads them; one without samples is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines += [f"# HELP {family.name} {family.about}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{one.suffix}{_labels(one.labels)} {_number(one.value)}" for one in family.samples]
    return ("\n".join(lines) + "\n").encode()


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
