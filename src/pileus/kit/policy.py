"""Policy: who may do what, in oslo.policy's rule language.

Every rule has a default, written as a phrase (`admin or project member`) that is translated into a check string
(`role:admin or (role:member and project_id:%(project_id)s)`); an operator's policy file overrides it by name. Check
strings are compiled once to closures over the caller and the target. What cannot be understood denies: a broken file
never opens access.
"""

import ast
import functools
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from pileus.kit.auth import Caller
from pileus.kit.errors import Denied

ADMIN = "admin"
ANY = "any"
NOBODY = "nobody"
PROJECT_READER = "admin or project reader"
PROJECT_MEMBER = "admin or project member"
PROJECT_MANAGER = "admin or project manager"
ADMIN_OR_SELF = "admin or self"
ADMIN_OR_SERVICE = "admin or service"
SYSTEM_READER = "admin or system reader"

Target = Mapping[str, object]
Check = Callable[[Caller, Target], bool]


class PolicyError(ValueError):
    """A check string that cannot be understood."""


class Forbidden(Denied):
    """Policy doesn't allow {rule} to be performed."""


class Rule(msgspec.Struct, frozen=True):
    """A named rule and its default; `default` is a phrase, see `check_string`."""

    name: str
    default: str = PROJECT_READER

    @property
    def check(self) -> str:
        """The default as a check string of oslo.policy's language."""
        return check_string(self.default)


class Attributes(Mapping[str, object]):
    """A value's attributes as a policy target; dotted names walk."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __getitem__(self, name: str) -> object:
        found: object = self._value
        for part in name.split("."):
            found = getattr(found, part, _MISSING)
            if found is _MISSING:
                raise KeyError(name)
        return found

    def __iter__(self) -> "Iterable[str]":  # type: ignore[override]
        return iter(getattr(self._value, "__struct_fields__", ()))

    def __len__(self) -> int:
        return len(getattr(self._value, "__struct_fields__", ()))


_MISSING = object()


def target_of(value: object) -> Target:
    """What a rule sees of a loaded object: its own `policy_target()` if it has one, else its attributes."""
    own = getattr(value, "policy_target", None)
    return own() if callable(own) else Attributes(value)


class Enforcer:
    """All rules of the cloud: the defaults declared by the routes, and what an operator put in their place."""

    def __init__(self) -> None:
        self._strings: dict[str, str] = {}
        self._defaults: dict[str, str] = {}
        self._checks: dict[str, Check] = {}

    def declare(self, rules: Iterable[Rule]) -> None:
        """Make rules known; one name may be declared many times, but with one default."""
        for rule in rules:
            known = self._defaults.setdefault(rule.name, rule.default)
            if known != rule.default:
                raise PolicyError(f"{rule.name} is declared both as '{known}' and as '{rule.default}'")
            self._strings.setdefault(rule.name, rule.check)

    def override(self, strings: Mapping[str, str]) -> None:
        """Put an operator's check strings in the place of the defaults; all are understood, or none is taken.

        A reference to a rule that does not exist is not understood: it denies, so `not rule:typo` would let everybody.
        """
        compiled = {name: compile_check(string, self._find) for name, string in strings.items()}
        merged = {**{name: check_string(phrase) for name, phrase in self._defaults.items()}, **strings}
        for name in strings:
            _follow(name, merged, ())
        self._strings, self._checks = merged, compiled

    def allows(self, name: str, caller: Caller, target: Target) -> bool:
        """Whether the rule lets the caller at the target; an unknown rule lets nobody."""
        return self._find(name)(caller, target)

    def require(self, name: str, caller: Caller, target: Target) -> None:
        """Raise Forbidden unless the rule lets the caller at the target."""
        if not self._find(name)(caller, target):
            raise Forbidden(rule=name)

    @property
    def defaults(self) -> Mapping[str, str]:
        """The phrase each declared rule came with."""
        return self._defaults

    def _find(self, name: str) -> Check:
        check = self._checks.get(name)
        if check is None:
            string = self._strings.get(name)
            check = _never if string is None else compile_check(string, self._find)
            self._checks[name] = check
        return check


def _follow(name: str, strings: Mapping[str, str], way: tuple[str, ...]) -> None:
    """Raise PolicyError unless all a rule refers to is there and does not lead back to it."""
    if name in way:
        raise PolicyError(f"{' -> '.join((*way, name))}: the rule leads back to itself")
    if name not in strings:
        raise PolicyError(f"'{strings[way[-1]]}' of {way[-1]} refers to rule:{name}, which does not exist")
    for referred in references(strings[name]):
        _follow(referred, strings, (*way, name))


def references(string: str) -> list[str]:
    """The rules a check string refers to."""
    return _REFERENCE.findall(string)


def _never(_caller: Caller, _target: Target) -> bool:
    return False


def _always(_caller: Caller, _target: Target) -> bool:
    return True


# -- phrases ----------------------------------------------------------------------------------------------------------

_SUBJECTS = {
    "user": "user_id",
    "project": "project_id",
    "domain": "domain_id",
    "token.domain": "token.domain.id",
    "token.project.domain": "token.project.domain.id",
}


@functools.cache
def check_string(phrase: str) -> str:
    """The check string a phrase such as `admin or project member` stands for."""
    if phrase in {ANY, NOBODY}:
        return "" if phrase == ANY else "!"
    return " or ".join(_alternative(part) for part in re.split(r" or (?![^\[]*\])", phrase))


def _alternative(words: str) -> str:
    if words in {ANY, NOBODY}:
        return "@" if words == ANY else "!"
    if words == "self":
        return "user_id:%(user_id)s"
    if words.startswith("field "):
        return f"field:{words[6:]}"
    if words.startswith("not("):
        return " and ".join(
            f"not {_alternative(part[4:-1])}"
            if part.startswith("not(") and not part.endswith(" unset)")
            else _condition(part)
            for part in words.split(" & ")
        )
    found = re.fullmatch(r"([a-z_-]+)\[(.*)\]", words)
    if found:
        return f"(role:{found[1]} and {' and '.join(_condition(part) for part in found[2].split(' & '))})"
    if "=" in words:
        return _condition(words)
    scope, _, role = words.rpartition(" ")
    role_check = "" if role == "any-role" else f"role:{role}"
    scope_check = {"": "", "project": "project_id:%(project_id)s", "system": "system_scope:all"}[scope]
    both = [check for check in (role_check, scope_check) if check]
    return both[0] if len(both) == 1 else f"({' and '.join(both)})"


def _condition(words: str) -> str:
    if words == "own-project":
        return "project_id:%(project_id)s"
    set_for_caller = re.fullmatch(r"not\((\w+:None)\)", words)
    if set_for_caller:
        return f"not {set_for_caller[1]}"
    unset = re.fullmatch(r"not\((.*) unset\)", words)
    if unset:
        return f"not None:%({unset[1]})s"
    missing = re.fullmatch(r"(.*) unset", words)
    if missing:
        return f"None:%({missing[1]})s"
    left, _, right = words.partition("=")
    if left in _SUBJECTS:
        return f"{_SUBJECTS[left]}:%({right})s"
    return f"'{right}':%({left})s"


# -- the rule language ------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(\(|\)|(?:[^\s()'\"%]|%\([^)]*\)s|'[^']*'|\"[^\"]*\")+)")


_REFERENCE = re.compile(r"(?:^|[\s(])rule:([^\s()]+)")


def compile_check(string: str, find: Callable[[str], Check]) -> Check:
    """The closure a check string stands for; `find` resolves `rule:` references when they are used."""
    if not string.strip():
        return _always
    tokens = []
    at = 0
    text = string.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise PolicyError(f"cannot read '{text[at:]}' in '{string}'")
        tokens.append(found[1])
        at = found.end()
    tokens.reverse()
    check = _either(tokens, find)
    if tokens:
        raise PolicyError(f"'{tokens[-1]}' is left over in '{string}'")
    return check


def _either(tokens: list[str], find: Callable[[str], Check]) -> Check:
    parts = [_both(tokens, find)]
    while tokens and tokens[-1].lower() == "or":
        tokens.pop()
        parts.append(_both(tokens, find))
    return parts[0] if len(parts) == 1 else lambda caller, target: any(part(caller, target) for part in parts)


def _both(tokens: list[str], find: Callable[[str], Check]) -> Check:
    parts = [_single(tokens, find)]
    while tokens and tokens[-1].lower() == "and":
        tokens.pop()
        parts.append(_single(tokens, find))
    return parts[0] if len(parts) == 1 else lambda caller, target: all(part(caller, target) for part in parts)


def _single(tokens: list[str], find: Callable[[str], Check]) -> Check:
    if not tokens:
        raise PolicyError("the rule ends too early")
    token = tokens.pop()
    if token.lower() == "not":
        inner = _single(tokens, find)
        return lambda caller, target: not inner(caller, target)
    if token == "(":
        inside = _either(tokens, find)
        if not tokens or tokens.pop() != ")":
            raise PolicyError("a parenthesis is not closed")
        return inside
    return _atom(token, find)


def _atom(token: str, find: Callable[[str], Check]) -> Check:
    if token in {"@", "!"}:
        return _always if token == "@" else _never
    kind, colon, match = token.partition(":")
    if not colon:
        raise PolicyError(f"'{token}' is no check")
    match kind:
        case "role":
            return _role(match)
        case "rule":
            # Looked up when it is used: rules may refer to rules that come later.
            return lambda caller, target: find(match)(caller, target)  # noqa: PLW0108
        case "field":
            return _field(match)
        case "http" | "https":
            raise PolicyError("checks by remote servers are not offered")
        case _:
            return _compare(kind, match)


def _role(match: str) -> Check:
    name = match.lower()
    if "%(" in match:
        read = _template(match)
        return lambda caller, target: str(read(target)).lower() in caller.roles
    return lambda caller, _target: name in caller.roles


def _field(match: str) -> Check:
    """Neutron's own check, `field:resource:name=value`; the value `~x` is a regular expression."""
    _, _, rest = match.partition(":")
    name, _, value = rest.rpartition("=")
    if value.startswith("~"):
        pattern = re.compile(value[1:])
        return lambda _caller, target: pattern.match(str(target.get(name, ""))) is not None
    return lambda _caller, target: str(target.get(name)) == value


def _compare(kind: str, match: str) -> Check:
    """`left:right`: left is a literal or an attribute of the caller, right a text that may name target attributes."""
    read = _template(match)
    try:
        literal = str(ast.literal_eval(kind))
    except (ValueError, SyntaxError):
        attribute = _CALLER.get(kind)
        if attribute is None:
            return _never
        if match == "None":
            return lambda caller, _target: attribute(caller) is None
        return lambda caller, target: _equal(attribute(caller), read(target))
    return lambda _caller, target: literal == read(target)


def _equal(left: object, right: str | None) -> bool:
    return left is not None and right is not None and str(left) == right


def _template(match: str) -> Callable[[Target], str | None]:
    """How to read the right side of a check from a target; None when the target lacks what it names."""
    whole = re.fullmatch(r"%\(([^)]*)\)s", match)
    if whole:
        name = whole[1]

        def read(target: Target) -> str | None:
            try:
                return str(target[name])
            except KeyError:
                return None

        return read
    return lambda _target: match.strip("'\"")


_CALLER: Mapping[str, Callable[[Caller], object]] = {
    "user_id": lambda caller: caller.user_id,
    "project_id": lambda caller: caller.project_id,
    "tenant_id": lambda caller: caller.project_id,
    "tenant": lambda caller: caller.project_id,
    "domain_id": lambda caller: caller.domain_id,
    "user_domain_id": lambda caller: caller.user_domain_id,
    "project_domain_id": lambda caller: caller.project_domain_id,
    "system_scope": lambda caller: "all" if caller.system else None,
    "is_admin": lambda caller: caller.admin,
    "token.domain.id": lambda caller: caller.domain_id,
    "token.project.domain.id": lambda caller: caller.project_domain_id,
    "token.project.id": lambda caller: caller.project_id,
}
