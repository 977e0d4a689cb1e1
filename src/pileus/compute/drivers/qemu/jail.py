"""What a program that reads what guests wrote may do: little.

QEMU and qemu-img run as the server's own user, without capabilities or the way to new ones. `Jail` only makes the
words that go before such a command; whoever runs without root has no privileges to drop.
"""

import grp

import msgspec

# An image can make qemu-img use much memory and time; neither is worth more than this.
IMAGE_TOOL = ("prlimit", "--as=2147483648", "--cpu=300", "nice", "-n", "10")


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


def kvm_groups() -> tuple[int, ...]:
    """The group that may open /dev/kvm, where there is one."""
    try:
        return (grp.getgrnam("kvm").gr_gid,)
    except KeyError:
        return ()
