"""The built-in guest: a small system that boots where nothing can be downloaded, for tries, demos and tests.

It is Debian's cloud kernel and busybox with a few scripts (`rootfs/`), in a disk image that any BIOS machine boots.
packages -> tree -> initrd -> disk image; `ensure` gives the finished files, `build` also writes the image somewhere.
"""

from pileus.guest.build import CannotBuildGuest, Guest, build, cached, ensure, make
from pileus.guest.disk import KERNEL_ARGS

__all__ = ["KERNEL_ARGS", "CannotBuildGuest", "Guest", "build", "cached", "ensure", "make"]
