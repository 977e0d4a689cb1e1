"""OpenAPI 3.1 documents, derived from the declarations of a service.

The document shows an API at its newest microversion, unless another is asked for; the span of an operation or a field stands
in `x-openstack-microversions`. The actions of one `POST .../action` are one operation that lists them in `x-actions`.
"""

import typing
from collections import Counter
from typing import Any

import msgspec

from pileus.kit.http.call import Stream
from pileus.kit.http.route import Api, Route
from pileus.kit.http.version import ALWAYS, FOREVER, Version
from pileus.kit.http.wire import Wire, borders, fields, schema, wires_in

_NO_BRACES = str.maketrans("", "", "{}")
_REF = "#/components/schemas/{name}"
_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "bearer": {"type": "http", "scheme": "bearer"},  # the same tokens, as OAuth 2.0 carries them (RFC 6750)
}


def document(api: Api, *, mount: str, release: str, at: Version | None = None) -> dict[str, Any]:
    """The OpenAPI document of one service, at its newest microversion or at another."""
    routes = [_standing_at(route, at) for route in api.routes if at is None or route.since <= at <= route.until]
    kinds = _kinds(routes)
    schemas, components = msgspec.json.schema_components(list(kinds), schema_hook=_anything, ref_template=_REF)
    shapes = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.path[1:] if route.path.startswith("//") else api.prefixes[0] + route.path
        operations = paths.setdefault(path, {})
        method = route.method.lower()
        known = operations.get(method)
        made = _operation(api, route, shapes)
        if at is not None:
            made.pop("x-openstack-microversions", None)  # this document speaks of one
        if known is None:
            operations[method] = made
        elif route.action:
            known["x-actions"].append(route.action)
            _any_of(known, made)
        elif at is None and route.until >= FOREVER:
            operations[method] = made
    _name_once(paths)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"Pileus {api.service}", "version": release},
        # Paths are those below the service's endpoint, as everywhere in OpenStack, where the catalog says what stands before.
        "x-openstack-mount": f"/{mount}",
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": _SCHEMES,
        },
    }
    if api.microversions:
        document["x-openstack-microversions"] = {
            "min": str(api.microversions.lowest),
            "max": str(api.microversions.highest),
        }
    return document


def _anything(kind: type) -> dict[str, Any]:
    """What a wire leaves open, as `object`, may be any JSON."""
    if kind is not object:
        raise NotImplementedError
    return {"description": "Any JSON."}


def _name_once(paths: dict[str, dict[str, Any]]) -> None:
    """Every operation's id is its own; handlers that serve several paths are told apart by these."""
    all_ = [(path, method, made) for path, methods in paths.items() for method, made in methods.items()]
    times = Counter(made["operationId"] for _, _, made in all_)
    for path, method, made in all_:
        if times[made["operationId"]] > 1:
            place = path.translate(_NO_BRACES).strip("/").replace("/", ".")
            made["operationId"] = f"{made['operationId']}.{method}.{place}"


def versions(api: Api) -> list[Version]:
    """The microversions at which anything changes, the first and the last; empty for a service that has none."""
    if api.microversions is None:
        return []
    lowest, highest = api.microversions.lowest, api.microversions.highest
    found = {lowest, highest}
    for route in api.routes:
        found |= {route.since, Version(route.until.major, route.until.minor + 1)}
        for hint in (route.body, route.query, typing.get_type_hints(route.handler).get("return")):
            for wire in wires_in(hint):
                found.update(borders(wire))
    return sorted(version for version in found if lowest <= version <= highest)


def _standing_at(route: Route, at: Version | None) -> Route:
    """The route as it is at a version: its span ends there."""
    return route if at is None else msgspec.structs.replace(route, until=at)


def _kinds(routes: list[Route]) -> list[Any]:
    """The plain types whose schemas the document needs, each once."""
    found: dict[Any, None] = {}
    for route in routes:
        if isinstance(route.body, type) and issubclass(route.body, Wire):
            found[schema(route.body, route.until, route.on)] = None
        view = _view(route)
        if view is not None:
            found[schema(view, route.until, "r")] = None
    return list(found)


def _view(route: Route) -> type[Wire] | None:
    answer = typing.get_type_hints(route.handler).get("return")
    if typing.get_origin(answer) is list:
        answer = typing.get_args(answer)[0]
    return answer if isinstance(answer, type) and issubclass(answer, Wire) else None


def _operation(api: Api, route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    names = [part[1:-1] for part in (api.prefixes[0] + route.path).split("/") if part.startswith("{")]
    made: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}.{route.handler.__name__}",
        "summary": route.summary,
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names],
        "responses": {str(route.status): _answer(route, shapes), "default": {"description": "A problem, explained."}},
        "security": [] if route.rule is None else [{"token": []}, {"bearer": []}],
    }
    if route.query is not None:
        made["parameters"] += [_parameter(name, kind) for name, kind in _query_fields(route)]
    if route.rule is not None:
        made["x-openstack-policy"] = {"rule": route.rule.name, "default": route.rule.default}
    if route.body is not None:
        made["requestBody"] = {"required": not route.optional_body, "content": _content(route, shapes)}
    if route.action is not None:
        made["x-actions"] = [route.action]
    if route.since > ALWAYS or route.until < FOREVER:
        span = {"min": str(route.since), "max": str(route.until)}
        made["x-openstack-microversions"] = {
            key: value for key, value in span.items() if value not in {str(ALWAYS), str(FOREVER)}
        }
    return made


def _query_fields(route: Route) -> list[tuple[str, Any]]:
    assert route.query is not None
    return [(field.name, field.type) for field in fields(route.query) if field.since <= route.until]


def _parameter(name: str, kind: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "array" if "list[" in str(kind) else "string"},
    }


def _content(route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    if route.body is Stream:
        return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in route.content}
    if isinstance(route.body, type) and issubclass(route.body, Wire):
        inner = shapes[schema(route.body, route.until, route.on)]
    else:
        inner = {}
    shape = {"type": "object", "properties": {route.key: inner}, "required": [route.key]} if route.key else inner
    return {kind: {"schema": shape} for kind in route.content}


def _answer(route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    view = _view(route)
    if view is None:
        return {"description": "Done."}
    inner = shapes[schema(view, route.until, "r")]
    if typing.get_origin(typing.get_type_hints(route.handler).get("return")) is list:
        inner = {"type": "array", "items": inner}
    key = route.reply_key if route.reply_key is not None else (None if route.action else route.key)
    shape = {"type": "object", "properties": {key: inner}, "required": [key]} if key else inner
    return {"description": "Done.", "content": {"application/json": {"schema": shape}}}


def _any_of(known: dict[str, Any], made: dict[str, Any]) -> None:
    """Let the one operation of an action path accept one more action's body."""
    if "requestBody" not in made:
        return
    new = made["requestBody"]["content"]["application/json"]["schema"]
    body = known.setdefault(
        "requestBody", {"required": True, "content": {"application/json": {"schema": {"anyOf": []}}}}
    )
    content = body["content"]["application/json"]
    if "anyOf" not in content["schema"]:
        content["schema"] = {"anyOf": [content["schema"]]}
    content["schema"]["anyOf"].append(new)
