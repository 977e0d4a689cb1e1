"""Dialects: how a family of services puts errors, lists and versions into words.

A dialect turns a kind of error into a status and an envelope, a list into an envelope with its next page, and knows
the spellings its clients send. There is one class a family: faults (compute, block storage, databases), titles
(identity), pages (images), types (networks) and error lists (placement).
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from pileus.kit.errors import OverQuota, Problem
from pileus.kit.http.call import BadPaging, Call, Page, Reply
from pileus.kit.http.version import UnknownVersion

JSON = "application/json"
REASONS = {
    300: "Multiple Choices",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


_NOTHING: frozenset[str] = frozenset()


class Dialect:
    """What all families share; each overrides what its clients expect otherwise."""

    statuses: Mapping[type[Problem], int] = {}
    max_limit = 1000
    suffix = ""  # a file-name suffix that a path may carry
    slash_names_nothing = False  # whether /things/ is a thing with an empty id, hence not found, instead of the list

    def status(self, problem: Problem) -> int:
        """The status a problem has in this family."""
        for kind in type(problem).__mro__:
            if kind in self.statuses:
                return self.statuses[kind]
        return problem.status

    def error(self, problem: Problem, call: Call[Any]) -> Reply:
        """The answer that tells a problem."""
        status = self.status(problem)
        if status == 401:
            return self.unauthorized(problem, call)
        return _json(status, self.envelope(status, problem, call))

    def unauthorized(self, problem: Problem, call: Call[Any]) -> Reply:
        """401: where to get a token. All families say it in the words of the identity middleware."""
        reply = _json(401, {"error": {"code": 401, "title": "Unauthorized", "message": problem.message}})
        reply.headers["WWW-Authenticate"] = f'Keystone uri="{call.base.rsplit("/", 1)[0]}/identity"'
        return reply

    def envelope(self, status: int, problem: Problem, call: Call[Any]) -> dict[str, Any]:
        """The body of an error."""
        raise NotImplementedError

    def page(self, call: Call[Any]) -> Page:
        """Read limit, marker and sort from the query."""
        given = dict(call.query)
        keys = [value for name, value in call.query if name == "sort_key"]
        ways = [value for name, value in call.query if name == "sort_dir"]
        page = Page(
            limit=self.limit(given["limit"]) if "limit" in given else None,
            marker=given.get("marker"),
            sort=_sort(given["sort"], self.sort_direction) if "sort" in given else [],
            reverse=given.get("page_reverse", "").lower() in {"true", "1", "yes"},
        )
        if ways and not keys and not page.sort:
            keys = [self.default_key]
        for at, key in enumerate(keys):
            page.sort.append((key, ways[min(at, len(ways) - 1)] if ways else self.default_direction))
        if any(way not in {"asc", "desc"} for _, way in page.sort):
            raise BadPaging("Unknown sort direction, must be one of: asc, desc.")
        return page

    default_key = "created_at"
    default_direction = "desc"  # of a key that comes as sort_key,
    sort_direction = "asc"  # and of one in sort

    def limit(self, text: str) -> int | None:
        """A page size as asked for, within what is allowed."""
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadPaging(name="limit", given=text[:32])
        return min(int(text), self.max_limit)

    def picked(self, call: Call[Any]) -> frozenset[str]:
        """The fields a client wants to see of what it reads; none means all."""
        return _NOTHING

    def listing(self, key: str, items: Sequence[Any], encoded: bytes, call: Call[Any]) -> bytes:
        """The body of a list; `encoded` is the JSON array."""
        return b'{"%s":%s}' % (key.encode(), encoded)

    def next_marker(self, items: Sequence[Any], call: Call[Any]) -> str | None:
        """The marker of the next page, if this one is full."""
        limit = call.page.limit
        if limit and len(items) >= limit:
            last = items[-1]
            return str(getattr(last, "id", None) or getattr(last, "name", ""))
        return None


def _sort(text: str, direction: str) -> list[tuple[str, str]]:
    found = []
    for part in text.split(","):
        key, _, way = part.strip().partition(":")
        found.append((key, way or direction))
    return found


def _json(status: int, body: Any) -> Reply:
    return Reply(status, msgspec.json.encode(body), {"Content-Type": JSON})


def next_link(call: Call[Any], **changes: str | None) -> str:
    """This request's address with some parameters of the query changed; None removes one."""
    pairs = [(name, value) for name, value in call.query if name not in changes]
    pairs += [(name, value) for name, value in changes.items() if value is not None]
    query = f"?{urlencode(pairs)}" if pairs else ""
    return call.url(quote(call.path)) + query


_FAULTS = {
    400: "badRequest",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    408: "requestTimeout",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    500: "computeFault",
    501: "notImplemented",
    503: "serviceUnavailable",
}


class Faults(Dialect):
    """Compute, block storage and databases: `{"itemNotFound": {"code": 404, "message": "..."}}`."""

    def __init__(self, fault: str = "computeFault", statuses: Mapping[type[Problem], int] | None = None) -> None:
        self._fault = fault
        self.statuses = statuses or {}

    def envelope(self, status: int, problem: Problem, call: Call[Any]) -> dict[str, Any]:
        name = _FAULTS.get(status, self._fault)
        return {self._fault if status == 500 else name: {"code": status, "message": problem.message}}

    def listing(self, key: str, items: Sequence[Any], encoded: bytes, call: Call[Any]) -> bytes:
        marker = self.next_marker(items, call)
        if marker is None:
            return b'{"%s":%s}' % (key.encode(), encoded)
        links = msgspec.json.encode([{"rel": "next", "href": next_link(call, marker=marker)}])
        return b'{"%s":%s,"%s_links":%s}' % (key.encode(), encoded, key.encode(), links)


class Titles(Dialect):
    """Identity: `{"error": {"code": 404, "title": "Not Found", "message": "..."}}`; lists carry `links`."""

    def unauthorized(self, problem: Problem, call: Call[Any]) -> Reply:
        reply = _json(401, self.envelope(401, problem, call))
        reply.headers["WWW-Authenticate"] = f'Keystone uri="{call.base}"'
        return reply

    def envelope(self, status: int, problem: Problem, call: Call[Any]) -> dict[str, Any]:
        return {"error": {"code": status, "title": REASONS.get(status, "Error"), "message": problem.message}}

    def listing(self, key: str, items: Sequence[Any], encoded: bytes, call: Call[Any]) -> bytes:
        marker = self.next_marker(items, call)
        following = next_link(call, marker=marker) if marker else None
        links = {"next": following, "self": next_link(call), "previous": None}
        # Who did not ask for a page is told that it is one.
        cut = b',"truncated":true' if marker and not any(name == "limit" for name, _ in call.query) else b""
        return b'{"links":%s,"%s":%s%s}' % (msgspec.json.encode(links), key.encode(), encoded, cut)


class Pages(Dialect):
    """Images: errors are small HTML pages (JSON for whoever accepts nothing else); lists carry `first` and `next`."""

    statuses: Mapping[type[Problem], int] = {OverQuota: 413}
    max_limit = 1000
    slash_names_nothing = True
    sort_direction = "desc"

    def page(self, call: Call[Any]) -> Page:
        """Read limit, marker and sort from the query; both ways to sort cannot be mixed."""
        names = [name for name, _ in call.query]
        if "sort" in names and {"sort_key", "sort_dir"} & set(names):
            raise BadPaging("Old and new sorting syntax cannot be combined.")
        if names.count("sort_dir") > 1 and names.count("sort_dir") != names.count("sort_key"):
            raise BadPaging("Number of sort dirs does not match the number of sort keys.")
        return super().page(call)

    def error(self, problem: Problem, call: Call[Any]) -> Reply:
        status = self.status(problem)
        if status == 401:
            return self.unauthorized(problem, call)
        title = f"{status} {REASONS.get(status, 'Error')}"
        if call.headers.get("accept", "").strip() == JSON and "user-agent" not in call.headers:
            return _json(status, {"code": title, "title": REASONS.get(status, "Error"), "message": problem.message})
        text = html.escape(problem.message, quote=False)  # within a text, quotes are just that
        page = (
            f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n  {text}<br /><br />\n\n\n"
            " </body>\n</html>"
        )
        return Reply(status, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})

    def listing(self, key: str, items: Sequence[Any], encoded: bytes, call: Call[Any]) -> bytes:
        first = next_link(call, marker=None).removeprefix(call.base)
        tail = {"first": first, "schema": f"/v2/schemas/{key}"}
        marker = self.next_marker(items, call)
        if marker:
            tail["next"] = next_link(call, marker=marker).removeprefix(call.base)
        return b'{"%s":%s,%s' % (key.encode(), encoded, msgspec.json.encode(tail)[1:])


# What the kit calls otherwise than the clients of networks know it.
_TYPES = {
    "BadBody": "HTTPBadRequest",
    "BadField": "HTTPBadRequest",
    "UnknownField": "HTTPBadRequest",
    "MissingField": "HTTPBadRequest",
    "InvalidAttribute": "HTTPBadRequest",
    "BadPaging": "HTTPBadRequest",
    "Forbidden": "PolicyNotAuthorized",
    "NoSuchPath": "HTTPNotFound",
    "BadMethod": "HTTPMethodNotAllowed",
    "UnknownFilter": "HTTPBadRequest",
    "UnknownMarker": "HTTPBadRequest",
    "UnknownSortKey": "HTTPBadRequest",
}


# What of Neutron's words clients and their users know, where other services have others.
_WORDS = {
    "UnknownField": "Unrecognized attribute(s) '{name}'",
    "MissingField": "Failed to parse request. Required attribute '{name}' not specified",
    "BadField": "Invalid input for {field}. Reason: {why}.",
    "Forbidden": "rule:{rule} is disallowed by policy",
    "UnknownSortKey": "['{name}'] is invalid attribute for sort_keys",
}


# What resources show of themselves, and nobody sets.
_SHOWN = frozenset({"id", "status", "created_at", "updated_at", "revision_number", "subnets"})


def _as_neutron(problem: Problem, method: str) -> str:
    """The message of a problem, as Neutron would have put it."""
    words, facts = _WORDS.get(problem.code), problem.facts
    if words is None or not facts:
        return problem.message
    if problem.code == "UnknownField" and facts.get("field") == "query":
        return f"['{facts['name']}'] is invalid attribute for filtering"
    if problem.code == "UnknownField" and (facts["name"] in _SHOWN or (facts.get("known") and method == "PUT")):
        made = f"Attribute '{facts['name']}' not allowed in POST"
        return made if method == "POST" else f"Cannot update read-only attribute {facts['name']}"
    # Attributes go by their own names, without that of the resource around them.
    plain = {**facts, "field": str(facts.get("field", "")).partition(".")[2] or facts.get("field")}
    return words.format(**plain)


class Types(Dialect):
    """Networks: `{"NeutronError": {"type": "...", "message": "...", "detail": ""}}`; quotas are conflicts."""

    statuses: Mapping[type[Problem], int] = {OverQuota: 409}
    max_limit = 1 << 30
    suffix = ".json"
    default_key = "id"
    default_direction = "asc"

    def envelope(self, status: int, problem: Problem, call: Call[Any]) -> dict[str, Any]:
        kind = _TYPES.get(problem.code, problem.code)
        return {"NeutronError": {"type": kind, "message": _as_neutron(problem, call.method), "detail": ""}}

    def page(self, call: Call[Any]) -> Page:
        given = [name for name, _ in call.query]
        if given.count("sort_key") != given.count("sort_dir"):
            raise BadPaging("The number of sort_keys and sort_dirs must be same")
        return super().page(call)

    def picked(self, call: Call[Any]) -> frozenset[str]:
        if call.method == "GET" and "fields=" in call.query_string:
            return frozenset(value for name, value in call.query if name == "fields" and value)
        return _NOTHING

    def limit(self, text: str) -> int | None:
        return super().limit(text) or None  # Zero means all there is.

    def listing(self, key: str, items: Sequence[Any], encoded: bytes, call: Call[Any]) -> bytes:
        links = []
        marker = self.next_marker(items, call)
        if marker:
            links.append({"rel": "next", "href": next_link(call, marker=marker)})
        if call.page.limit and call.page.marker and items:
            first = str(getattr(items[0], "id", ""))
            links.append({"rel": "previous", "href": next_link(call, marker=first, page_reverse="True")})
        if not links:
            return b'{"%s":%s}' % (key.encode(), encoded)
        return b'{"%s":%s,"%s_links":%s}' % (key.encode(), encoded, key.encode(), msgspec.json.encode(links))


class Errors(Dialect):
    """Placement: `{"errors": [{"status": 404, "title": "Not Found", "detail": "...", "request_id": "req-..."}]}`."""

    def envelope(self, status: int, problem: Problem, call: Call[Any]) -> dict[str, Any]:
        error = {
            "status": status,
            "title": REASONS.get(status, "Error"),
            "detail": f"{problem.message}\n\n   ",
            "request_id": call.request_id,
        }
        # The stable code came with 1.23; see the API's own list of codes.
        if call.version >= (1, 23):
            error["code"] = getattr(type(problem), "placement_code", "placement.undefined_code")
        if isinstance(problem, UnknownVersion):
            error |= {"min_version": str(problem.facts["lowest"]), "max_version": str(problem.facts["highest"])}
        return {"errors": [error]}
