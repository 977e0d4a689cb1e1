"""Updates of wires that hold wires."""

from msgspec import UNSET

from pileus.kit.http import Wire


class Inner(Wire):
    size: int = 1


class Outer(Wire):
    name: str
    inner: Inner


def test_an_update_may_leave_out_a_wire_within() -> None:
    left_out = Outer.decode(b'{"name": "x"}', on="u")
    assert ("x", UNSET) == (left_out.name, left_out.inner)
    assert 2 == Outer.decode(b'{"inner": {"size": 2}}', on="u").inner.size
