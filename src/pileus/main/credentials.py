"""What a client needs to log in: `export OS_…` lines and a clouds.yaml."""

import shlex

import yaml

from pileus.kit.errors import NotFound
from pileus.kit.secret import new_secret
from pileus.main.certificates import authority_of
from pileus.main.settings import Settings
from pileus.main.state import Credentials, State, write_whole

USERS = ("admin", "demo")


class NoSuchUser(NotFound):
    """There are no credentials of '{user}' in {state}; there are those of {known}."""


def ensure_credentials(state: State, settings: Settings) -> Credentials:
    """The first users have passwords, made once; clouds.yaml tells clients of them."""
    credentials = state.credentials()
    missing = [user for user in USERS if user not in credentials.passwords]
    if missing:
        for user in missing:
            credentials.passwords[user] = new_secret(18)
        credentials.region = settings.region
        state.keep(credentials)
    authority = authority_of(state, settings)
    clouds = {
        "clouds": {
            f"pileus-{user}": {
                "auth": {
                    "auth_url": f"{settings.url}/identity/v3",
                    "username": user,
                    "password": credentials.passwords[user],
                    "project_name": user,
                    "user_domain_name": "Default",
                    "project_domain_name": "Default",
                },
                "region_name": settings.region,
                "identity_api_version": 3,
                **({"cacert": authority} if authority else {}),
            }
            for user in USERS
        }
    }
    write_whole(state / "clouds.yaml", yaml.safe_dump(clouds, sort_keys=False), mode=0o600)
    return credentials


def exports(state: State, settings: Settings, user: str) -> str:
    """Shell lines that make a client this user."""
    credentials = state.credentials()
    if user not in credentials.passwords:
        raise NoSuchUser(user=user, state=state.path, known=" and ".join(credentials.passwords) or "nobody")
    values = {
        "OS_AUTH_URL": f"{settings.url}/identity/v3",
        "OS_USERNAME": user,
        "OS_PASSWORD": credentials.passwords[user],
        "OS_PROJECT_NAME": user,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": settings.region,
        "OS_IDENTITY_API_VERSION": "3",
    }
    authority = authority_of(state, settings)
    if authority:
        values["OS_CACERT"] = authority
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
