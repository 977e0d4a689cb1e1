"""The JSON schemas image clients read before they show or change anything."""

from collections.abc import Mapping

from pileus.image.models.images import CONTAINER_FORMATS, DISK_FORMATS, Status

_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
_TEXT = {"type": ["null", "string"], "maxLength": 255}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG = {"type": "boolean"}
Schema = dict[str, object]


def _read_only(kind: Mapping[str, object]) -> Schema:
    return {**kind, "readOnly": True}


def _told(description: str, kind: Mapping[str, object]) -> Schema:
    return {"description": description, **kind}


_IMAGE: Schema = {
    "id": _told("An identifier for the image", {"type": "string", "pattern": _UUID}),
    "name": _told("Descriptive name for the image", _TEXT),
    "status": _told(
        "Status of the image",
        _read_only({"type": "string", "enum": [status.value for status in Status]}),
    ),
    "visibility": _told(
        "Scope of image accessibility",
        {"type": "string", "enum": ["community", "public", "private", "shared"]},
    ),
    "protected": _told("If true, image will not be deletable.", _FLAG),
    "os_hidden": _told("If true, image will not appear in default image list response.", _FLAG),
    "checksum": _told("md5 hash of image contents.", _read_only({"type": ["null", "string"], "maxLength": 32})),
    "os_hash_algo": _told("Algorithm of os_hash_value", _read_only({"type": ["null", "string"], "maxLength": 64})),
    "os_hash_value": _told("Digest of image contents", _read_only({"type": ["null", "string"], "maxLength": 128})),
    "owner": _told("Owner of the image", _TEXT),
    "size": _told("Size of image file in bytes", _read_only({"type": ["null", "integer"]})),
    "virtual_size": _told("Virtual size of image in bytes", _read_only({"type": ["null", "integer"]})),
    "container_format": _told(
        "Format of the container", {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]}
    ),
    "disk_format": _told("Format of the disk", {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]}),
    "created_at": _told("Date and time of image registration", _read_only({"type": "string"})),
    "updated_at": _told("Date and time of the last image modification", _read_only({"type": "string"})),
    "tags": _told("Strings attached to the image", {"type": "array", "items": {"type": "string", "maxLength": 255}}),
    "min_ram": _told("Amount of ram (in MB) required to boot image.", _COUNT),
    "min_disk": _told("Amount of disk space (in GB) required to boot image.", _COUNT),
    "self": _told("An image self url", _read_only({"type": "string"})),
    "file": _told("An image file url", _read_only({"type": "string"})),
    "schema": _told("An image schema url", _read_only({"type": "string"})),
    "direct_url": _told("Where the image's data is, if that is shown", _read_only({"type": "string"})),
    "locations": _told(
        "All places where the image's data is, if they are shown, with what is noted on each",
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "url": {"type": "string"},
                    "metadata": {"type": "object"},
                    "validation_data": {
                        "type": "object",
                        "properties": {
                            name: {"type": "string"} for name in ("checksum", "os_hash_algo", "os_hash_value")
                        },
                        "additionalProperties": False,
                    },
                },
                "required": ["url", "metadata"],
            },
        },
    ),
    "stores": _told("Stores in which the image's data is", _read_only({"type": "string"})),
}
# What images are usually said to be besides; clients tell them from the columns above by `is_base`.
_USUAL: Schema = {
    name: {"type": "string", "is_base": False, **more, "description": description}
    for name, description, more in (
        ("kernel_id", "The image of the kernel to boot it with", {"type": ["null", "string"], "pattern": _UUID}),
        ("ramdisk_id", "The image of the RAM disk to boot it with", {"type": ["null", "string"], "pattern": _UUID}),
        ("instance_uuid", "The server it was made of", {}),
        ("architecture", "The processor it runs on, as uname -m says it", {}),
        ("os_distro", "The operating system's distribution, in small letters", {}),
        ("os_version", "The distribution's version", {}),
        ("description", "What it is, for people", {}),
        ("cinder_encryption_key_id", "The key of the encrypted volume it holds", {}),
        (
            "cinder_encryption_key_deletion_policy",
            "Whether that key goes with the image",
            {"enum": ["on_image_deletion", "do_not_delete"]},
        ),
    )
}
_MEMBER: Schema = {
    "image_id": _told("An identifier for the image", {"type": "string", "pattern": _UUID}),
    "member_id": _told("An identifier for the image member", {"type": "string"}),
    "status": _told("The status of this image member", {"type": "string", "enum": ["pending", "accepted", "rejected"]}),
    "created_at": _told("Date and time of image member creation", {"type": "string"}),
    "updated_at": _told("Date and time of last modification of image member", {"type": "string"}),
    "schema": _read_only({"type": "string"}),
}
_IMAGE_LINKS = [
    {"rel": "self", "href": "{self}"},
    {"rel": "enclosure", "href": "{file}"},
    {"rel": "describedby", "href": "{schema}"},
]
_PAGE_LINKS = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}]
_IMAGE_SCHEMA: Schema = {
    "name": "image",
    "properties": {**_USUAL, **_IMAGE},
    "additionalProperties": {"type": "string"},
    "links": _IMAGE_LINKS,
}
_MEMBER_SCHEMA: Schema = {"name": "member", "properties": _MEMBER}


def _list_of(name: str, item: Schema, links: list[dict[str, str]]) -> Schema:
    properties: Schema = {name: {"type": "array", "items": item}, "schema": {"type": "string"}}
    if links:
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}}
    return {"name": name, "properties": properties, "links": [*links, {"rel": "describedby", "href": "{schema}"}]}


_MOMENT = {"type": "string"}
_TASK: Schema = {
    "id": _told("An identifier for the task", {"type": "string", "pattern": _UUID}),
    "type": _told("The type of task", {"type": "string", "enum": ["import", "api_image_import", "location_import"]}),
    "status": _told(
        "The current status of this task",
        {"type": "string", "enum": ["pending", "processing", "success", "failure"]},
    ),
    "input": _told("The parameters required by task", {"type": ["null", "object"]}),
    "result": _told("The result of the task", {"type": ["null", "object"]}),
    "owner": _told("Owner of the task", {"type": "string"}),
    "message": _told("What failed, where it failed", {"type": "string"}),
    "image_id": _told("Image associated with the task", {"type": ["null", "string"]}),
    "request_id": _told("Request of the task", {"type": ["null", "string"]}),
    "user_id": _told("User of the task", {"type": ["null", "string"]}),
    "created_at": _told("Date and time of the creation", _MOMENT),
    "updated_at": _told("Date and time of the last change", _MOMENT),
    "expires_at": _told("Date and time from which the task may be forgotten", _MOMENT),
    "self": _read_only({"type": "string"}),
    "schema": _read_only({"type": "string"}),
}
_TASK_SCHEMA: Schema = {"name": "task", "properties": _TASK}


SCHEMAS: Mapping[str, Schema] = {
    "image": _IMAGE_SCHEMA,
    "images": _list_of("images", _IMAGE_SCHEMA, _PAGE_LINKS),
    "member": _MEMBER_SCHEMA,
    "members": _list_of("members", _MEMBER_SCHEMA, []),
    "task": _TASK_SCHEMA,
    "tasks": _list_of("tasks", _TASK_SCHEMA, _PAGE_LINKS),
}
