#!/usr/bin/env python3
"""Writes what is derived from the declarations, or (--check) says what is not up to date.

A generator is a function that returns texts by path; add it to GENERATORS. Generated files are committed, so that a
change of an API shows in review.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import house
import reference

sys.path.insert(0, str(house.ROOT / "src"))

Generator = Callable[[], Mapping[Path, str]]
GENERATORS: tuple[Generator, ...] = (reference.pages,)


def main() -> int:
    """Everything derived is as the declarations say, or (--check) it is said what is not."""
    complaints = []
    for generator in GENERATORS:
        for path, text in generator().items():
            place = house.ROOT / path
            if place.exists() and place.read_text() == text:
                continue
            if "--check" in sys.argv[1:]:
                complaints.append(f"{path}: not up to date; run make gen")
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)
                print(path)
    return house.verdict("generated", complaints)


if __name__ == "__main__":
    sys.exit(main())
