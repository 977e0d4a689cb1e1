"""What something lets its holder do, and whether that is within what it came from.

Every delegation goes by `widening` and by nothing else: trusts and trusts of trusts, application credentials, pairs of
keys, OAuth tokens; when they are made, and again whenever they are used.
"""

import datetime as dt
from collections.abc import Iterable

import msgspec

from pileus.kit.auth import AccessRule

Rules = frozenset[tuple[str, str, str]]


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf, where, with which roles and requests (None: any), until when (None: for ever), and by whose hand."""

    user_id: str
    project_id: str | None
    role_ids: frozenset[str]
    rules: Rules | None = None
    expires_at: dt.datetime | None = None
    certificate: str | None = None  # thumbprint of the one that must be shown with each request; None: none need be


def rules_of(rules: Iterable[AccessRule] | None) -> Rules | None:
    """Access rules as they are compared."""
    return None if rules is None else frozenset((rule.service, rule.method, rule.path) for rule in rules)


def widening(source: Reach, asked: Reach) -> str | None:
    """In which way one reach goes beyond its source; None when it stays within it."""
    if asked.user_id != source.user_id:
        return "it acts for another user"
    if asked.project_id != source.project_id:
        return "it is good in another project"
    if not asked.role_ids:
        return "it has no role"
    if not asked.role_ids <= source.role_ids:
        return f"it has roles beyond: {', '.join(sorted(asked.role_ids - source.role_ids))}"
    if source.rules is not None and (asked.rules is None or not asked.rules <= source.rules):
        return "it allows requests beyond the access rules"
    if source.expires_at is not None and (asked.expires_at is None or asked.expires_at > source.expires_at):
        return f"it lasts longer than {source.expires_at.isoformat()}"
    if source.certificate is not None and asked.certificate != source.certificate:
        return "it can be used without the client certificate the token is bound to"
    return None
