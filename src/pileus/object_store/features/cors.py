"""Cross-origin requests: which web pages may read what is in a container, as the container says."""

from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused, answered
from pileus.object_store.proxy.cluster import Cluster

SAID = "x-container-meta-access-control-"
METHODS = {
    1: "HEAD, GET, POST, OPTIONS",
    2: "HEAD, GET, PUT, POST, DELETE, OPTIONS",
    3: "HEAD, GET, PUT, POST, COPY, OPTIONS, DELETE",
}
EXPOSED = (
    "cache-control", "content-language", "content-type", "expires", "last-modified", "pragma", "etag", "x-timestamp",
    "x-trans-id", "x-openstack-request-id",
)  # fmt: skip


class Cors:
    """Answers OPTIONS, and tells browsers whether a page may have the answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The answer, with what a browser wants to know."""
        origin = ask.headers.get("origin")
        if ask.method == "OPTIONS":
            return await self._preflight(ask, origin)
        answer = await answered(rest, ask)
        if origin is None or ask.path.container is None:
            return answer
        said = await self._said(ask)
        allowed = said.get("allow-origin", "").split()
        if origin not in allowed and "*" not in allowed:
            return answer
        exposed = {*EXPOSED, *said.get("expose-headers", "").lower().split()}
        exposed |= {name for name in answer.headers if name.startswith(("x-container-meta-", "x-object-meta-"))}
        answer.headers.setdefault("access-control-expose-headers", ", ".join(sorted(exposed)))
        answer.headers["access-control-allow-origin"] = "*" if "*" in allowed else origin
        if "*" not in allowed:
            answer.headers["vary"] = "Origin"
        return answer

    async def _preflight(self, ask: Ask, origin: str | None) -> Answer:
        methods = METHODS[ask.path.depth]
        if origin is None:
            return Answer(headers={"allow": methods})
        said = await self._said(ask)
        allowed = said.get("allow-origin", "").split()
        wanted = ask.headers.get("access-control-request-method")
        if (origin not in allowed and "*" not in allowed) or (wanted and wanted not in methods.split(", ")):
            raise Refused(401)
        headers = {
            "allow": methods,
            "access-control-allow-methods": methods,
            "access-control-allow-origin": "*" if "*" in allowed else origin,
            "vary": "Origin, Access-Control-Request-Headers",
        }
        if "max-age" in said:
            headers["access-control-max-age"] = said["max-age"]
        if ask.headers.get("access-control-request-headers"):
            headers["access-control-allow-headers"] = ask.headers["access-control-request-headers"]
        return Answer(headers=headers)

    async def _said(self, ask: Ask) -> dict[str, str]:
        facts = await self._cluster.container(ask.path) if ask.path.container is not None else None
        if facts is None:
            return {}
        return {name.removeprefix(SAID): value for name, value in facts.metadata.items() if name.startswith(SAID)}
