"""The API object, what its modules share, and the version documents."""

import functools
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.identity.app import Identity
from pileus.identity.commands.refusals import tell_refusal
from pileus.identity.commands.validity import token_find
from pileus.identity.errors import NotAuthenticated
from pileus.identity.models import Extra, ValidToken
from pileus.identity.models.audit import ACT, ACTIONS, Act
from pileus.kit.db import Like, Listing
from pileus.kit.errors import Problem
from pileus.kit.http import Api, Call, Query, Reply, Titles, Wire
from pileus.kit.http.route import Handler
from pileus.kit.policy import Rule

T = TypeVar("T")
PAGE = 1000  # what a list without a limit holds at most; `links.next` tells of the rest


class Audited(Api):
    """An API of which whoever audits is told every change."""

    def route(self, method: str, path: str, rule: Rule | None, **rest: Any) -> Callable[[Handler], Handler]:
        """Declare an operation; while one runs that may change something, it is known which."""
        declare = super().route(method, path, rule, **rest)
        if method not in ACTIONS:
            return declare

        def audited(handler: Handler) -> Handler:
            @functools.wraps(handler)
            async def known(**wanted: Any) -> Any:
                call: Call[Identity] = wanted["call"]
                before = ACT.set(_act(call))
                try:
                    return await handler(**wanted)
                finally:
                    ACT.reset(before)

            declare(known)
            return handler

        return audited


def _act(call: Call[Identity]) -> Act:
    return Act(call.method, call.path, call.caller.user_id, call.caller.project_id, call.client, [])


async def _refused(call: Call[Identity], problem: Problem) -> None:
    """Whoever audits is told of changes that somebody known is not allowed to make."""
    if problem.status == 403 and call.method in ACTIONS and call.caller.user_id:
        await tell_refusal(call.app, _act(call), problem.code)


api = Audited("identity", Titles(), prefixes=("/v3",), refused=_refused)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
PlaceName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # of projects and domains
ShortId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Password = Annotated[str, msgspec.Meta(max_length=4096)]
Description = Annotated[str, msgspec.Meta(max_length=65535)]
Links = dict[str, str]

ADMIN_OR_SYSTEM_READER = "admin or system reader"


class ResourceOptions(Wire):
    """What can be set for a project, domain or role; null takes an option back."""

    immutable: bool | UnsetType | None = UNSET


class UserOptions(Wire):
    """What can be set for a user; null takes an option back."""

    ignore_change_password_upon_first_use: bool | UnsetType | None = UNSET
    ignore_password_expiry: bool | UnsetType | None = UNSET
    ignore_lockout_failure_attempts: bool | UnsetType | None = UNSET
    ignore_user_inactivity: bool | UnsetType | None = UNSET
    lock_password: bool | UnsetType | None = UNSET
    multi_factor_auth_enabled: bool | UnsetType | None = UNSET
    multi_factor_auth_rules: list[list[str]] | UnsetType | None = UNSET


def options_of(options: Wire | UnsetType) -> Extra:
    """The options a new thing begins with."""
    if isinstance(options, UnsetType):
        return {}
    return {name: value for name, value in options.given().items() if value is not None}


def link(call: Call[Any], path: str) -> Links:
    """The `links` of a resource."""
    return {"self": call.url(f"/v3/{path}")}


def extras(given: Extra, view: type[Wire]) -> Extra:
    """What a client keeps beside the named fields, without anything that would pass for one of them."""
    return {name: value for name, value in given.items() if name not in view.__struct_fields__}


def given_of(body: Wire, view: type[Wire]) -> dict[str, Any]:
    """What an update names, its extras cleaned."""
    given = {name: value.given() if isinstance(value, Wire) else value for name, value in body.given().items()}
    return {**given, "extra": extras(given.get("extra") or {}, view)}


def default_domain(call: Call[Identity]) -> str:
    """The domain of what is made without naming one: that of the caller's scope."""
    caller = call.caller
    return caller.domain_id or caller.project_domain_id or call.app.config.default_domain


_INEXACT = {
    "contains": lambda text: Like(contains=text),
    "icontains": lambda text: Like(contains=text),
    "startswith": lambda text: Like(prefix=text),
    "istartswith": lambda text: Like(prefix=text),
    "endswith": lambda text: Like(suffix=text),
    "iendswith": lambda text: Like(suffix=text),
}


def asked(call: Call[Any], query: Query, *inexact: str) -> dict[str, object]:
    """The filters of a list: those the query names, and the `name__contains` kind for the fields named here."""
    where: dict[str, object] = dict(query.given())
    for key, text in call.query:
        field, _, how = key.rpartition("__")
        if field in inexact and how in _INEXACT:
            form = _INEXACT[how](text)
            where[field] = (where[field], form) if field in where else form
    return where


def within_domain(call: Call[Any], where: dict[str, object]) -> dict[str, object]:
    """The filters, narrowed to the caller's domain when the caller acts in one."""
    domain_id = call.caller.domain_id
    if domain_id is not None:
        asked_for = where.get("domain_id", domain_id)
        where["domain_id"] = domain_id if asked_for == domain_id else (domain_id, asked_for)
    return where


def require_list(call: Call[Any], rule: str, *names: str) -> None:
    """Let through who may list: the target's domain is the one the caller acts in."""
    domain_id = call.caller.domain_id
    call.require(rule, {} if domain_id is None else dict.fromkeys(names, domain_id))


async def holder(call: Call[Identity]) -> ValidToken:
    """What the caller's token stands for."""
    found = await token_find(call.app, call.caller.token or "")
    if found is None:
        raise NotAuthenticated
    return found


async def listed(
    call: Call[Identity], listing: Listing[T], where: dict[str, object], most: int | None = None
) -> list[T]:
    """One page of a list; of so many at most where less is not asked for."""
    page = call.page
    page.limit = page.limit or most or PAGE
    return await call.app.db.page(listing, where=where, sort=page.sort, marker=page.marker, limit=page.limit)


def _version(base: str) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


@api.get("//", None, status=300)
async def versions(call: Call[Identity]) -> Reply:
    """List the versions of the API."""
    body = msgspec.json.encode({"versions": {"values": [_version(call.base)]}})
    return Reply(300, body, {"Content-Type": "application/json", "Location": f"{call.base}/v3/"})


@api.get("//v3", None, key="version")
async def version(call: Call[Identity]) -> dict[str, Any]:
    """Show the version of the API."""
    return _version(call.base)
