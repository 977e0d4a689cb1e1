"""Patterns are said as what they mean, where they mean something to people."""

from typing import Annotated

import msgspec
import pytest

from pileus.kit.http.words import plain

UUID = r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$(?!\n)"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (UUID, "it is not a UUID"),
        (r"^(rw|ro)$(?!\n)", "it must be one of rw, ro"),
        (r"^(on-demand|never)$", "it must be one of on-demand, never"),
        (r"^[a-z]+$", "Expected `str` matching regex '^[a-z]+$'"),
    ],
)
def test_a_pattern_is_said_plainly_if_it_is_an_id_or_a_choice(pattern: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(b'"?"', type=Annotated[str, msgspec.Meta(pattern=pattern)])
    assert said == plain(str(refused.value))


def test_any_other_reason_is_left_as_it_is() -> None:
    assert "Expected `int`, got `str`" == plain("Expected `int`, got `str`")
