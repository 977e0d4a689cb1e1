"""Patterns that callers give are tame, or are refused."""

import re
import time

import pytest

from pileus.compute.models.patterns import WildPattern, tame


@pytest.mark.parametrize(
    "pattern", ["web", "^web-.*$", "web-[0-9]+", "(web|db)-1", "a.*b.*", r"a\*\*\*\+", "[*+*+]", "(?i)web"]
)
def test_plain_patterns_are_taken_as_they_are(pattern: str) -> None:
    assert pattern == tame(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a*)*", "a*a*a*b", ".*.*.*x", "(a{1,9}){1,9}", r"\\*\\*\\*x"]
)
def test_what_may_run_for_long_is_refused(pattern: str) -> None:
    with pytest.raises(WildPattern):
        tame(pattern)


@pytest.mark.parametrize("text", ["*", "(", "[", "a{2", "\\"])
def test_what_is_no_pattern_is_text(text: str) -> None:
    assert re.search(tame(text), f"x{text}y")


def test_the_worst_that_is_allowed_ends_soon() -> None:
    began = time.process_time()
    assert not re.search(tame("a*a*b"), "a" * 255)
    assert time.process_time() - began < 20, "a wild pattern needs hours"
