"""Reading a request for candidates: parameters whose names end in a group's suffix."""

import re
from collections.abc import Sequence

from pileus.kit.http import Version
from pileus.placement import errors
from pileus.placement.api import filters
from pileus.placement.models.candidates import Group, Request

_GROUPED = re.compile(r"(resources|required|member_of|in_tree)(.*)")
_SINCE = {"resources": 10, "required": 17, "member_of": 21, "in_tree": 31}
_OLD_SUFFIX = re.compile(r"[1-9][0-9]*")
_SUFFIX = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_WHOLE = {"limit": 16, "group_policy": 25, "root_required": 35, "same_subtree": 36}
_REPEATABLE = {
    "member_of": 21,
    "required": 39,
    "same_subtree": 36,
    "limit": 16,
    "group_policy": 25,
    "root_required": 35,
}

Given = dict[str, list[str]]  # parameter -> its values


def request_of(pairs: Sequence[tuple[str, str]], at: Version) -> Request:
    """The request a query string stands for at one microversion; raises WrongQuery."""
    groups: dict[str, Given] = {}
    whole: Given = {}
    for name, value in pairs:
        kind, given = _sorted_in(name, at, groups, whole)
        values = given.setdefault(kind, [])
        # Where one value is meant, the last one given counts.
        if at < (1, _REPEATABLE.get(kind, 99)):
            values.clear()
        values.append(value)
    if len(whole.get("root_required", ())) > 1:
        raise errors.RepeatedQuery(name="root_required")
    if not any("resources" in given for given in groups.values()):
        if at >= (1, 36):
            raise errors.MissingQuery(why="There must be at least one resources or resources[$S] parameter.")
        raise errors.WrongQuery(why="At least one request group (`resources` or `resources{$S}`) is required.")
    built = tuple(_group(suffix, given, at) for suffix, given in groups.items())
    return _request(built, whole, at)


def _sorted_in(name: str, at: Version, groups: dict[str, Given], whole: Given) -> tuple[str, Given]:
    if name in _WHOLE and at >= (1, _WHOLE[name]):
        return name, whole
    found = _GROUPED.fullmatch(name)
    if found and at >= (1, _SINCE[found[1]]) and _is_suffix(found[2], at):
        return found[1], groups.setdefault(found[2], {})
    raise errors.WrongQuery(why=f"Additional properties are not allowed ('{name}' was unexpected).")


def _is_suffix(text: str, at: Version) -> bool:
    if not text:
        return True
    if at >= (1, 33):
        return _SUFFIX.fullmatch(text) is not None
    return at >= (1, 25) and _OLD_SUFFIX.fullmatch(text) is not None


def _group(suffix: str, given: Given, at: Version) -> Group:
    required, forbidden = filters.traits(given.get("required", ()), at)
    member_of, not_member_of = filters.aggregates(given.get("member_of", []), at)
    in_tree = given.get("in_tree", [None])[0]
    return Group(
        suffix=suffix,
        resources=filters.amounts(given["resources"][0]) if "resources" in given else {},
        required=required,
        forbidden=forbidden,
        member_of=member_of,
        not_member_of=not_member_of,
        in_tree=None if in_tree is None else filters.uuid(f"in_tree{suffix}", in_tree),
    )


def _request(groups: tuple[Group, ...], whole: Given, at: Version) -> Request:
    together = tuple(frozenset(one.strip() for one in text.split(",")) for text in whole.get("same_subtree", []))
    suffixes = {group.suffix for group in groups if group.suffix}
    for wanted in together:
        if "" in wanted or not wanted <= suffixes:
            raise errors.BadQueryValue(why="Real suffixes should be specified in 'same_subtree'.")
    for group in groups:
        if not group.resources and not any(group.suffix in wanted for wanted in together):
            refused = errors.BadQueryValue if at >= (1, 36) and group.suffix else errors.WrongQuery
            raise refused(
                why=f"All request groups must specify resources; group {group.suffix!r} asks for none and is in no "
                "same_subtree."
            )
    policy = whole.get("group_policy", [None])[0]
    if policy not in {None, "none", "isolate"}:
        raise errors.WrongQuery(why=f"group_policy must be 'none' or 'isolate', not {policy!r}.")
    if policy is None and len([group for group in groups if group.suffix and group.resources]) > 1:
        raise errors.WrongQuery(
            why='The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )
    required, forbidden = filters.traits(whole.get("root_required", ()), Version(1, 22), errors.BadQueryValue)
    return Request(
        groups=tuple(sorted(groups, key=lambda group: group.suffix)),
        isolate=policy == "isolate",
        limit=_limit(whole.get("limit", [None])[0]),
        root_required=frozenset(name for one in required for name in one),
        root_forbidden=forbidden,
        same_subtree=together,
        nested=at >= (1, 29),
    )


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0):
        raise errors.WrongQuery(why=f"limit must be a positive number, not {text[:32]!r}.")
    return int(text)
