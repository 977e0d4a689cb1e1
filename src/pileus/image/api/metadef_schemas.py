"""The JSON schemas clients read before they show or change metadata definitions."""

from collections.abc import Mapping

Schema = dict[str, object]
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 80}
_TEXT: Schema = {"type": "string", "maxLength": 500}
_TIME: Schema = {"type": "string", "format": "date-time", "readOnly": True}
_LINK: Schema = {"type": "string", "readOnly": True}
_KINDS = ["array", "boolean", "integer", "number", "object", "string"]

_PROPERTY: Schema = {
    "name": _NAME,
    "title": {"type": "string"},
    "description": {"type": "string"},
    "type": {"type": "string", "enum": _KINDS},
    "operators": {"type": "array", "items": {"type": "string"}},
    "enum": {"type": "array"},
    "default": {},
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "minLength": {"type": "integer", "minimum": 0},
    "maxLength": {"type": "integer", "minimum": 0},
    "pattern": {"type": "string", "format": "regex"},
    "items": {"type": "object"},
    "minItems": {"type": "integer", "minimum": 0},
    "maxItems": {"type": "integer", "minimum": 0},
    "uniqueItems": {"type": "boolean"},
    "additionalItems": {"type": "boolean"},
    "readonly": {"type": "boolean"},
    "required": {"type": "array", "items": {"type": "string"}},
}
_OBJECT: Schema = {
    "name": _NAME,
    "description": {"type": "string"},
    "required": {"type": "array", "items": {"type": "string"}},
    "properties": {"type": "object", "additionalProperties": {"type": "object", "properties": _PROPERTY}},
    "created_at": _TIME,
    "updated_at": _TIME,
    "self": _LINK,
    "schema": _LINK,
}
_TAG: Schema = {"name": _NAME, "created_at": _TIME, "updated_at": _TIME}
_TIE: Schema = {
    "name": _NAME,
    "prefix": _NAME,
    "properties_target": _NAME,
    "created_at": _TIME,
    "updated_at": _TIME,
}
_NAMESPACE: Schema = {
    "namespace": _NAME,
    "display_name": _NAME,
    "description": _TEXT,
    "visibility": {"type": "string", "enum": ["public", "private"]},
    "protected": {"type": "boolean"},
    "owner": {"type": "string", "maxLength": 255},
    "created_at": _TIME,
    "updated_at": _TIME,
    "self": _LINK,
    "schema": _LINK,
    "resource_type_associations": {"type": "array", "items": {"type": "object", "properties": _TIE}},
    "properties": {"type": "object", "additionalProperties": {"type": "object", "properties": _PROPERTY}},
    "objects": {"type": "array", "items": {"type": "object", "properties": _OBJECT}},
    "tags": {"type": "array", "items": {"type": "object", "properties": _TAG}},
}


def _item(name: str, properties: Schema, *required: str) -> Schema:
    return {"name": name, "properties": properties, "required": list(required), "additionalProperties": False}


def _list(name: str, item: Schema) -> Schema:
    listed: Schema = {name: {"type": "array", "items": item}, "schema": {"type": "string"}}
    links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}]
    return {
        "name": name,
        "properties": {**listed, "first": {"type": "string"}, "next": {"type": "string"}},
        "links": [*links, {"rel": "describedby", "href": "{schema}"}],
    }


_ITEMS = {
    "namespace": _item("namespace", _NAMESPACE, "namespace"),
    "object": _item("object", _OBJECT, "name"),
    "property": _item("property", _PROPERTY, "name", "title", "type"),
    "tag": _item("tag", _TAG, "name"),
    "resource_type": _item("resource_type_association", _TIE, "name"),
}
METADEF_SCHEMAS: Mapping[str, Schema] = {
    **{f"metadefs/{name}": item for name, item in _ITEMS.items()},
    "metadefs/namespaces": _list("namespaces", _ITEMS["namespace"]),
    "metadefs/objects": _list("objects", _ITEMS["object"]),
    "metadefs/properties": {
        "name": "properties",
        "properties": {"properties": {"type": "object", "additionalProperties": _ITEMS["property"]}},
    },
    "metadefs/tags": _list("tags", _ITEMS["tag"]),
    "metadefs/resource_types": _list("resource_type_associations", _ITEMS["resource_type"]),
}
