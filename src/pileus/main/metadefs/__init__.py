"""The usual catalog of metadata definitions: what clouds call the properties of images, volumes, flavors and servers.

Names, types and values are those of OpenStack Image; what they mean is said in our words. A new cloud is given them once, and
what its administrators make of them stays.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def catalog() -> Iterator[dict[str, Any]]:
    """Each namespace with all it holds, as the image API takes it."""
    for file in sorted(HERE.glob("*.toml")):
        for name, space in tomllib.loads(file.read_text()).items():
            yield {"namespace": name, "visibility": "public", **space}
