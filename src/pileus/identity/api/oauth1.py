"""OAuth 1.0a: consumers, and the three steps by which one comes to act for somebody."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.roles import RoleView
from pileus.identity.api.roles import view as role_view
from pileus.identity.api.root import (
    ADMIN_OR_SYSTEM_READER,
    Description,
    Links,
    api,
    extras,
    given_of,
    holder,
    link,
    listed,
)
from pileus.identity.api.tokens import moment
from pileus.identity.api.trusts import RoleNamed
from pileus.identity.app import Identity
from pileus.identity.commands.oauth1 import (
    Keys,
    authorize,
    change_consumer,
    create_access,
    create_consumer,
    create_request,
    delete_access,
    delete_consumer,
)
from pileus.identity.errors import BadOAuthRequest, Missing
from pileus.identity.models import Extra, Role, User
from pileus.identity.models.oauth1 import AccessToken, Consumer, Signed, signed_of
from pileus.identity.store.oauth import ACCESSES, CONSUMERS
from pileus.identity.store.roles import role_find
from pileus.kit.auth import Caller
from pileus.kit.http import Call, Page, Reply, Wire
from pileus.kit.policy import ADMIN, Rule

CONSUMER = "/OS-OAUTH1/consumers/{consumer_id}"
TOKENS = "/users/{user_id}/OS-OAUTH1/access_tokens"
TOKEN = f"{TOKENS}/{{access_token_id}}"
FORM = "application/x-www-form-urlencoded"


class ConsumerCreate(Wire):
    """A new consumer."""

    __extras__: ClassVar[str | None] = "extra"

    description: Description | None = None
    extra: Extra = {}


class ConsumerView(Wire):
    """A consumer as it is shown; the secret once only, when it is made."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    description: str | None
    links: Links
    secret: str | UnsetType = UNSET
    extra: Extra = {}


class AccessView(Wire):
    """What somebody granted a consumer, as it is shown."""

    id: str
    consumer_id: str
    project_id: str
    authorizing_user_id: str
    expires_at: str | None
    links: dict[str, str]


class Granted(Wire):
    """The roles somebody grants."""

    roles: list[RoleNamed]


async def consumer_find(app: Identity, _caller: Caller, consumer_id: str) -> Consumer | Missing:
    """The consumer a path names."""
    return await CONSUMERS.find(app, consumer_id) or Missing(kind="consumer", id=consumer_id)


async def access_find(
    app: Identity, _caller: Caller, user_id: str, access_token_id: str, **_more: str
) -> AccessToken | Missing:
    """The access token a path names."""
    found = await ACCESSES.find(app, access_token_id)
    if found is None or found.user_id != user_id:
        return Missing(kind="access token", id=access_token_id)
    return found


def view(call: Call[Identity], consumer: Consumer, secret: str | UnsetType = UNSET) -> ConsumerView:
    """A consumer as it is shown."""
    return ConsumerView(
        id=consumer.id,
        description=consumer.description,
        secret=secret,
        links=link(call, f"OS-OAUTH1/consumers/{consumer.id}"),
        extra=consumer.extra,
    )


@api.get("/OS-OAUTH1/consumers", Rule("identity:list_consumers", ADMIN_OR_SYSTEM_READER), key="consumers")
async def index(call: Call[Identity], page: Page) -> list[ConsumerView]:
    """List consumers."""
    return [view(call, one) for one in await listed(call, CONSUMERS.listing, {})]


@api.post("/OS-OAUTH1/consumers", Rule("identity:create_consumer", ADMIN), key="consumer")
async def create(call: Call[Identity], body: ConsumerCreate) -> ConsumerView:
    """Create a consumer."""
    return view(call, *await create_consumer(call.app, body.description, extras(body.extra, ConsumerView)))


@api.get(CONSUMER, Rule("identity:get_consumer", ADMIN_OR_SYSTEM_READER), key="consumer", find=consumer_find)
async def show(call: Call[Identity], consumer: Consumer) -> ConsumerView:
    """Show a consumer."""
    return view(call, consumer)


@api.patch(CONSUMER, Rule("identity:update_consumer", ADMIN), key="consumer", find=consumer_find)
async def update(call: Call[Identity], consumer: Consumer, body: ConsumerCreate) -> ConsumerView:
    """Change a consumer."""
    if "secret" in (body.extra or {}):
        raise BadOAuthRequest(why="the secret of a consumer cannot be changed")
    given = given_of(body, ConsumerView)
    given["extra"] = {**consumer.extra, **given["extra"]}
    return view(call, await change_consumer(call.app, consumer, given))


@api.delete(CONSUMER, Rule("identity:delete_consumer", ADMIN), find=consumer_find)
async def delete(call: Call[Identity], consumer: Consumer) -> None:
    """Delete a consumer."""
    await delete_consumer(call.app, consumer)


# -- the three steps ----------------------------------------------------------------------------------------------------


def signed(call: Call[Identity], form: bytes | None = None) -> Signed | None:
    """The request with its OAuth signature; None where it has none."""
    url = call.url(call.path) + (f"?{call.query_string}" if call.query_string else "")
    is_form = call.headers.get("content-type", "").startswith(FORM)
    text = form.decode("utf-8", "replace") if form and is_form else ""
    return signed_of(call.method, url, call.headers.get("authorization", ""), text)


def _told(keys: Keys) -> Reply:
    said = {"oauth_token": keys.id, "oauth_token_secret": keys.secret}
    if keys.expires_at is not None:
        said["oauth_expires_at"] = moment(keys.expires_at)
    return Reply(201, urlencode(said).encode(), {"Content-Type": FORM})


@api.post("/OS-OAUTH1/request_token", None, content=(FORM, "application/json"))
async def request(call: Call[Identity], body: bytes) -> Reply:
    """Wish to act in a project."""
    project_id = call.headers.get("requested-project-id", "")
    if not project_id:
        raise BadOAuthRequest(why="the header Requested-Project-Id names no project")
    return _told(await create_request(call.app, signed(call, body), project_id))


@api.put(
    "/OS-OAUTH1/authorize/{request_token_id}",
    Rule("identity:authorize_request_token", ADMIN),
    reply_key="token",
    on="c",
)
async def grant(call: Call[Identity], request_token_id: str, body: Granted) -> dict[str, Any]:
    """Grant a consumer's wish."""
    named = [(role.id, role.name) for role in body.roles]
    return {"oauth_verifier": await authorize(call.app, await holder(call), request_token_id, named)}


@api.post("/OS-OAUTH1/access_token", None, content=(FORM, "application/json"))
async def access(call: Call[Identity], body: bytes) -> Reply:
    """Get what was granted."""
    return _told(await create_access(call.app, signed(call, body)))


# -- what was granted ---------------------------------------------------------------------------------------------------


def access_view(call: Call[Identity], one: AccessToken) -> AccessView:
    """What was granted, as it is shown."""
    path = f"users/{one.user_id}/OS-OAUTH1/access_tokens/{one.id}"
    return AccessView(
        id=one.id,
        consumer_id=one.consumer_id,
        project_id=one.project_id,
        authorizing_user_id=one.user_id,
        expires_at=moment(one.expires_at) if one.expires_at else None,
        links={**link(call, path), "roles": call.url(f"/v3/{path}/roles")},
    )


async def _roles(call: Call[Identity], one: AccessToken) -> list[Role]:
    found = [await role_find(call.app, role_id) for role_id in one.role_ids]
    return [role for role in found if role is not None]


@api.get(TOKENS, Rule("identity:list_access_tokens", ADMIN), key="access_tokens", find=find.user)
async def access_index(call: Call[Identity], user: User, page: Page) -> list[AccessView]:
    """List what a user granted to consumers."""
    return [access_view(call, one) for one in await listed(call, ACCESSES.listing, {"user_id": user.id})]


@api.get(TOKEN, Rule("identity:get_access_token", ADMIN), key="access_token", find=access_find)
async def access_show(call: Call[Identity], one: AccessToken) -> AccessView:
    """Show what a user granted to a consumer."""
    return access_view(call, one)


@api.delete(TOKEN, Rule("identity:delete_access_token", ADMIN), find=access_find)
async def access_delete(call: Call[Identity], one: AccessToken) -> None:
    """Take back what a user granted to a consumer."""
    await delete_access(call.app, one)


@api.get(f"{TOKEN}/roles", Rule("identity:list_access_token_roles", ADMIN), key="roles", find=access_find)
async def role_index(call: Call[Identity], one: AccessToken) -> list[RoleView]:
    """List the roles a user granted to a consumer."""
    return [role_view(call, role) for role in await _roles(call, one)]


@api.get(f"{TOKEN}/roles/{{role_id}}", Rule("identity:get_access_token_role", ADMIN), key="role", find=access_find)
async def role_show(call: Call[Identity], one: AccessToken, role_id: str) -> RoleView:
    """Show a role a user granted to a consumer."""
    for role in await _roles(call, one):
        if role.id == role_id:
            return role_view(call, role)
    raise Missing(kind="role", id=role_id)
