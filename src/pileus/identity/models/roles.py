"""Which roles imply which: the graph, and what follows from it."""

from collections.abc import Iterable, Mapping, Sequence

from pileus.identity.models.entities import Role


class RoleGraph:
    """All roles and implications at one moment."""

    def __init__(self, roles: Iterable[Role], implications: Iterable[tuple[str, str]]) -> None:
        self.roles: Mapping[str, Role] = {role.id: role for role in roles}
        implied: dict[str, list[str]] = {}
        for prior, follows in implications:
            implied.setdefault(prior, []).append(follows)
        self.implied: Mapping[str, Sequence[str]] = implied

    def reach(self, role_ids: Iterable[str]) -> dict[str, str]:
        """These roles and all that they imply, each with the role it came from (itself when it was given)."""
        found = {role_id: role_id for role_id in role_ids if role_id in self.roles}
        waiting = list(found)
        while waiting:
            prior = waiting.pop()
            for follows in self.implied.get(prior, ()):
                if follows not in found:
                    found[follows] = prior
                    waiting.append(follows)
        return found

    def effective(self, role_ids: Iterable[str]) -> tuple[Role, ...]:
        """What a token shows for these roles: all that is reached and belongs to no domain, by name."""
        reached = (self.roles[role_id] for role_id in self.reach(role_ids))
        return tuple(sorted((role for role in reached if role.domain_id is None), key=lambda role: role.name))
