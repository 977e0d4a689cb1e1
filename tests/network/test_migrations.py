"""What a cloud had before an upgrade holds after it."""

import shutil
import sqlite3
from pathlib import Path

from pileus import network
from pileus.kit.db import migrate

THERE = Path(network.__file__).parent / "migrations"


async def test_shared_and_external_networks_stay_so(tmp_path: Path) -> None:
    before = tmp_path / "migrations"
    before.mkdir()
    for name in ("__init__.py", "0001_first.py"):
        shutil.copy(THERE / name, before / name)
    place = tmp_path / "cloud.sqlite"
    await migrate(place, {"network": before})
    with sqlite3.connect(place) as connection:
        for number, (shared, external) in enumerate([(1, 0), (0, 1), (0, 0)]):
            values = {
                "id": f"n{number}", "project_id": "p1", "name": "", "description": "", "tags": "[]", "revision": 0,
                "created_at": 0, "updated_at": 0, "admin_up": 1, "shared": shared, "external": external,
                "is_default": 0, "port_security": 1, "mtu": 1500, "dns_domain": "", "network_type": "geneve",
                "physical_network": "", "segmentation_id": number,
            }  # fmt: skip
            names = ", ".join(values)
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO networks ({names}) VALUES ({marks})", list(values.values()))
    connection.close()

    await migrate(place, {"network": THERE})

    with sqlite3.connect(place) as connection:
        found = connection.execute("SELECT object_id, action, target FROM rbac_policies ORDER BY object_id").fetchall()
    connection.close()
    assert [("n0", "access_as_shared", "*"), ("n1", "access_as_external", "*")] == found
