"""Quotas of containers, set by who runs the account, and of accounts, set by resellers."""

from collections.abc import Mapping

from pileus.object_store.proxy.asks import Answer, Ask, Guards, Handler, Refused
from pileus.object_store.proxy.cluster import Cluster

EXCEEDED = "Upload exceeds quota."
OLD = "x-account-meta-quota-bytes"
KEPT = "x-account-sysmeta-quota-"
SAID = "x-account-quota-"


class ContainerQuotas:
    """No container holds more than its quota; what is uploaded meanwhile by others may go a little beyond."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The upload, if there is room for it."""
        if ask.path.depth == 2 and ask.method in {"PUT", "POST"}:
            for kind in ("bytes", "count"):
                value = ask.headers.get(f"x-container-meta-quota-{kind}", "")
                if value and not value.isdigit():
                    raise Refused(400, f"Invalid {kind} quota.")
        if ask.path.depth == 3 and ask.method == "PUT":
            await self._require_room(ask)
        return await rest(ask)

    async def _require_room(self, ask: Ask) -> None:
        known = await self._cluster.container(ask.path)
        if known is None or not any(name.startswith("x-container-meta-quota-") for name in known.metadata):
            return
        self._cluster.changed(ask.path)  # what is remembered may be too old to count by
        facts = await self._cluster.container(ask.path)
        if facts is None:
            return
        most, many = (facts.metadata.get(f"x-container-meta-quota-{kind}", "") for kind in ("bytes", "count"))
        too_much = most.isdigit() and facts.bytes + (ask.body.length or 0) > int(most)
        if too_much or (many.isdigit() and facts.count + 1 > int(many)):
            raise Refused(413, EXCEEDED)


class AccountQuotas:
    """No account holds more than its quota: of bytes or objects, in all or of one storage policy."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The upload, if there is room for it; or the quota, set."""
        if ask.path.depth == 1 and ask.method in {"PUT", "POST"}:
            self._set(ask)
        if ask.method == "PUT" and ask.path.depth == 3:
            await self._require_room(ask)
        answer = await rest(ask)
        if ask.path.depth == 1 and ask.method in {"GET", "HEAD"}:
            for name, value in list(answer.headers.items()):
                if name.startswith(KEPT):
                    answer.headers[SAID + name.removeprefix(KEPT)] = value
                elif name == OLD:
                    answer.headers.setdefault(f"{SAID}bytes", value)
        return answer

    def _set(self, ask: Ask) -> None:
        given = {
            name: value
            for name, value in ask.headers.items()
            if name.startswith((SAID, f"x-remove-{SAID[2:]}")) or name in {OLD, f"x-remove-{OLD[2:]}"}
        }
        if not given:
            return
        ask.permit(ask, Guards())  # marks resellers
        if not ask.reseller:
            raise Refused(403)
        for name, value in given.items():
            if value and not name.startswith("x-remove-") and not value.isdigit():
                raise Refused(400, "Invalid bytes quota." if "bytes" in name else "Invalid count quota.")
            if name.startswith(SAID):
                ask.headers[KEPT + name.removeprefix(SAID)] = value
            elif name.startswith(f"x-remove-{SAID[2:]}"):
                ask.headers[KEPT + name.removeprefix(f"x-remove-{SAID[2:]}")] = ""

    async def _require_room(self, ask: Ask) -> None:
        known = await self._cluster.account(ask.path)
        if known is None or not any(name.startswith(KEPT) or name == OLD for name in known.metadata):
            return
        if ask.reseller:
            return
        self._cluster.changed(type(ask.path)(ask.path.account))
        facts, container = await self._cluster.account(ask.path), await self._cluster.container(ask.path)
        if facts is None or container is None:
            return
        size = ask.body.length or 0
        policy = self._cluster.rings.policies[container.policy].name.lower()
        held = facts.totals.get(container.policy)
        checks = (
            ("bytes", facts.bytes + size),
            ("count", facts.objects + 1),
            (f"bytes-policy-{policy}", (held.bytes if held else 0) + size),
            (f"count-policy-{policy}", (held.count if held else 0) + 1),
        )
        if any(wanted > most for kind, wanted in checks if (most := _quota(facts.metadata, kind)) is not None):
            raise Refused(413, EXCEEDED)


def _quota(metadata: Mapping[str, str], kind: str) -> int | None:
    text = metadata.get(KEPT + kind) or (metadata.get(OLD, "") if kind == "bytes" else "")
    return int(text) if text.isdigit() else None
