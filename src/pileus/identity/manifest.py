"""What main mounts of identity."""

from pathlib import Path

from pileus.identity.api import (
    applications,
    assignments,
    auth,
    credentials,
    domain_settings,
    domains,
    endpoint_policies,
    federation,
    filters,
    grants,
    groups,
    limits,
    oauth1,
    oauth2,
    policies,
    projects,
    regions,
    revocations,
    roles,
    services,
    signatures,
    single_sign_on,
    tokens,
    trusts,
    users,
)
from pileus.identity.api.root import api
from pileus.identity.app import Identity
from pileus.identity.commands.bootstrap import Account, ServiceEntry, bootstrap, make_demo
from pileus.identity.config import Config
from pileus.identity.drivers.fernet import FernetSeal, KeyRepository
from pileus.identity.drivers.openid import OpenId
from pileus.identity.drivers.passwords import Argon2Passwords
from pileus.identity.drivers.tokens import FernetTokens, JwsTokens, Tokens, new_signing_key
from pileus.identity.drivers.web import UrllibWeb, Web
from pileus.identity.models import Memory
from pileus.identity.port import IdentityPort
from pileus.identity.tables import metadata
from pileus.kit.clock import Clock
from pileus.kit.db import Database
from pileus.kit.observe.events import Events

NAME = "identity"
MOUNT = "identity"
API = api
METADATA = metadata
MIGRATIONS = "pileus.identity.migrations"
FLOWS = ()
CATALOG = ("identity", "keystone", "Identity", "/v3")
RESOURCES = (
    applications,
    assignments,
    auth,
    credentials,
    domain_settings,
    domains,
    endpoint_policies,
    federation,
    filters,
    grants,
    groups,
    limits,
    oauth1,
    oauth2,
    policies,
    projects,
    regions,
    revocations,
    roles,
    services,
    signatures,
    single_sign_on,
    tokens,
    trusts,
    users,
)

__all__ = [
    "API",
    "CATALOG",
    "FLOWS",
    "METADATA",
    "MIGRATIONS",
    "MOUNT",
    "NAME",
    "RESOURCES",
    "Account",
    "Config",
    "IdentityPort",
    "ServiceEntry",
    "bootstrap",
    "build",
    "make_demo",
    "repository",
    "vault",
]


def repository(state: Path, config: Config, kind: str) -> KeyRepository:
    """The keys of one kind: fernet, jws, receipt, credential or secret; in `state`/keys unless configured, made when needed."""
    keys = Path(config.keys_dir) if config.keys_dir else state / "keys"
    if kind == "jws":
        return KeyRepository(keys / kind, config.fernet_keys, new_signing_key)
    return KeyRepository(keys / kind, config.fernet_keys)


def vault(state: Path, config: Config) -> FernetSeal:
    """What seals the secrets that other services keep for a while."""
    return FernetSeal(repository(state, config, "secret"))


def _tokens(state: Path, config: Config) -> Tokens:
    if config.token_provider == "jws":
        return JwsTokens(repository(state, config, "jws"))
    return FernetTokens(FernetSeal(repository(state, config, "fernet")))


def build(
    *,
    db: Database,
    clock: Clock,
    state: Path,
    config: Config | None = None,
    web: Web | None = None,
    events: Events | None = None,
) -> Identity:
    """Identity over an open database; its token keys are in `state`/keys unless configured, made when there are none."""
    config = config or Config()
    keys = Path(config.keys_dir) if config.keys_dir else state / "keys"
    return Identity(
        db=db,
        clock=clock,
        config=config,
        tokens=_tokens(state, config),
        receipts=FernetSeal(repository(state, config, "receipt")),
        vault=FernetSeal(repository(state, config, "credential")),
        passwords=Argon2Passwords(clock, config.password_memory_s),
        openid=OpenId(web or UrllibWeb(), clock),
        saml_keys=keys / "saml",
        memory=Memory(config.remembered_tokens),
        events=events,
    )
