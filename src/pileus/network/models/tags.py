"""Rules about tags."""

from collections.abc import Sequence

from pileus.network.errors import InvalidInput

MAX_TAGS = 50
MAX_LENGTH = 60


def checked(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags, each once, in their order; raises InvalidInput when they are too many or one is too long."""
    found = tuple(dict.fromkeys(tags))
    for tag in found:
        if not tag or len(tag) > MAX_LENGTH:
            raise InvalidInput(why=f"a tag has 1 to {MAX_LENGTH} characters, '{tag[:80]}' has {len(tag)}")
    if len(found) > MAX_TAGS:
        raise InvalidInput(why=f"a resource may have {MAX_TAGS} tags, not {len(found)}")
    return found
