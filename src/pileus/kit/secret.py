"""Secrets that people carry from one command to another: passwords and tokens made up by us."""

import secrets

_TAKEN_FOR_AN_OPTION = "-"


def new_secret(octets: int) -> str:
    """That many random octets, as a word of letters, digits, `-` and `_` (RFC 4648 section 5) that no `-` begins.

    Command lines take a word that begins with `-` for an option: `--token -B0vik` is refused by all of them.
    """
    while (made := secrets.token_urlsafe(octets)).startswith(_TAKEN_FOR_AN_OPTION):
        pass
    return made
