"""Users: who can log in, and with what."""

from typing import ClassVar

from msgspec import UNSET, UnsetType

from pileus.identity.api import find
from pileus.identity.api.projects import ProjectView
from pileus.identity.api.projects import view as project_view
from pileus.identity.api.root import (
    Links,
    Name,
    Password,
    ShortId,
    UserOptions,
    api,
    asked,
    default_domain,
    extras,
    given_of,
    link,
    listed,
    options_of,
    require_list,
    within_domain,
)
from pileus.identity.api.tokens import moment
from pileus.identity.app import Identity
from pileus.identity.commands.directories import mirror_domain
from pileus.identity.commands.domain_settings import list_limit_of
from pileus.identity.commands.passwords import change_own_password
from pileus.identity.commands.proxies import address_of
from pileus.identity.commands.scopes import projects_of_user
from pileus.identity.commands.users import change_user, create_user, delete_user
from pileus.identity.models import Extra, User, new_id
from pileus.identity.store.users import USERS_LIST
from pileus.kit.http import Call, Page, Query, Wire
from pileus.kit.policy import Rule

WRITE = "admin or manager[token.domain=target.user.domain_id]"


class UserCreate(Wire):
    """A new user."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    name: Name
    domain_id: ShortId | None = None
    default_project_id: ShortId | None = None
    enabled: bool = True
    password: Password | None = None
    options: UserOptions | UnsetType = UNSET
    extra: Extra = {}


class UserUpdate(Wire):
    """What shall change of a user."""

    __extras__: ClassVar[str | None] = "extra"
    __exact__: ClassVar[bool] = True

    name: Name
    domain_id: str | None
    default_project_id: ShortId | None
    enabled: bool
    password: Password | None
    options: UserOptions
    extra: Extra = {}


class UserView(Wire):
    """A user as they are shown; never with a password."""

    __extras__: ClassVar[str | None] = "extra"

    id: str
    name: str
    domain_id: str
    enabled: bool
    password_expires_at: str | None
    options: Extra
    links: Links
    default_project_id: str | UnsetType = UNSET
    extra: Extra = {}


class UserQuery(Query):
    """Which users to list."""

    name: str | UnsetType = UNSET
    domain_id: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    default_project_id: str | UnsetType = UNSET


def view(call: Call[Identity], user: User) -> UserView:
    """A user as they are shown."""
    return UserView(
        id=user.id,
        name=user.name,
        domain_id=user.domain_id,
        enabled=user.enabled,
        password_expires_at=moment(user.password_expires_at) if user.password_expires_at else None,
        options=user.options,
        default_project_id=user.default_project_id or UNSET,
        links=link(call, f"users/{user.id}"),
        extra=user.extra,
    )


@api.get(
    "/users",
    Rule("identity:list_users", "admin or system reader or reader[domain=target.domain_id]"),
    key="users",
    late=True,
)
async def index(call: Call[Identity], query: UserQuery, page: Page) -> list[UserView]:
    """List users."""
    require_list(call, "identity:list_users", "target.domain_id")
    where = within_domain(call, asked(call, query, "name"))
    await mirror_domain(call.app, where.get("domain_id"))
    most = await list_limit_of(call.app, where.get("domain_id"))
    return [view(call, one) for one in await listed(call, USERS_LIST, where, most)]


@api.post("/users", Rule("identity:create_user", WRITE), key="user", late=True)
async def create(call: Call[Identity], body: UserCreate) -> UserView:
    """Create a user."""
    domain_id = body.domain_id or default_domain(call)
    call.require("identity:create_user", {"target.user.domain_id": domain_id})
    user = User(
        id=new_id(),
        name=body.name,
        domain_id=domain_id,
        enabled=body.enabled,
        default_project_id=body.default_project_id,
        options=options_of(body.options),
        extra=_extras(body.extra),
    )
    return view(call, await create_user(call.app, user, body.password))


def _extras(extra: Extra) -> Extra:
    return {name: value for name, value in extras(extra, UserView).items() if name != "original_password"}


@api.get(
    "/users/{user_id}",
    Rule(
        "identity:get_user",
        "admin or system reader or reader[token.domain=target.user.domain_id] or user=target.user.id",
    ),
    key="user",
    find=find.user,
)
async def show(call: Call[Identity], user: User) -> UserView:
    """Show a user."""
    return view(call, user)


@api.patch("/users/{user_id}", Rule("identity:update_user", WRITE), key="user", find=find.user)
async def update(call: Call[Identity], user: User, body: UserUpdate) -> UserView:
    """Change a user."""
    given = given_of(body, UserView)
    given["extra"] = _extras(given["extra"])
    return view(call, await change_user(call.app, user, given))


@api.delete("/users/{user_id}", Rule("identity:delete_user", WRITE), find=find.user)
async def delete(call: Call[Identity], user: User) -> None:
    """Delete a user."""
    await delete_user(call.app, user)


class PasswordChange(Wire):
    """A user's own change of password; the old one is what proves who asks."""

    password: Password
    original_password: Password


@api.post("/users/{user_id}/password", None, key="user", status=204)
async def change_password(call: Call[Identity], user_id: str, body: PasswordChange) -> None:
    """Change one's own password."""
    address = address_of(call.app, call.client, call.headers)
    await change_own_password(call.app, user_id, body.original_password, body.password, address)


@api.get(
    "/users/{user_id}/projects",
    Rule(
        "identity:list_user_projects",
        "admin or system reader or reader[domain=target.user.domain_id] or user=target.user.id",
    ),
    key="projects",
    find=find.user,
)
async def projects(call: Call[Identity], user: User) -> list[ProjectView]:
    """List the projects a user has a role in."""
    return [project_view(call, one) for one in await projects_of_user(call.app, user.id)]
