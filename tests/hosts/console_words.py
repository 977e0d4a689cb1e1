"""What is read at a guest's serial console."""

import re


def without_news(said: str) -> str:
    """An answer without the lines that the built-in guest tells by itself, at any moment."""
    return re.sub(r"pileus-guest: .*\r?\n", "", said).strip()
