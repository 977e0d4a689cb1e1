#!/usr/bin/env python3
"""Registry: no committed file says where packages come from, nor names a folder of the machine it was written on.

Where packages come from is the business of whoever installs: pip's and apt's own settings say it.
"""

import re
import sys
from collections.abc import Iterator

import house

# The patterns are written so that they do not match themselves.
WRONG = {
    r"https?://[^/\s\"']*(py[p]i|python[h]osted|artif[a]ctory|npm[j]s|regis[t]ry)[^/\s\"']*": "the address of a registry",
    r"--(extra-)?index-[u]rl|--find-[l]inks|--trusted-[h]ost": "an option that says where packages come from",
    r"(?<![\w.])/w[o]rk/[a-z.]": "a folder of somebody's machine",
    r"(?<![\w.])/(h[o]me/[a-z]+|r[o]ot)/[\w.]*(pileus|pyenv|src)": "a folder of somebody's machine",
    r"/opt/(wh[e]els|py[p]i)": "a folder of somebody's machine",
}
LOOKS = [(re.compile(pattern), why) for pattern, why in WRONG.items()]


def complaints_about(name: str, text: str) -> Iterator[str]:
    """Where a text names a registry or a workplace."""
    for number, line in enumerate(text.splitlines(), start=1):
        for look, why in LOOKS:
            if look.search(line):
                yield f"{name}:{number}: {why}"


def complaints() -> Iterator[str]:
    """The same for every committed file that is text."""
    for path in house.committed():
        raw = (house.ROOT / path).read_bytes()
        if b"\0" not in raw:
            yield from complaints_about(str(path), raw.decode(errors="replace"))


if __name__ == "__main__":
    sys.exit(house.verdict("registry", list(complaints())))
