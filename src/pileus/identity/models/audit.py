"""What is written down of logins and changes for those who audit: who, what, to what, from where, and how it ended.

The words are those of CADF (DMTF DSP0262), as OpenStack's tools read them. No secret is ever among them: of a request only
its method and path are looked at.
"""

import contextvars
from typing import Any

import msgspec

ACTIONS = {"POST": "created", "PUT": "updated", "PATCH": "updated", "DELETE": "deleted"}
TYPES = {
    "users": "data/security/account/user",
    "OS-TRUST": "data/security/trust",
    "OS-OAUTH1": "data/security/oauth1",
    "OS-FEDERATION": "data/security/federation",
    "OS-INHERIT": "data/security/role_assignment",
    "system": "data/security/role_assignment",
}


class Act(msgspec.Struct):
    """A request that may change something; `made` are the ids given out meanwhile."""

    method: str
    path: str
    user_id: str
    project_id: str | None
    address: str
    made: list[str] = []
    told: bool = False

    @property
    def parts(self) -> list[str]:
        """The path below the version, in its parts."""
        return [part for part in self.path.split("/") if part and part != "v3"]

    @property
    def noun(self) -> str:
        """What kind of thing is changed: the last of the path that is no id."""
        named = self.parts[::2] if not self.parts[0].startswith("OS-") else self.parts[:2]
        return named[-1].rstrip("s") if named else "identity"

    @property
    def target_id(self) -> str:
        """The id of what is changed: in the path, or given out for it."""
        if self.method == "POST" and self.made:
            return self.made[0]
        return self.parts[-1] if len(self.parts) > 1 else ""


# The request under way; nothing outside one is audited.
ACT: contextvars.ContextVar[Act | None] = contextvars.ContextVar("identity_act", default=None)


def noted(id: str) -> str:
    """The id, which the request under way has given out."""
    act = ACT.get()
    if act is not None:
        act.made.append(id)
    return id


def of_change(act: Act, reason: str | None = None) -> dict[str, Any]:
    """A change that was made; or was not, as whoever asked for it may not: `reason` is the name of the refusal."""
    kind = TYPES.get(act.parts[0], f"data/security/{act.noun}") if act.parts else "data/security"
    told: dict[str, Any] = {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "action": f"{ACTIONS[act.method]}.{act.noun}",
        "outcome": "success" if reason is None else "failure",
        "initiator": {
            "typeURI": "service/security/account/user",
            "id": act.user_id,
            "project_id": act.project_id,
            "host": {"address": act.address},
        },
        "target": {"typeURI": kind, "id": act.target_id[:255], "path": act.path[:1024]},
        "observer": {"typeURI": "service/security", "id": "identity"},
    }
    if reason is not None:
        told["reason"] = {"reasonCode": "403", "reasonType": reason}
    return told


def of_login(*, user: str, methods: tuple[str, ...], address: str, reason: str | None) -> dict[str, Any]:
    """A login that was tried by whoever it says it is; `reason` says why it was refused."""
    told: dict[str, Any] = {
        "typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event",
        "eventType": "activity",
        "action": "authenticate",
        "outcome": "success" if reason is None else "failure",
        "initiator": {"typeURI": "service/security/account/user", "id": user, "host": {"address": address}},
        "target": {"typeURI": "service/security/account/user", "id": user},
        "observer": {"typeURI": "service/security", "id": "identity"},
        "attachments": [{"name": "methods", "typeURI": "mime:text/plain", "content": ",".join(methods)}],
    }
    if reason is not None:
        told["reason"] = {"reasonCode": "401", "reasonType": reason}
    return told
