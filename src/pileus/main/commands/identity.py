"""`pileus identity access | unlock | rotate-keys | map | bootstrap`: what operators do with users, keys and mappings.

These work on the cloud's database and keys beside the process that runs the cloud, which takes over within a second.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.kit.errors import Invalid
from pileus.main.commands.options import add_state, chosen
from pileus.main.settings import Settings
from pileus.main.state import State

if TYPE_CHECKING:
    from pileus.identity.app import Identity
    from pileus.kit.db import Database

KINDS = ("fernet", "jws", "receipt", "credential", "objects")


class BadFile(Invalid):
    """{file}: {why}."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    access = verbs.add_parser("access", help="which roles a user has where, and why")
    unlock = verbs.add_parser("unlock", help="let a user in again who was locked out, away or disabled")
    for verb in (access, unlock):
        verb.add_argument("user", help="id or name")
        verb.add_argument("--domain", default="default", help="id or name of the user's domain (default)")
    access.set_defaults(verb=_access)
    unlock.set_defaults(verb=_unlock)
    rotate = verbs.add_parser("rotate-keys", help="make a new key the primary; nothing that was made becomes invalid")
    rotate.add_argument("kind", choices=KINDS)
    rotate.set_defaults(verb=_rotate)
    mapping = verbs.add_parser("map", help="show what a mapping makes of an assertion")
    mapping.add_argument("rules", type=Path, help="the mapping: JSON with rules, or a list of rules")
    mapping.add_argument("assertion", type=Path, help="JSON object, or lines of `name: value`")
    mapping.add_argument("--schema", default="", help="the version of the rules' schema (that in the file, else 1.0)")
    mapping.set_defaults(verb=_map)
    bootstrap = verbs.add_parser("bootstrap", help="make sure the administrator is there, and can log in")
    bootstrap.add_argument("--password-file", type=Path, help="set the password to what is in this file")
    bootstrap.set_defaults(verb=_bootstrap)
    for verb in (access, unlock, rotate, mapping, bootstrap):  # it may stand behind the verb as well
        verb.add_argument("--state", default=argparse.SUPPRESS, type=Path, metavar="DIR", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    if args.verb is _map:
        return int(_map(args))
    state, configured = chosen(args)
    return int(asyncio.run(args.verb(state, configured.options, args)))


async def _access(state: State, settings: Settings, args: argparse.Namespace) -> int:
    from pileus.identity.commands.operators import access_of, user_of
    from pileus.main.opened import opened

    async with opened(state, settings) as db:
        app = _app(state, settings, db)
        user = await user_of(app, args.user, args.domain)
        found = await access_of(app, user)
    print(f"{user.name} ({user.id}){'' if user.enabled else ', disabled'}")
    for one in found:
        print(f"  {one.place:<32} {one.role:<16} {one.through}")
    if not found:
        print("  no role anywhere")
    return 0


async def _unlock(state: State, settings: Settings, args: argparse.Namespace) -> int:
    from pileus.identity.commands.operators import unlock_user, user_of
    from pileus.main.opened import opened

    async with opened(state, settings) as db:
        app = _app(state, settings, db)
        user = await user_of(app, args.user, args.domain)
        await unlock_user(app, user)
    print(f"{user.name} ({user.id}) can log in again")
    return 0


def _add_secret(state: State, settings: Settings) -> int:
    from pileus.object_store.manifest import root_secrets

    made = root_secrets(state.path, settings.object_store).add()
    chosen = settings.object_store.encryption_secret or made
    print(f"objects: root secret {made} is there; what is new is encrypted under {chosen}, old ones are kept")
    return 0


async def _rotate(state: State, settings: Settings, args: argparse.Namespace) -> int:
    from pileus.identity.commands.operators import seal_anew
    from pileus.identity.manifest import repository
    from pileus.main.opened import opened

    if args.kind == "objects":
        return _add_secret(state, settings)
    options = settings.identity
    in_use_s = {"receipt": options.receipt_lifetime_s, "credential": 0}.get(args.kind, options.token_lifetime_s)
    if args.kind == "credential":
        # What is sealed with a key that is about to go is sealed anew first, and again with the new primary.
        async with opened(state, settings) as db:
            app = _app(state, settings, db)
            await seal_anew(app)
            primary = repository(state.path, options, args.kind).rotate()
            count = await seal_anew(app)
        print(f"{count} secrets are sealed with the new key")
    else:
        primary = repository(state.path, options, args.kind).rotate(in_use_s)
    print(f"{args.kind}: key {primary} is the primary now, and a new one is staged")
    return 0


def _map(args: argparse.Namespace) -> int:
    from pileus.identity.models.mapping import BadAssertion, BadRules, apply_rules, explained

    rules, version = _rules(args.rules)
    try:
        found = apply_rules(rules, args.schema or version, _assertion(args.assertion))
    except BadRules as bad:
        raise BadFile(file=args.rules, why=bad) from bad
    except BadAssertion as bad:
        raise BadFile(file=args.assertion, why=bad) from bad
    print(json.dumps(explained(found), indent=2))
    return 0 if found is not None else 1


def _rules(file: Path) -> tuple[object, str]:
    try:
        given = json.loads(file.read_text())
    except (OSError, ValueError) as bad:
        raise BadFile(file=file, why=bad) from bad
    if isinstance(given, dict):
        given = given.get("mapping", given)
        return given.get("rules"), str(given.get("schema_version", "1.0"))
    return given, "1.0"


def _assertion(file: Path) -> dict[str, str]:
    try:
        text = file.read_text()
    except OSError as bad:
        raise BadFile(file=file, why=bad) from bad
    if text.lstrip().startswith("{"):
        try:
            return {str(name): str(value) for name, value in json.loads(text).items()}
        except ValueError as bad:
            raise BadFile(file=file, why=bad) from bad
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


async def _bootstrap(state: State, settings: Settings, args: argparse.Namespace) -> int:
    from pileus.identity.commands.operators import unlock_user
    from pileus.identity.commands.users import change_user
    from pileus.identity.manifest import bootstrap
    from pileus.identity.store.users import user_find
    from pileus.main.opened import opened

    async with opened(state, settings) as db:
        app = _app(state, settings, db)
        password = state.credentials().passwords["admin"]
        account = await bootstrap(app, admin_password=password, public_url=settings.url, region=settings.region)
        user = await user_find(app, account.user_id)
        assert user is not None, "bootstrap makes the user"
        await unlock_user(app, user)
        if args.password_file is not None:
            await change_user(app, user, {"password": args.password_file.read_text().strip()})
    print(f"the administrator is there: user {account.user_id}, project {account.project_id}")
    return 0


def _app(state: State, settings: Settings, db: "Database") -> "Identity":
    from pileus.identity.manifest import build
    from pileus.kit.clock import SystemClock

    return build(db=db, clock=SystemClock(), state=state.path, config=settings.identity)
