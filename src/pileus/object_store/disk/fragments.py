"""Fragments of an erasure code on one device: two steps to be durable, and read by their numbers."""

import os

from pileus.kit.flow.failpoint import failpoint
from pileus.object_store.disk.durable import sync_folder
from pileus.object_store.disk.names import DATA, Files, file_name
from pileus.object_store.disk.objects import ObjectFiles, Opened
from pileus.object_store.disk.record import BadRecord
from pileus.object_store.errors import Corrupt, Missing, Superseded


class FragmentFiles(ObjectFiles):
    """Objects of one policy on a device, which may be fragments. Blocks; belongs in threads."""

    def commit(self, partition: int, hash: str, stamp: str, fragment: int) -> None:
        """A fragment counts from now on, durably, and what is older is gone; raises Missing or Superseded."""
        layout = self.layout()
        partition = layout.own(partition, hash)
        folder = self.folder(partition, hash)
        names = [file_name(hash, stamp, DATA, fragment, durable=durable) for durable in (False, True)]
        with self._locks[int(hash[-4:], 16) % 64]:
            self.recent.forget(hash)
            now = self.files(partition, hash)
            if now.newest > stamp:
                raise Superseded(now.newest)
            try:
                os.rename(*(os.path.join(folder, name) for name in names))
            except FileNotFoundError:
                if not os.path.exists(os.path.join(folder, names[1])):
                    raise Missing from None
            except OSError as failed:
                raise self.volume.unusable(failed) from failed
        sync_folder(folder)
        failpoint("object.keep", "after commit")
        self._link(os.path.join(folder, names[1]), layout)
        self._unlink(partition, names[0])
        self.tidy(partition, hash)

    def open_fragment(self, partition: int, hash: str, stamp: str, fragment: int) -> Opened:
        """A fragment, durable or not; raises Missing, or Corrupt when it had to be quarantined."""
        now = self.files(partition, hash)
        for one in (*now.fragments, *now.pending):
            if one.stamp == stamp and one.fragment == fragment:
                try:
                    return self._read(partition, hash, Files(one, now.meta))
                except FileNotFoundError:
                    break
                except BadRecord as bad:
                    self.quarantine(partition, hash)
                    raise Corrupt(path=one.name, why=bad) from bad
        raise Missing(now.tombstone.stamp if now.tombstone else None)
