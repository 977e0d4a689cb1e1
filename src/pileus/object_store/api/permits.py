"""Who may what: by roles in the account's own project, by the lists of accounts and containers, or as anybody."""

from pileus.kit.auth import NOBODY, Caller
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.models.acls import BadAcl, account_acl, parsed, referrer_allowed
from pileus.object_store.proxy.asks import Ask, Guards, Refused

PREFIX = "AUTH_"
READS = {"GET", "HEAD"}


class Permits:
    """Decides for callers who came with a token of identity, or with none."""

    def __init__(self, config: ObjectStoreConfig) -> None:
        self._operators = {role.lower() for role in config.operator_roles}
        self._readers = {role.lower() for role in config.reader_roles}
        self._system_readers = {role.lower() for role in config.system_reader_roles}
        self._reseller = config.reseller_admin_role.lower()

    def __call__(self, ask: Ask, guards: Guards) -> None:
        """Mark who asks; raises Refused (401 without a token, else 403) when he may not."""
        if ask.method == "OPTIONS":
            return
        if ask.caller is NOBODY or not ask.caller.user_id:
            if not self._anyone(ask, guards):
                raise Refused(401, headers={"www-authenticate": f'Swift realm="{ask.path.account}"'})
            return
        if not self._known(ask, ask.caller, guards):
            raise Refused(403)

    def _known(self, ask: Ask, caller: Caller, guards: Guards) -> bool:
        roles = {role.lower() for role in caller.roles}
        own = caller.project_id is not None and ask.path.account == f"{PREFIX}{caller.project_id}"
        if self._reseller in roles:
            ask.owner = ask.reseller = True
            return True
        if own and roles & self._operators:
            ask.owner = True
            return ask.path.depth > 1 or ask.method not in {"PUT", "DELETE"}
        if ask.method in READS and (
            (own and roles & self._readers) or (caller.system and roles & self._system_readers)
        ):
            return True
        if self._granted(ask, caller, guards.account):
            return True
        if not guards.container:
            return False
        referrers, groups = parsed(guards.container)
        # Groups that name project and user hold across accounts; roles only in one's own.
        if _cross_project(caller, groups) or (own and roles & {group.lower() for group in groups}):
            return True
        return self._referred(ask, referrers, groups)

    def _anyone(self, ask: Ask, guards: Guards) -> bool:
        referrers, groups = parsed(guards.container)
        return self._referred(ask, referrers, groups)

    def _referred(self, ask: Ask, referrers: list[str], groups: list[str]) -> bool:
        if ask.method not in READS or not referrer_allowed(ask.headers.get("referer", ""), referrers):
            return False
        return ask.path.object is not None or ".rlistings" in groups

    def _granted(self, ask: Ask, caller: Caller, text: str) -> bool:
        """What the account's own list grants."""
        try:
            acl = account_acl(text)
        except BadAcl:
            return False
        names = {caller.user_id, f"{caller.project_id}:{caller.user_id}", f"{caller.project_name}:{caller.user_name}"}
        names |= {f"{caller.project_id}:*", caller.user_name}
        if names & set(acl.get("admin", ())):
            ask.owner = True
            return ask.path.depth > 1 or ask.method not in {"PUT", "DELETE"}
        if names & set(acl.get("read-write", ())):
            return ask.path.depth > 1 or ask.method in READS
        return bool(names & set(acl.get("read-only", ()))) and ask.method in READS


def _cross_project(caller: Caller, groups: list[str]) -> bool:
    users = [caller.user_id, "*"]
    projects = [caller.project_id, "*"]
    if caller.user_domain_id in {None, "default"} and caller.project_domain_id in {None, "default"}:
        # Names mean somebody only in the default domain: elsewhere two may have the same.
        users.append(caller.user_name)
        projects.append(caller.project_name)
    names = {f"{project}:{user}" for project in projects for user in users if project and user}
    return bool(names & set(groups))
