"""Volumes of images that are kept in the same Ceph: clones, made in a moment, instead of bytes that travel twice."""

import msgspec

from pileus.block_storage.drivers import rbd_commands as commands
from pileus.block_storage.drivers.disks import Spot
from pileus.block_storage.drivers.rbd_commands import Cluster, image_name
from pileus.kit.run import ProgramFailed, run

ANSWER_S = 60.0


class RbdClones:
    """Clones images of the cluster; keeps drivers.disks.ClonesImages."""

    def __init__(self, cluster: Cluster, host: str) -> None:
        self._cluster = cluster
        self._host = host

    async def clone_image(self, shared: str, at: Spot) -> bool:
        """Whether the disk is a clone of the image now; where not, its bytes have to be fetched."""
        where, _, place = shared.removeprefix("rbd://").partition("/")
        image, _, moment = place.rpartition("/")
        try:
            told = await run(self._cluster.ceph("fsid"), deadline_s=ANSWER_S)
            if msgspec.json.decode(told.out, type=dict[str, str])["fsid"] != where:
                return False
            clone = ("clone", "--rbd-default-clone-format", "2", "--image-feature", commands.FEATURES)
            spec = self._cluster.spec(image_name(at, self._host))
            done = await run(self._cluster.rbd(*clone, f"{image}@{moment}", spec), deadline_s=ANSWER_S, check=False)
        except ProgramFailed:  # whoever then fetches the bytes is told why, if that fails as well
            return False
        return done.code in {0, commands.EXISTS}
