"""What can go wrong in object storage, below HTTP; what a client is told is in proxy/asks.py."""

from pileus.kit.errors import Problem


class StorageProblem(Problem):
    """A storage server could not do what was asked."""


class Missing(StorageProblem):
    """There is no such thing here."""

    def __init__(self, stamp: str | None = None) -> None:
        super().__init__()
        self.stamp = stamp  # when it was deleted, if it ever was there


class Superseded(StorageProblem):
    """What is there is newer."""

    def __init__(self, stamp: str) -> None:
        super().__init__()
        self.stamp = stamp


class Exists(StorageProblem):
    """It is there, and must not be."""


class NotEmpty(StorageProblem):
    """There is something in it."""


class WrongPolicy(StorageProblem):
    """The container is of another storage policy."""


class Unmet(StorageProblem):
    """It should be claimed to be written, and is not, or not any more."""


class DeviceUnusable(StorageProblem):
    """Device {device} takes nothing: {why}."""

    status = 507


class Unreachable(StorageProblem):
    """Storage server {server} does not answer: {why}."""

    status = 503


class Corrupt(StorageProblem):
    """{path} is damaged: {why}."""
