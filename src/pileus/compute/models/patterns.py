"""Regular expressions that callers give to filter by: tame enough that no name makes one run for long.

What costs time without end is repetition inside repetition, and several repetitions that may share the same text.
"""

import re

MOST_REPETITIONS = 2

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_SET = re.compile(r"\[\^?\]?[^\]]*\]")
_REPEATS = re.compile(r"[*+{]")
_NESTED = re.compile(r"\)[*+{]")


class WildPattern(ValueError):
    """A regular expression that might run for long; the message says what is too much."""


def tame(pattern: str) -> str:
    """The pattern, or the same text taken literally where it is no regular expression; raises WildPattern."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return re.escape(pattern)
    bare = _SET.sub("x", _ESCAPED.sub("x", pattern))
    if _NESTED.search(bare):
        raise WildPattern("a group may not be repeated")
    if len(_REPEATS.findall(bare)) > MOST_REPETITIONS:
        raise WildPattern(f"it may repeat (*, + or {{}}) at most {MOST_REPETITIONS} times")
    return pattern
