"""JSON patches on images: what a list of operations makes of one. Pure."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from pileus.image import errors
from pileus.image.models.images import Change, Image, Status
from pileus.image.models.imports import OURS
from pileus.image.models.protections import Action, Guard
from pileus.kit.auth import Caller

READ_ONLY = frozenset(
    {
        "checksum", "created_at", "direct_url", "file", "id", "os_hash_algo", "os_hash_value", "schema", "self", "size",
        "status", "stores", "updated_at", "virtual_size",
    }
)  # fmt: skip
RESERVED = frozenset({"deleted", "deleted_at", "is_public", "location", "locations"})
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
VERBS = ("add", "replace", "remove")
LOCATIONS = "locations"
_DEEP = {LOCATIONS: {"add": 2, "remove": 2, "replace": 1}}  # how many tokens a pointer has; else one
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KNOWN = {  # what the schema says of some properties
    "kernel_id": _ID,
    "ramdisk_id": _ID,
    "cinder_encryption_key_deletion_policy": re.compile("on_image_deletion|do_not_delete"),
}


class Operation(msgspec.Struct, frozen=True):
    """One operation of a patch: what to do to which attribute."""

    verb: str  # add, replace, remove
    name: str
    value: object = None
    rest: str = ""  # what of the attribute, where it is a list
    fresh: bool = False  # what is added must not be there yet


def read(steps: object, *, old_style: bool) -> list[Operation]:
    """The operations of a decoded patch; `old_style` is that of v2.0, whose key is the verb, and where to add is not to replace."""
    if not isinstance(steps, list):
        raise errors.WrongValue(why="Request body must be a JSON array of operation objects.")
    return [_operation(step, old_style=old_style) for step in steps]


def _operation(step: object, *, old_style: bool) -> Operation:
    if not isinstance(step, dict):
        raise errors.WrongValue(why="Operations must be JSON objects.")
    if old_style:
        verbs = [verb for verb in VERBS if verb in step]
        if len(verbs) != 1:
            raise errors.WrongValue(why="Operation objects must contain exactly one of add, replace, remove.")
        verb, path = verbs[0], step[verbs[0]]
    else:
        verb, path = str(step.get("op")), step.get("path")
        if verb not in VERBS:
            raise errors.WrongValue(why=f"Operations must be one of add, replace, remove, not {verb!r}.")
    name, *rest = _tokens(path)
    if len(rest) + 1 != _DEEP.get(name, {}).get(verb, 1):
        raise errors.WrongValue(why=f"Invalid JSON pointer for this resource: {path!r}.")
    if verb != "remove" and "value" not in step:
        raise errors.WrongValue(why=f'Operation "{verb}" requires a member named "value".')
    if name != LOCATIONS:
        check_name(name)
    return Operation(verb, name, step.get("value"), "".join(rest), old_style and verb == "add")


def check_name(name: str) -> None:
    """Clients may set something of this name; raises ReadOnly or Reserved."""
    if name in READ_ONLY:
        raise errors.ReadOnly(name=name)
    if name in RESERVED or name.startswith(OURS):
        raise errors.Reserved(name=name)


def _tokens(pointer: object) -> list[str]:
    """What a JSON pointer (RFC 6901) names, step by step."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise errors.WrongValue(why=f"Invalid JSON pointer for this resource: {pointer!r}.")
    tokens = pointer[1:].split("/")
    if not all(token.strip() for token in tokens) or re.search("~(?![01])", pointer):
        raise errors.WrongValue(why=f"Invalid JSON pointer: {pointer!r} has empty tokens, or ~ that is not ~0 or ~1.")
    return [token.replace("~1", "/").replace("~0", "~").strip() for token in tokens]


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
        if one.name not in COLUMNS and one.name != "tags":
            _to_properties(properties, one, guard, caller)
            continue
        if one.fresh:
            raise errors.PropertyExists(name=one.name)
        if one.verb == "remove":
            raise errors.NotRemovable(name=one.name)
        if one.name in WHILE_QUEUED and image.status is not Status.QUEUED:
            raise errors.OnlyWhileQueued(name=one.name)
        if one.name == "tags":
            tags = one.value
        else:
            columns[one.name] = one.value
    return Change(properties={**kept, **properties}, tags=tags_of(tags)), columns


def _to_properties(properties: dict[str, str], one: Operation, guard: Guard, caller: Caller) -> None:
    if one.verb != "add" and one.name not in properties:
        raise errors.NoSuchProperty(name=one.name)
    if one.fresh and one.name in properties:
        raise errors.PropertyExists(name=one.name)
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


def check_property(name: str, value: object) -> None:
    """It is a property with a value as clients may give it; raises WrongValue."""
    known = KNOWN.get(name)
    if known is not None and not known.fullmatch(property_value(name, value)):
        raise errors.WrongValue(why=f"Property {name} cannot be {value!r}; the schema of images says what it can be.")
    property_value(name, value)


def tags_of(value: object) -> tuple[str, ...]:
    """Tags, each once, in their order."""
    if not isinstance(value, list) or not all(isinstance(tag, str) and len(tag) <= 255 for tag in value):
        raise errors.WrongValue(why="tags must be a list of strings of at most 255 characters.")
    return tuple(dict.fromkeys(value))
