"""Every route of every service refuses whom its rule does not name: derived from the routes, so new ones are covered at once.

Personas are callers put in the place of the token service; what they ask is the whole cloud, with fakes, in this process. Whom
a rule may let in is read from its phrase, not from the evaluator that is tested here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.main.assembled import Answered, Assembled, ask, assembled

from pileus.kit.auth import Caller
from pileus.kit.errors import Unauthorized
from pileus.kit.http import Kernel, Route

from .services import manifests

pytestmark = pytest.mark.slow

NOT_THERE = "00000000-0000-4000-8000-000000000000"
MANIFESTS = manifests()
ROLES = {
    "reader": {"reader"},
    "member": {"member", "reader"},
    "manager": {"manager", "member", "reader"},
    "admin": {"admin", "manager", "member", "reader"},
    "service": {"service"},
    "nobody": set[str](),
}
Body = Mapping[str, Any]


class NotKnown(Unauthorized):
    """The token is not known."""


class Personas:
    """Who asks, by the name that stands in for a token; keeps pileus.kit.auth.Authenticator."""

    def __init__(self, project: str) -> None:
        domain = {"user_domain_id": "default", "project_domain_id": "default"}
        self.all = {
            name: Caller(user_id=f"u-{name}", user_name=name, project_id=project, roles=frozenset(roles), **domain)
            for name, roles in ROLES.items()
        }
        for name in ("nobody", "reader", "manager"):
            roles = frozenset(ROLES[name])
            of_domain = Caller(user_id=f"d-{name}", domain_id="elsewhere", roles=roles, user_domain_id="elsewhere")
            self.all[f"{name} of a domain"] = of_domain
        self.all["reader of the system"] = Caller(user_id="s", system=True, roles=frozenset({"reader"}))
        self.all["nobody of nothing"] = Caller(user_id="n")

    async def caller(self, token: str) -> Caller:
        """The persona of that name."""
        if token not in self.all:
            raise NotKnown
        return self.all[token]


class Visit:
    """The whole cloud, asked by personas instead of users."""

    def __init__(self, cloud: Assembled, project: str, ids: Mapping[str, str]) -> None:
        self.personas = Personas(project)
        self.ids = ids
        self._kernel = Kernel(self.personas)
        for name, mounted in cloud.frame.kernel.mounts.items():
            self._kernel.mount(name, mounted.api, mounted.app)

    async def ask(self, service: str, route: Route, persona: str | None, path: str) -> Answered:
        """One request for the route, in a microversion that has it."""
        api = MANIFESTS[service].API
        headers = {"x_auth_token": persona} if persona else {}
        if api.microversions is not None:
            at = max(route.since, api.microversions.lowest)
            headers["openstack_api_version"] = f"{api.microversions.service_type} {at}"
        body: Any = None
        if route.method in {"POST", "PUT", "PATCH"}:
            body = {route.action: {}} if route.action else {route.key: {}} if route.key else {}
        headers["content_type"] = route.content[0]
        return await ask(self._kernel, route.method, path, body, **headers)

    def path(self, service: str, route: Route, *, there: bool) -> str:
        """Where the route is, with ids of things that are there as far as we have some, or of nothing."""
        manifest = MANIFESTS[service]
        if route.path.startswith("//"):
            below = route.path[1:]
        else:
            below = manifest.API.prefixes[0] + route.path
        if there:
            below = re.sub(r"/([a-z0-9_-]+)/\{[^}]+\}", self._known, below)
        return f"/{manifest.MOUNT}{re.sub(r'{[^}]+}', NOT_THERE, below)}"

    def _known(self, found: re.Match[str]) -> str:
        return f"/{found[1]}/{self.ids.get(found[1], NOT_THERE)}"


async def visit(cloud: Assembled) -> Visit:
    """Something of the project's is there to be asked for."""
    _, image, network = await cloud.furnish()
    server = await cloud.boot(image, network)
    about = (await cloud.ask("GET", f"/compute/v2.1/servers/{server}")).json["server"]
    port = (await cloud.ask("GET", f"/network/v2.0/ports?device_id={server}")).json["ports"][0]
    ids = {"servers": server, "images": image, "networks": network, "ports": port["id"], "flavors": "1"}
    ids |= {"subnets": port["fixed_ips"][0]["subnet_id"], "security-groups": port["security_groups"][0]}
    return Visit(cloud, about["tenant_id"], ids)


def guarded() -> Iterator[tuple[str, Route]]:
    for service, manifest in MANIFESTS.items():
        for route in manifest.API.routes:
            if route.rule is not None:
                yield service, route


def named(service: str, route: Route, persona: str | None, answer: Answered) -> str:
    what = f"{service} {route.method} {route.path} {route.action or ''} ({route.rule.name if route.rule else ''})"
    return f"{what} by {persona}: {answer.status} {answer.body[:160]!r}"


def may_be_let_in(phrase: str, caller: Caller) -> bool:
    """Whether some thing exists at which the rule lets the caller in, by the words of its default."""
    return any(_may(words, caller) for words in re.split(r" or (?![^\[]*\])", phrase))


def _may(words: str, caller: Caller) -> bool:
    if words in {"any", "nobody"}:
        return words == "any"
    bracketed = re.fullmatch(r"([a-z_-]+)\[.*\]", words)
    if bracketed:
        return bracketed[1] in caller.roles
    if "=" in words or words == "self" or words.startswith(("field ", "not(")):
        return True  # depends on the thing
    scope, _, role = words.rpartition(" ")
    in_scope = {"": True, "project": caller.project_id is not None, "system": caller.system}[scope]
    return in_scope and (role == "any-role" or role in caller.roles)


def is_refused(route: Route, answer: Answered) -> bool:
    """Whether somebody whom the rule does not name got nothing.

    Where the rule is asked inside, on what the body says, a body that says nothing may be refused first; and a list may be
    there, and empty.
    """
    if answer.status in {403, 404}:
        return True
    if route.late and answer.status == 200 and route.method in {"GET", "HEAD"}:
        return all(value == [] for value in answer.json.values() if isinstance(value, list))
    return route.late and 400 <= answer.status < 500


async def test_strangers_are_told_nothing_by_any_route(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        visited = await visit(cloud)
        wrong = []
        for service, route in guarded():
            for there in (True, False):
                for token in (None, "nonsense"):
                    answer = await visited.ask(service, route, token, visited.path(service, route, there=there))
                    if answer.status != 401:
                        wrong.append(named(service, route, token, answer))
        assert [] == wrong, wrong


async def test_whom_a_rule_does_not_name_is_refused_by_every_route(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        visited = await visit(cloud)
        wrong, asked = [], 0
        for service, route in guarded():
            assert route.rule is not None
            for name, caller in visited.personas.all.items():
                if may_be_let_in(route.rule.default, caller):
                    continue
                for there in (True, False):
                    answer = await visited.ask(service, route, name, visited.path(service, route, there=there))
                    asked += 1
                    if not is_refused(route, answer):
                        wrong.append(named(service, route, name, answer))
        assert [] == wrong, wrong
        assert asked > 2000
        # Nobody who was refused has changed anything.
        assert 200 == (await cloud.ask("GET", f"/compute/v2.1/servers/{visited.ids['servers']}")).status


async def test_the_administrator_is_refused_by_no_route(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        visited = await visit(cloud)
        wrong = []
        for service, route in guarded():
            assert route.rule is not None
            if not {"admin", "any"} & set(route.rule.default.split(" or ")):
                continue  # what only the user himself may do, or nobody
            answer = await visited.ask(service, route, "admin", visited.path(service, route, there=False))
            # What a service refuses everybody (403 as well) names no policy.
            by_policy = answer.status == 403 and b"olicy" in answer.body
            # Who asks about himself has to be somebody, and personas are no users.
            nobody = (
                answer.status == 401 and service == "identity" and route.path.startswith(("/auth/", "/OS-FEDERATION/"))
            )
            # What a service did not do yet at a microversion it refuses in words of its own.
            early = answer.status == 405 and b"before microversion" in answer.body
            if by_policy or (answer.status in {401, 405} and not nobody and not early) or answer.status >= 500:
                wrong.append(named(service, route, "admin", answer))
        assert [] == wrong, wrong
