"""Application credentials and access rules in the database."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from pileus.identity.app import Identity
from pileus.identity.models import ApplicationCredential, KeptRule
from pileus.identity.tables import access_rules, application_credentials
from pileus.kit.db import Listing, command, query

_A = application_credentials.c
_R = access_rules.c

FETCH = query(sa.select(application_credentials).where(_A.id == bindparam("id")), ApplicationCredential)
BY_NAME = query(
    sa.select(application_credentials).where(_A.user_id == bindparam("user_id"), _A.name == bindparam("name")),
    ApplicationCredential,
)
OF_USER = query(
    sa.select(application_credentials).where(_A.user_id == bindparam("user_id")).order_by(_A.id), ApplicationCredential
)
CREATE = command(sa.insert(application_credentials))
DELETE = command(sa.delete(application_credentials).where(_A.id == bindparam("id")))
LIST = Listing(
    application_credentials,
    ApplicationCredential,
    key=_A.id,
    filters={"user_id": _A.user_id, "name": _A.name},
    sorts={"id": _A.id, "name": _A.name},
)

RULE_FETCH = query(sa.select(access_rules).where(_R.id == bindparam("id")), KeptRule)
RULES_OF_USER = query(sa.select(access_rules).where(_R.user_id == bindparam("user_id")).order_by(_R.id), KeptRule)
RULE_CREATE = command(sa.insert(access_rules))
RULE_DELETE = command(sa.delete(access_rules).where(_R.id == bindparam("id")))
RULES_LIST = Listing(
    access_rules,
    KeptRule,
    key=_R.id,
    filters={name: _R[name] for name in ("user_id", "service", "path", "method")},
    sorts={"id": _R.id},
)


async def application_find(app: Identity, application_id: str) -> ApplicationCredential | None:
    """The application credential with this id."""
    return await app.db.one(FETCH, id=application_id)


async def application_by_name(app: Identity, user_id: str, name: str) -> ApplicationCredential | None:
    """The user's application credential of this name."""
    return await app.db.one(BY_NAME, user_id=user_id, name=name)


async def applications_of(app: Identity, user_id: str) -> list[ApplicationCredential]:
    """All application credentials of a user."""
    return await app.db.all(OF_USER, user_id=user_id)


async def application_create(app: Identity, made: ApplicationCredential) -> None:
    """The application credential is stored."""
    await app.db.run(CREATE, **msgspec.structs.asdict(made))


async def application_delete(app: Identity, application_id: str) -> None:
    """The application credential is gone."""
    await app.db.run(DELETE, id=application_id)


async def rule_find(app: Identity, rule_id: str) -> KeptRule | None:
    """The access rule with this id."""
    return await app.db.one(RULE_FETCH, id=rule_id)


async def rules_of(app: Identity, user_id: str) -> list[KeptRule]:
    """All access rules of a user."""
    return await app.db.all(RULES_OF_USER, user_id=user_id)


async def rule_create(app: Identity, rule: KeptRule) -> None:
    """The access rule is stored."""
    await app.db.run(RULE_CREATE, **msgspec.structs.asdict(rule))


async def rule_delete(app: Identity, rule_id: str) -> None:
    """The access rule is gone."""
    await app.db.run(RULE_DELETE, id=rule_id)
