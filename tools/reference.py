"""Writes docs/reference/: each service's operations, rules and microversions, as its declarations say them.

A service without a manifest has no page. One whose manifest does not import keeps the page it has, and that is said.
"""

import importlib
import importlib.util
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pileus.kit.http.route import Api, Route
    from pileus.kit.http.wire import Wire

SHORT = 60
ALTERNATIVES = re.compile(r" or (?![^\[]*\])")
Version = tuple[int, int]
SERVICES = ("identity", "image", "placement", "compute", "network", "block_storage")
PLACE = Path("docs/reference")
MADE = "<!-- Made by tools/generate.py from the declarations in src/pileus/{service}/api; do not edit. -->"

WHAT = """\
Every operation of every service, with the rule that guards it. These pages are made from the same declarations that
the program runs by. A running cloud says the same, with the shape of every body, as OpenAPI 3.1 at
`/openapi/<service>.json`."""
HOW = """\
In the tables *rule* is the policy rule's name and *who* its default: `admin or project reader` means an admin of the
cloud, or a reader of the project the thing belongs to. `public` needs no token."""


def pages() -> Mapping[Path, str]:
    """The page of each service there is, and the list of them."""
    apis = {service: api for service in SERVICES if (api := declared(service)) is not None}
    made = {PLACE / f"{service}.md": page(service, api) for service, api in apis.items()}
    return {**made, PLACE / "README.md": index(apis)}


def declared(service: str) -> "Api | None":
    """The operations a service declares; None when it has no manifest yet, or one that does not import."""
    try:
        if importlib.util.find_spec(f"pileus.{service}.manifest") is None:
            return None
        found: Api = importlib.import_module(f"pileus.{service}.manifest").API
    except Exception as failed:  # noqa: BLE001  its own tests say it louder; the others' pages need not wait
        print(f"reference: {service} is left out: {failed}", file=sys.stderr)
        return None
    return found


def index(apis: "Mapping[str, Api]") -> str:
    """The list of the pages."""
    rows = [f"| [{name}]({name}.md) | {len(api.routes)} | {_range(api)} |" for name, api in apis.items()]
    return _text(
        [MADE.format(service="*"), "# Reference", WHAT, _lines(("Service", "Operations", "Microversions"), rows), HOW]
    )


def page(service: str, api: "Api") -> str:
    """The page of one service."""
    parts = [MADE.format(service=service), f"# {service.capitalize()} API", _address(service, api)]
    for name, routes in _by_resource(api.routes).items():
        parts += [f"## {name}", _table(routes, _spoken(api))]
    others = [f"| `{name}` | {who} |" for name, who in _field_rules(api)]
    if others:
        parts += [
            "## Rules of fields and commands",
            "These guard single fields, or are asked while an operation is decided.",
            _lines(("Rule", "Who"), others),
        ]
    long_rules = _long_rules(api)
    if long_rules:
        parts += ["## Long rules", "Any one of the alternatives is enough.", long_rules]
    changes = list(_history(api))
    if changes:
        parts += ["## Microversions", "What appears and disappears, and where.", "\n".join(changes)]
    return _text(parts)


def _address(service: str, api: "Api") -> str:
    prefixes = " or ".join(f"`/{service}{prefix}`" for prefix in api.prefixes)
    versions = f" Microversions {_range(api)}." if api.microversions else ""
    outside = f"; one that begins with `//` is below `/{service}` itself" if _outside(api) else ""
    return f"Paths are below {prefixes}{outside}.{versions}"


def _outside(api: "Api") -> bool:
    return any(route.path.startswith("//") for route in api.routes)


def _range(api: "Api") -> str:
    spoken = api.microversions
    return f"{spoken.lowest} to {spoken.highest}" if spoken else "none"


def _by_resource(routes: "Iterable[Route]") -> "dict[str, list[Route]]":
    found: dict[str, list[Route]] = {}
    for route in routes:
        name = route.handler.__module__.rpartition(".")[2].replace("_", " ").capitalize()
        found.setdefault(name, []).append(route)
    return found


def _table(routes: "Iterable[Route]", spoken: tuple[Version, Version]) -> str:
    rows = []
    for route in routes:
        action = f" `{route.action}`" if route.action else ""
        span = _span(route, spoken)
        rule = f"`{route.rule.name}`" if route.rule else ""
        cells = (
            f"`{route.method} {route.path}`{action}{f' ({span})' if span else ''}",
            route.summary,
            rule,
            _who(route.rule.default) if route.rule else "public",
            str(route.status),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return _lines(("Operation", "What it does", "Rule", "Who", "Answers"), rows)


def _who(phrase: str) -> str:
    return f"`{phrase}`" if len(phrase) <= SHORT else "[long](#long-rules)"


def _long_rules(api: "Api") -> str:
    """Those whose default is too long for a table, an alternative a line."""
    rules = {rule.name: rule.default for rule in (*api.rules, *(route.rule for route in api.routes if route.rule))}
    return "\n".join(
        f"- `{name}`:\n" + "\n".join(f"  - `{alternative}`" for alternative in ALTERNATIVES.split(phrase))
        for name, phrase in sorted(rules.items())
        if len(phrase) > SHORT
    )


def _span(route: "Route", spoken: tuple[Version, Version]) -> str:
    """In which microversions it is there, as far as that is not: in all."""
    since = f"from {route.since}" if route.since > spoken[0] else ""
    until = f"to {route.until}" if route.until < spoken[1] else ""
    return " ".join(part for part in (since, until) if part)


def _spoken(api: "Api") -> tuple[Version, Version]:
    """The lowest and the highest microversion."""
    return (api.microversions.lowest, api.microversions.highest) if api.microversions else ((0, 0), (999, 999))


def _field_rules(api: "Api") -> list[tuple[str, str]]:
    of_routes = {route.rule.name for route in api.routes if route.rule}
    return sorted({(rule.name, _who(rule.default)) for rule in api.rules if rule.name not in of_routes})


# -- history ---------------------------------------------------------------------------------------------------------


def _history(api: "Api") -> Iterator[str]:
    """A line for each microversion that changes anything."""
    comes: dict[Version, dict[str, None]] = {}
    goes: dict[Version, dict[str, None]] = {}
    for since, until, what in (*_of_routes(api), *_of_fields(api)):
        comes.setdefault(since, {})[what] = None
        goes.setdefault((until[0], until[1] + 1), {})[what] = None
    lowest, highest = _spoken(api)
    for version in sorted({*comes, *goes}):
        if not lowest < version <= highest:
            continue
        come, go = comes.get(version, {}), goes.get(version, {})
        said = [f"{what} {'changes' if what in go else 'is new'}" for what in come]
        said += [f"{what} is gone" for what in go if what not in come]
        yield f"- **{version[0]}.{version[1]}**: {'; '.join(said)}."


def _of_routes(api: "Api") -> Iterator[tuple[Version, Version, str]]:
    for route in api.routes:
        action = f" `{route.action}`" if route.action else ""
        yield route.since, route.until, f"`{route.method} {route.path}`{action}"


def _of_fields(api: "Api") -> Iterator[tuple[Version, Version, str]]:
    from pileus.kit.http.wire import fields

    for kind in _wires(api):
        for field in fields(kind):
            yield field.since, field.until, f"`{field.name}` of {_words(kind.__name__)}"


def _wires(api: "Api") -> "Iterator[type[Wire]]":
    """Every wire that operations read or write, each once, in their order."""
    from pileus.kit.http.wire import fields, wires_in

    waiting: list[object] = []
    for route in api.routes:
        waiting += [route.body, route.query, typing.get_type_hints(route.handler).get("return")]
    known: set[type[Wire]] = set()
    while waiting:
        for kind in wires_in(waiting.pop(0)):
            if kind not in known:
                known.add(kind)
                yield kind
                waiting += [field.type for field in fields(kind)]


def _words(name: str) -> str:
    """`ServerCreate` is said as `server create`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _lines(titles: tuple[str, ...], rows: Iterable[str]) -> str:
    """A table."""
    return "\n".join([f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *rows])


def _text(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"
