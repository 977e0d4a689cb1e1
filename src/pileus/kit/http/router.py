"""Finding the operation a request means: a tree of path segments, made once from the declarations."""

from collections.abc import Mapping, Sequence

from pileus.kit.http.route import Api, Route


class Leaf:
    """What can be done at one path: by method, then by action (None where there is none), all spans of versions."""

    __slots__ = ("methods",)

    def __init__(self) -> None:
        self.methods: dict[str, dict[str | None, list[Route]]] = {}

    def add(self, route: Route) -> None:
        spans = self.methods.setdefault(route.method, {}).setdefault(route.action, [])
        for other in spans:
            if route.since <= other.until and other.since <= route.until:
                raise ValueError(f"{route.method} {route.path} is declared twice for some version")
        spans.append(route)

    def variants(self, method: str) -> Mapping[str | None, list[Route]] | None:
        """What a method means here, by action; None where it is not allowed."""
        return self.methods.get("GET" if method == "HEAD" and "HEAD" not in self.methods else method)

    @property
    def allowed(self) -> str:
        """The value of an Allow header."""
        names = set(self.methods)
        return ", ".join(sorted(names | ({"HEAD"} if "GET" in names else set())))


class _Fork:
    __slots__ = ("leaf", "named", "parameter")

    def __init__(self) -> None:
        self.named: dict[str, _Fork] = {}
        self.parameter: _Fork | None = None
        self.leaf: Leaf | None = None


class Router:
    """The tree of one service; literal segments win over parameters."""

    def __init__(self, api: Api) -> None:
        self._top = _Fork()
        for prefix in api.prefixes:
            for route in api.routes:
                # A path that begins with // stands outside the versioned prefixes: the version documents.
                if route.path.startswith("//"):
                    if prefix == api.prefixes[0]:
                        self._add(route.path[1:], route)
                else:
                    self._add(prefix + route.path, route)

    def _add(self, path: str, route: Route) -> None:
        fork = self._top
        for part in path.split("/"):
            if not part:
                continue
            if part.startswith("{"):
                fork.parameter = fork.parameter or _Fork()
                fork = fork.parameter
            else:
                fork = fork.named.setdefault(part, _Fork())
        if fork.leaf is None:
            fork.leaf = Leaf()
        fork.leaf.add(route)

    def find(self, parts: Sequence[str]) -> tuple[Leaf, tuple[str, ...]] | None:
        """The leaf at a path and the values of its parameters, in their order."""
        return _find(self._top, parts, 0, ())


def _find(fork: _Fork, parts: Sequence[str], at: int, values: tuple[str, ...]) -> tuple[Leaf, tuple[str, ...]] | None:
    if at == len(parts):
        return (fork.leaf, values) if fork.leaf else None
    named = fork.named.get(parts[at])
    if named is not None:
        found = _find(named, parts, at + 1, values)
        if found is not None:
            return found
    if fork.parameter is not None:
        return _find(fork.parameter, parts, at + 1, (*values, parts[at]))
    return None
