"""The operators' commands, as they are typed."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pileus.identity.commands.operators import seal_anew, unlock_user, user_of
from pileus.identity.commands.users import create_user
from pileus.identity.config import Config
from pileus.identity.manifest import METADATA, bootstrap, build, repository
from pileus.identity.models import User, new_id
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database, create_all
from pileus.main.cli import main
from pileus.main.credentials import ensure_credentials
from pileus.main.settings import Settings
from pileus.main.state import State

PASSWORD = "correct horse"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A cloud's state with an administrator and Ann."""

    async def make() -> None:
        db = await Database.open(State(tmp_path).database)
        await create_all(db, METADATA)
        app = build(db=db, clock=SystemClock(), state=tmp_path)
        await bootstrap(app, admin_password=PASSWORD, public_url="http://cloud:1")
        await create_user(app, User(id=new_id(), name="ann", domain_id="default", enabled=False), PASSWORD)
        await db.close()

    State(tmp_path).create()
    ensure_credentials(State(tmp_path), Settings())
    asyncio.run(make())
    return tmp_path


def run(state: Path, *words: str) -> int:
    return main(["identity", *words, "--state", str(state)])


def test_access_tells_who_can_do_what_and_why(state: Path, capsys: Any) -> None:
    assert 0 == run(state, "access", "admin")
    lines = capsys.readouterr().out.splitlines()
    assert any("project admin" in line and " admin " in line and "given" in line for line in lines)
    assert any("system" in line and "reader" in line and "implied by member" in line for line in lines)
    assert 0 == run(state, "access", "ann")
    assert "no role anywhere" in capsys.readouterr().out
    assert 1 == run(state, "access", "nobody")
    assert "Could not find user: nobody" in capsys.readouterr().err


def test_unlock_and_bootstrap_let_people_in_again(state: Path, capsys: Any, tmp_path: Path) -> None:
    assert 0 == run(state, "unlock", "ann")
    assert "can log in again" in capsys.readouterr().out
    (tmp_path / "new").write_text("a new one\n")
    assert 0 == run(state, "bootstrap", "--password-file", str(tmp_path / "new"))
    assert "the administrator is there" in capsys.readouterr().out


def test_keys_are_rotated(state: Path, capsys: Any) -> None:
    for kind in ("fernet", "jws", "receipt", "credential"):
        before = repository(state, Config(), kind).newest_first()
        assert 0 == run(state, "rotate-keys", kind)
        after = repository(state, Config(), kind).newest_first()
        assert before[-1] == after[0]
        assert set(before) < set(after)
        assert f"{kind}: key 2 is the primary now" in capsys.readouterr().out


def test_another_root_secret_of_objects_is_made(state: Path, capsys: Any) -> None:
    assert 0 == run(state, "rotate-keys", "objects")
    assert 0 == run(state, "rotate-keys", "objects")
    assert "root secret 2 is there; what is new is encrypted under 2" in capsys.readouterr().out
    assert ["1", "2"] == sorted(one.name for one in (state / "keys" / "object-secrets").iterdir())


def test_a_mapping_can_be_tried(tmp_path: Path, capsys: Any) -> None:
    rules = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "UserName"}]}]
    (tmp_path / "rules").write_text(json.dumps({"rules": rules, "schema_version": "2.0"}))
    (tmp_path / "said").write_text("UserName: ann\nEmail: a@b\n")
    assert 0 == run(tmp_path, "map", str(tmp_path / "rules"), str(tmp_path / "said"))
    assert "ann" == json.loads(capsys.readouterr().out)["user"]["name"]
    (tmp_path / "said").write_text('{"Email": "a@b"}')
    assert 1 == run(tmp_path, "map", str(tmp_path / "rules"), str(tmp_path / "said"))
    assert {"mapped": False} == json.loads(capsys.readouterr().out)
    (tmp_path / "rules").write_text("[]")
    assert 1 == run(tmp_path, "map", str(tmp_path / "rules"), str(tmp_path / "said"))
    assert "there are no rules" in capsys.readouterr().err


async def test_secrets_outlive_any_number_of_rotations(cloud: Any, tmp_path: Path) -> None:
    await cloud.start()
    made = await cloud.make("credential", user_id=cloud.account.user_id, type="x", blob="kept")
    secret = {"config": {"ldap": {"url": "ldap://x", "password": "s3cr3t"}}}
    await cloud.ask("PUT", "/v3/domains/default/config", secret)
    for _ in range(5):
        await seal_anew(cloud.app)
        repository(tmp_path, Config(), "credential").rotate()
        assert 2 == await seal_anew(cloud.app)
    cloud.restart()
    assert "kept" == (await cloud.ask("GET", f"/v3/credentials/{made['id']}")).body["credential"]["blob"]


async def test_unlock_forgets_wrong_passwords(cloud: Any) -> None:
    cloud.config = Config(lockout_failure_attempts=1, lockout_duration_s=1000, failed_logins_of_user=1)
    await cloud.start()
    ann = await cloud.make("user", name="ann", password=PASSWORD)
    await cloud.auth(cloud.by_password("ann", "wrong"))
    by_id = {"user": {"id": ann["id"], "password": PASSWORD}}
    ways = (cloud.by_password("ann"), {"methods": ["password"], "password": by_id})
    assert [429, 401] == [(await cloud.auth(way)).status for way in ways]
    await unlock_user(cloud.app, await user_of(cloud.app, "ann", "Default"))
    assert [201, 201] == [(await cloud.auth(way)).status for way in ways]
