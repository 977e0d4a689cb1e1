"""Names of resource classes and traits: the standard ones, and how a custom one is spelled."""

import re
import uuid as uuids
from functools import cache

CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]{1,248}")


@cache
def standard_classes() -> tuple[str, ...]:
    """The resource classes every cloud knows, in their published order."""
    import os_resource_classes  # its data are read only by who needs them

    return tuple(os_resource_classes.STANDARDS)


@cache
def standard_traits() -> tuple[str, ...]:
    """The traits every cloud knows, by name."""
    import os_traits

    return tuple(sorted(os_traits.get_traits()))


@cache
def is_standard_class(name: str) -> bool:
    """Whether the class is one of the standard ones."""
    return name in standard_classes()


@cache
def _trait_set() -> frozenset[str]:
    return frozenset(standard_traits())


def is_standard_trait(name: str) -> bool:
    """Whether the trait is one of the standard ones."""
    return name in _trait_set()


def canonical(uuid: str) -> str:
    """A UUID, however it was spelled, in the spelling it is kept in."""
    return str(uuids.UUID(uuid))


def is_custom(name: str) -> bool:
    """Whether this is how a custom class or trait is spelled."""
    return CUSTOM.fullmatch(name) is not None
