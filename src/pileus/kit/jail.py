"""What a program that reads what strangers wrote may do: little.

It runs as a user of nobody else's, without capabilities or the way to new ones. `Jail` only makes the words that go
before such a command; whoever runs without root has no privileges to drop.
"""

import hashlib
import os

import msgspec

# A disk image can make a tool use much memory and time; neither is worth more than this.
# Threads come and go with the load, and each would by itself reserve 136 MiB of addresses: then some could not begin.
LEAN = ("--stack=1048576", "env", "MALLOC_ARENA_MAX=1")
IMAGE_TOOL = ("prlimit", "--as=2147483648", "--cpu=300", *LEAN, "nice", "-n", "10")

# systemd's table of users leaves 1879048192..2147483647 to nobody; a thing's user is found there by its id.
FIRST_UID = 1_879_048_192
UIDS = 2**27


class Jail(msgspec.Struct, frozen=True):
    """A user to run as; None: whoever we are."""

    uid: int | None

    def around(self, argv: list[str], groups: tuple[int, ...] = ()) -> list[str]:
        """The command that runs `argv` inside."""
        if self.uid is None:
            return ["setpriv", "--no-new-privs", *argv]
        supplementary = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        return [
            "setpriv",
            f"--reuid={self.uid}",
            f"--regid={self.uid}",
            *supplementary,
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
            *argv,
        ]


def uid_of(id: str) -> int:
    """The user of a thing, told from its id alone."""
    return FIRST_UID + int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") % UIDS


def jail_of(id: str) -> Jail:
    """The jail of a thing; without root it drops nothing but the way to more."""
    return Jail(uid_of(id) if os.geteuid() == 0 else None)
