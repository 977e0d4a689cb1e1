"""Flavors of routers and the service profiles they are provided by."""

from typing import Annotated, Any

from msgspec import Meta

from pileus.kit.auth import Caller
from pileus.kit.http.call import Call, Page
from pileus.kit.http.wire import F, Wire
from pileus.network.api.finding import anyones, listed
from pileus.network.api.policy import rule
from pileus.network.api.service import api
from pileus.network.api.wires import Filters, Name, Owned, where
from pileus.network.app import Network as App
from pileus.network.commands import flavors as commands
from pileus.network.models.flavors import Flavor, NewFlavor, NewProfile, Profile
from pileus.network.store import flavors as rows

Long = Annotated[str, Meta(max_length=1024)]


class FlavorWanted(Owned, kw_only=True):
    """A flavor to make or to change."""

    service_type: Annotated[Name, F(on="c")]
    name: Name = ""
    description: Name = ""
    enabled: bool = True


class FlavorSeen(Wire):
    """A flavor as a caller sees it."""

    id: str
    name: str
    description: str
    service_type: str
    enabled: bool
    profiles: Annotated[list[str], F("service_profiles")]


class ProfileWanted(Owned):
    """A profile to make or to change."""

    description: Name = ""
    driver: Long = ""
    metainfo: Long = ""
    enabled: bool = True


class ProfileSeen(Wire):
    """A profile as a caller sees it."""

    id: str
    description: str
    driver: str
    metainfo: str
    enabled: bool


class ProfileNamed(Wire):
    """A profile to add to a flavor."""

    __loose__ = True

    id: str


class FlavorFilters(Filters):
    service_type: list[str] = []
    enabled: list[bool] = []


class ProfileFilters(Filters):
    driver: list[str] = []
    metainfo: list[str] = []
    enabled: list[bool] = []


def view(flavor: Flavor) -> FlavorSeen:
    """A flavor as the API shows it."""
    return FlavorSeen(
        id=flavor.id,
        name=flavor.name,
        description=flavor.description,
        service_type=flavor.service_type,
        enabled=flavor.enabled,
        profiles=list(flavor.profiles),
    )


def profile_view(profile: Profile) -> ProfileSeen:
    """A profile as the API shows it."""
    return ProfileSeen(**{name: getattr(profile, name) for name in ProfileSeen.__struct_fields__})


async def flavor_for(app: App, caller: Caller, flavor_id: str, **_inside: str) -> Flavor:
    """The flavor of that id; raises FlavorNotFound."""
    return await rows.flavor_get(app.db, flavor_id)


find_profile = anyones(rows.PROFILES, "profile_id")


def _given(body: Wire, kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in body.given().items() if name in kind.__struct_fields__}


@api.post("/flavors", rule("create_flavor"), key="flavor")
async def create(call: Call[App], body: FlavorWanted) -> FlavorSeen:
    """Create a flavor."""
    return view(await commands.create_flavor(call.app, NewFlavor(**{**_given(body, NewFlavor), "project_id": ""})))


@api.get("/flavors", rule("get_flavor"), key="flavors", late=True)
async def index(call: Call[App], query: FlavorFilters, page: Page) -> list[FlavorSeen]:
    """List flavors."""
    found = await listed(call, rows.SHELF, "flavor", where(query), page, everyones=True)
    return [view(flavor) for flavor in await rows.with_profiles(call.app.db, found)]


@api.get("/flavors/{flavor_id}", rule("get_flavor"), key="flavor", find=flavor_for)
async def show(call: Call[App], flavor: Flavor) -> FlavorSeen:
    """Show a flavor."""
    return view(flavor)


@api.put("/flavors/{flavor_id}", rule("update_flavor"), key="flavor", find=flavor_for)
async def update(call: Call[App], flavor: Flavor, body: FlavorWanted) -> FlavorSeen:
    """Change a flavor."""
    return view(await commands.update_flavor(call.app, flavor, body.given()))


@api.delete("/flavors/{flavor_id}", rule("delete_flavor"), find=flavor_for)
async def delete(call: Call[App], flavor: Flavor) -> None:
    """Delete a flavor."""
    await commands.delete_flavor(call.app, flavor)


@api.post(
    "/flavors/{flavor_id}/service_profiles",
    rule("create_flavor_service_profile"),
    key="service_profile",
    find=flavor_for,
)
async def add(call: Call[App], flavor: Flavor, body: ProfileNamed) -> ProfileSeen:
    """Have a flavor be provided by a profile."""
    return profile_view(await commands.add_profile(call.app, flavor, body.id))


@api.delete(
    "/flavors/{flavor_id}/service_profiles/{profile_id}", rule("delete_flavor_service_profile"), find=flavor_for
)
async def remove(call: Call[App], flavor: Flavor, profile_id: str) -> None:
    """Have a flavor not be provided by a profile."""
    await commands.remove_profile(call.app, flavor, profile_id)


@api.post("/service_profiles", rule("create_service_profile"), key="service_profile")
async def create_profile(call: Call[App], body: ProfileWanted) -> ProfileSeen:
    """Create a service profile."""
    new = NewProfile(**{**_given(body, NewProfile), "project_id": ""})
    return profile_view(await commands.create_profile(call.app, new))


@api.get("/service_profiles", rule("get_service_profile"), key="service_profiles", late=True)
async def index_profiles(call: Call[App], query: ProfileFilters, page: Page) -> list[ProfileSeen]:
    """List service profiles."""
    found = await listed(call, rows.PROFILES, "service_profile", where(query), page, everyones=True)
    return [profile_view(profile) for profile in found]


@api.get("/service_profiles/{profile_id}", rule("get_service_profile"), key="service_profile", find=find_profile)
async def show_profile(call: Call[App], profile: Profile) -> ProfileSeen:
    """Show a service profile."""
    return profile_view(profile)


@api.put("/service_profiles/{profile_id}", rule("update_service_profile"), key="service_profile", find=find_profile)
async def update_profile(call: Call[App], profile: Profile, body: ProfileWanted) -> ProfileSeen:
    """Change a service profile."""
    return profile_view(await commands.update_profile(call.app, profile, body.given()))


@api.delete("/service_profiles/{profile_id}", rule("delete_service_profile"), find=find_profile)
async def delete_profile(call: Call[App], profile: Profile) -> None:
    """Delete a service profile."""
    await commands.delete_profile(call.app, profile)
