"""How hosts know that they have the same directory mounted: by a file in it with a name of its own."""

import os
import uuid
from pathlib import Path

from pileus.block_storage.drivers.interface import DriverError

MARK = ".pileus-volumes"


def mark_of(shared: Path) -> str:
    """What the store is called; raises DriverError where the directory is not mounted."""
    mark = shared / MARK
    if not mark.exists():
        if not os.path.ismount(shared):
            why = f"{shared} is no mount point and has no file {MARK}: mount it, or make the file if it shall serve as it is"
            raise DriverError("The shared directory cannot be used", why)
        part = shared / f"{MARK}.{uuid.uuid4().hex}"
        part.write_text(str(uuid.uuid4()))
        try:
            os.link(part, mark)  # the first of several hosts decides
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return mark.read_text().strip()
