"""JSON patches on images: what a list of operations makes of one. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from pileus.image import errors
from pileus.image.models.images import Change, Image, Status
from pileus.image.models.protections import Action, Guard
from pileus.kit.auth import Caller

READ_ONLY = frozenset(
    {
        "checksum", "created_at", "direct_url", "file", "id", "os_hash_algo", "os_hash_value", "schema", "self", "size",
        "status", "stores", "updated_at", "virtual_size",
    }
)  # fmt: skip
RESERVED = frozenset({"deleted", "deleted_at", "is_public", "locations"})
COLUMNS = {
    "name": "name",
    "visibility": "visibility",
    "owner": "owner",
    "disk_format": "disk_format",
    "container_format": "container_format",
    "min_disk": "min_disk",
    "min_ram": "min_ram",
    "protected": "protected",
    "os_hidden": "hidden",
}  # on the wire -> here
WHILE_QUEUED = frozenset({"disk_format", "container_format"})


class Operation(msgspec.Struct, frozen=True):
    """One operation of a patch: what to do to which attribute."""

    verb: str  # add, replace, remove
    name: str
    value: object = None
    rest: str = ""  # what of the attribute, where it is a list


def read(steps: object, *, old_style: bool) -> list[Operation]:
    """The operations of a decoded patch; `old_style` is that of v2.0, whose key is the verb."""
    if not isinstance(steps, list):
        raise errors.WrongValue(why="Request body must be a JSON array of operation objects.")
    return [_operation(step, old_style=old_style) for step in steps]


def _operation(step: object, *, old_style: bool) -> Operation:
    if not isinstance(step, dict):
        raise errors.WrongValue(why="Operations must be JSON objects.")
    if old_style:
        verbs = [verb for verb in ("add", "replace", "remove") if verb in step]
        if len(verbs) != 1:
            raise errors.WrongValue(why="Operation objects must contain exactly one of add, replace, remove.")
        verb, path = verbs[0], step[verbs[0]]
    else:
        verb, path = str(step.get("op")), step.get("path")
        if verb not in {"add", "replace", "remove"}:
            raise errors.WrongValue(why=f"Operations must be one of add, replace, remove, not {verb!r}.")
    if verb != "remove" and "value" not in step:
        raise errors.WrongValue(why=f'Operation "{verb}" requires a member named "value".')
    name = _name(path)
    return Operation(verb, name, step.get("value"), str(path)[1:].partition("/")[2])


def _name(path: object) -> str:
    if not isinstance(path, str) or not path.startswith("/") or len(path) < 2:
        raise errors.WrongValue(why=f"Invalid JSON pointer for this resource: {path!r}.")
    name = path[1:]
    if "/" in name and not name.startswith("locations"):
        raise errors.WrongValue(why=f"Invalid JSON pointer for this resource: {path!r} is too deep.")
    return name.partition("/")[0].replace("~1", "/").replace("~0", "~")


def applied(
    image: Image, operations: Sequence[Operation], guard: Guard, caller: Caller
) -> tuple[Change, Mapping[str, object]]:
    """What the operations make of the image: all of it, and the columns they gave, still to be checked.

    Properties that the caller may not read are not there for him, and stay as they are.
    """
    columns: dict[str, object] = {}
    properties = dict(guard.shown(caller, image.properties))
    kept = {name: value for name, value in image.properties.items() if name not in properties}
    tags: object = list(image.tags)
    for one in operations:
        if one.name in READ_ONLY:
            raise errors.ReadOnly(name=one.name)
        if one.name in RESERVED or one.name.startswith("os_glance"):
            raise errors.Reserved(name=one.name)
        if one.name == "tags":
            tags = [] if one.verb == "remove" else one.value
        elif one.name in COLUMNS:
            if one.verb == "remove":
                raise errors.NotRemovable(name=one.name)
            if one.name in WHILE_QUEUED and image.status is not Status.QUEUED:
                raise errors.OnlyWhileQueued(name=one.name)
            columns[one.name] = one.value
        else:
            _to_properties(properties, one, guard, caller)
    return Change(properties={**kept, **properties}, tags=tags_of(tags)), columns


def _to_properties(properties: dict[str, str], one: Operation, guard: Guard, caller: Caller) -> None:
    if one.verb != "add" and one.name not in properties:
        raise errors.NoSuchProperty(name=one.name)
    action = Action.UPDATE if one.name in properties else Action.CREATE
    if not guard.allows(caller, one.name, Action.DELETE if one.verb == "remove" else action):
        raise errors.Reserved(name=one.name)
    if one.verb == "remove":
        del properties[one.name]
    else:
        properties[one.name] = property_value(one.name, one.value)


def property_value(name: str, value: object) -> str:
    """A property's value, which is text."""
    if not name or len(name) > 255:
        raise errors.WrongValue(why=f"The property name {name[:32]!r} must have 1 to 255 characters.")
    if not isinstance(value, str):
        raise errors.WrongValue(why=f"Property {name} must be a string, not {value!r}.")
    return value


def tags_of(value: object) -> tuple[str, ...]:
    """Tags, each once, in their order."""
    if not isinstance(value, list) or not all(isinstance(tag, str) and len(tag) <= 255 for tag in value):
        raise errors.WrongValue(why="tags must be a list of strings of at most 255 characters.")
    return tuple(dict.fromkeys(value))
