"""Bodies whose outermost shape is no wire but holds some."""

from typing import Annotated

import msgspec
import pytest

from pileus.kit.http import F, Version, Wire
from pileus.kit.http.wire import converter_of


class Part(Wire):
    amount: int
    kind: Annotated[str, F(since="1.5")]


def test_wires_in_a_dictionary_follow_the_version() -> None:
    old = converter_of(dict[str, Part], Version(1, 0), "c")({"a": {"amount": 1}})
    assert isinstance(old["a"], Part)
    assert 1 == old["a"].amount
    new = converter_of(dict[str, Part], Version(1, 5), "c")
    assert "x" == new({"a": {"amount": 1, "kind": "x"}})["a"].kind
    with pytest.raises(msgspec.ValidationError):
        new({"a": {"amount": 1}})
