"""What a definition can say, by its kind: the rules of the schemas that clients are given. Pure.

A body is kept as it was given. Here it is only held against its form, so that what one client wrote another can read.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.image import errors

Label = Annotated[str, Meta(min_length=1, max_length=80)]
Count = Annotated[int, Meta(ge=0)]
# What the service itself says of things; who sends back what it was given may leave it inside, but not at the top.
READ_ONLY = ("self", "schema", "created_at", "updated_at")


class _Items(msgspec.Struct):
    """What the elements of an array are."""

    type: Literal["array", "boolean", "integer", "number", "object", "string"] | UnsetType = UNSET
    enum: list[Any] | UnsetType = UNSET


class PropertyForm(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A property: what its values are."""

    title: str
    type: Literal["array", "boolean", "integer", "number", "object", "string"]
    name: Label | UnsetType = UNSET
    description: str | UnsetType = UNSET
    operators: list[str] | UnsetType = UNSET
    enum: list[Any] | UnsetType = UNSET
    default: Any = UNSET
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    min_length: Count | UnsetType = UNSET
    max_length: Count | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    items: _Items | UnsetType = UNSET
    min_items: Count | UnsetType = UNSET
    max_items: Count | UnsetType = UNSET
    unique_items: bool | UnsetType = UNSET
    additional_items: bool | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET


class ObjectForm(msgspec.Struct, forbid_unknown_fields=True):
    """An object: a group of properties."""

    name: Label
    description: str | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    properties: dict[Label, PropertyForm] | UnsetType = UNSET
    self_link: str | UnsetType = msgspec.field(default=UNSET, name="self")
    schema: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET


def check(form: type[msgspec.Struct], body: Mapping[str, object], what: str) -> None:
    """The body is one of the form; raises WrongValue."""
    try:
        msgspec.convert(dict(body), form)
    except msgspec.ValidationError as bad:
        raise errors.WrongValue(why=f"{what}: {bad}.") from bad


def check_writable(given: Mapping[str, object]) -> None:
    """Nothing is given that only the service says; raises ReadOnly."""
    for name in READ_ONLY:
        if name in given:
            raise errors.ReadOnly(name=name)


def without_marks(body: Mapping[str, object]) -> dict[str, Any]:
    """What a client said of a thing, without what the service says of it."""
    return {name: value for name, value in body.items() if name not in READ_ONLY}
