"""Kinds of errors: what went wrong, in the words of whoever has to act on it.

A service's errors are classes below one of the kinds here; the class docstring is the message, a format string over
the keyword arguments; the class name is the stable code. A service's dialect turns the kind into a status and an
envelope, so commands raise and handlers never catch.
"""

from typing import ClassVar


class Problem(Exception):
    """Something the caller can be told."""

    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, /, **facts: object) -> None:
        self.facts = facts
        self.message = message if message is not None else _message(type(self)).format(**facts)
        super().__init__(self.message)

    @property
    def code(self) -> str:
        """The stable name of the error."""
        return type(self).__name__


def _message(kind: type[Problem]) -> str:
    doc = kind.__doc__ or kind.__name__
    return " ".join(doc.split())


class Invalid(Problem):
    """The request is not valid."""

    status = 400


class Unauthorized(Problem):
    """The request you have made requires authentication."""

    status = 401


class Denied(Problem):
    """You are not allowed to do this."""

    status = 403


class OverQuota(Problem):
    """The quota is exhausted."""

    status = 403


class NotFound(Problem):
    """The resource could not be found."""

    status = 404


class MethodNotAllowed(Problem):
    """This method is not allowed here."""

    status = 405


class NotAcceptable(Problem):
    """No version of the API fits the request."""

    status = 406


class TookTooLong(Problem):
    """The request came so slowly that it was given up; send it again over a better line."""

    status = 408


class Conflict(Problem):
    """The request conflicts with the state of the resource."""

    status = 409


class PreconditionFailed(Problem):
    """A condition of the request does not hold."""

    status = 412


class TooLarge(Problem):
    """The request body is too large."""

    status = 413


class UnsupportedMedia(Problem):
    """The content type is not supported here."""

    status = 415


class NotImplementedHere(Problem):
    """This cloud does not offer that."""

    status = 501


class Unavailable(Problem):
    """The service cannot answer now; try again."""

    status = 503
