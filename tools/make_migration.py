"""Write a service's next migration from its tables: `tools/make_migration.py SERVICE NAME`.

Compares the MetaData in `pileus.SERVICE.tables` with what the migrations so far make, and writes
src/pileus/SERVICE/migrations/NNNN_NAME.py. Read what it wrote: a renamed column looks like one dropped and one added.
"""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

SOURCE = Path(__file__).resolve().parent.parent / "src"
sys.path.insert(0, str(SOURCE))

from pileus.kit.db.upgrade import autogenerate  # noqa: E402


def main() -> int:
    """Write the file and say where; 1 when there is nothing to write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service")
    parser.add_argument("name", help="what the migration does, as words_with_underscores")
    chosen = parser.parse_args()
    tables = vars(importlib.import_module(f"pileus.{chosen.service}.tables"))
    declared = [value for value in tables.values() if isinstance(value, sa.MetaData)]
    directory = SOURCE / "pileus" / chosen.service / "migrations"
    written = autogenerate(chosen.service, declared, directory, chosen.name)
    if written is None:
        print("the migrations make the tables as they are declared; nothing to write")
        return 1
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(written)], check=False)
    print(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
