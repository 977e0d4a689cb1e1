"""What is wrong with a value, in the words of whoever has to mend it.

A decoder names the regular expression that a text does not match. Two kinds of them say something to people: a choice
of words, which is better listed, and an id, which is better called one.
"""

import re

_PATTERN = re.compile(r"^Expected `str` matching regex '\^(?P<pattern>.*)\$(?:\(\?!\\+n\))?'$")
_WORDS = re.compile(r"^\((?P<words>[A-Za-z0-9_.-]+(?:\|[A-Za-z0-9_.-]+)+)\)$")


def plain(why: str) -> str:
    """The reason, with a pattern that is a choice or an id said as such."""
    found = _PATTERN.match(why)
    if found is None:
        return why
    if found["pattern"].startswith("[0-9a-fA-F]{8}-") and found["pattern"].endswith("[0-9a-fA-F]{12}"):
        return "it is not a UUID"
    words = _WORDS.match(found["pattern"])
    return why if words is None else f"it must be one of {', '.join(words['words'].split('|'))}"
