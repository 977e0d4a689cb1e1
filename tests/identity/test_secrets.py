"""Keys, payloads, passwords and what a process remembers of them."""

import asyncio
import base64
import datetime as dt
import hashlib
import stat
from pathlib import Path

import msgspec
import pytest
from argon2 import extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from pileus.identity.drivers.fernet import FernetSeal, KeyRepository
from pileus.identity.drivers.passwords import Argon2Passwords, verify_foreign
from pileus.identity.errors import TooManyLogins
from pileus.identity.models import Memory, Method, Payload, RoleGraph, Scope, ScopeKind, new_audit_id, read_payload
from pileus.identity.models.catalog import filled
from pileus.identity.models.entities import Role
from pileus.kit.clock import FakeClock

ids = st.one_of(st.uuids().map(lambda one: one.hex), st.just("default"), st.text(max_size=64))
moments = st.datetimes(timezones=st.just(dt.UTC))


@given(
    st.builds(
        Payload,
        user_id=ids,
        methods=st.sampled_from([Method.PASSWORD, Method.TOKEN, Method.PASSWORD | Method.TOKEN]),
        scope=st.builds(Scope, st.sampled_from(ScopeKind), ids),
        issued_at=moments,
        expires_at=moments,
        audit_ids=st.builds(lambda: (new_audit_id(), new_audit_id())),
    )
)
def test_a_payload_is_read_as_it_was_packed(payload: Payload) -> None:
    assert payload == read_payload(payload.packed())


@given(st.binary(max_size=64))
def test_bytes_that_make_no_sense_are_no_payload(packed: bytes) -> None:
    assert read_payload(packed) is None


def test_keys_are_nobody_elses_and_outlive_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "fernet"
    token = FernetSeal(KeyRepository(folder)).seal(b"x")
    assert b"x" == FernetSeal(KeyRepository(folder)).open(token)
    assert ["0", "1"] == sorted(path.name for path in folder.iterdir())
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


def test_tokens_survive_rotation_until_their_key_is_dropped(tmp_path: Path) -> None:
    repository = KeyRepository(tmp_path / "fernet", keep=3)
    here, elsewhere = FernetSeal(repository), FernetSeal(repository)
    old = here.seal(b"old")
    repository.rotate()
    here.reload()
    new = here.seal(b"new")
    assert (b"old", b"new") == (elsewhere.open(old), elsewhere.open(new))
    for _ in range(2):
        repository.rotate()
    assert 3 == len(repository.newest_first())
    assert FernetSeal(repository).open(old) is None


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "ü", "a" * 300])
def test_what_is_no_token_opens_nothing(token: str, tmp_path: Path) -> None:
    assert FernetSeal(KeyRepository(tmp_path)).open(token) is None


async def test_an_unknown_user_costs_as_much_as_a_wrong_password() -> None:
    passwords = Argon2Passwords(FakeClock())
    stored = await passwords.hashed("right")

    computed: list[str] = []
    verify = passwords._verify

    def counted(hashed: str, password: str) -> bool:
        computed.append(hashed)
        return verify(hashed, password)

    passwords._verify = counted  # type: ignore[method-assign]
    assert not await passwords.matches("u", stored, "wrong")
    assert not await passwords.matches("u", None, "wrong")
    known, unknown = (extract_parameters(hashed) for hashed in computed)
    assert known == unknown, "the same memory, turns and lanes"


async def test_a_verified_password_is_remembered_for_a_minute_only() -> None:
    clock = FakeClock()
    passwords = Argon2Passwords(clock, memory_s=60)
    stored = await passwords.hashed("right")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    asked: list[str] = []
    verify = passwords._verify

    def counted(hashed: str, password: str) -> bool:
        asked.append(password)
        return verify(hashed, password)

    passwords._verify = counted  # type: ignore[method-assign]
    assert await passwords.matches("u", stored, "right")
    assert await passwords.matches("u", stored, "right")
    assert ["right"] == asked
    assert not await passwords.matches("u", stored, "wrong")
    passwords.forget("u")
    assert await passwords.matches("u", stored, "right")
    clock.move(61)
    assert await passwords.matches("u", stored, "right")
    assert ["right", "wrong", "right", "right"] == asked


async def test_a_flood_of_logins_is_turned_away_rather_than_queued_for_ever() -> None:
    passwords = Argon2Passwords(FakeClock(), queue=3)
    answers = await asyncio.gather(*(passwords.matches("u", None, "guess") for _ in range(5)), return_exceptions=True)
    assert [False, False, False] == answers[:3]
    assert all(isinstance(one, TooManyLogins) for one in answers[3:])
    assert not await passwords.matches("u", None, "guess")


def test_hashes_of_other_programs_are_understood() -> None:
    def text(raw: bytes) -> str:
        return base64.b64encode(raw).rstrip(b"=").decode().replace("+", ".")

    salt = b"0123456789abcdef"
    pbkdf2 = f"$pbkdf2-sha512$1000${text(salt)}${text(hashlib.pbkdf2_hmac('sha512', b'p', salt, 1000))}"
    scrypt = f"$scrypt$ln=4,r=8,p=1${text(salt)}${text(hashlib.scrypt(b'p', salt=salt, n=16, r=8, p=1, dklen=32))}"
    for stored in (pbkdf2, scrypt):
        assert verify_foreign(stored, "p")
        assert not verify_foreign(stored, "q")
    assert not verify_foreign("$9$what", "p")


def test_what_was_read_before_a_change_is_not_kept() -> None:
    memory = Memory(2)
    generation = memory.generation
    memory.changed()
    memory.keep_token("t", msgspec.UNSET, generation)  # type: ignore[arg-type]
    assert memory.token("t", dt.datetime.now(dt.UTC)) is None


def test_roles_reach_what_they_imply_also_in_circles() -> None:
    roles = [Role(id=name, name=name, domain_id="d" if name == "c" else None) for name in "abcd"]
    graph = RoleGraph(roles, [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])
    assert ["a", "b", "d"] == [role.id for role in graph.effective(["a"])]
    assert () == graph.effective(["gone"])


def test_urls_are_filled_in_or_left_out() -> None:
    facts = {"project_id": "p", "user_id": None}
    assert "http://x" == filled("http://x", facts)
    assert "http://x/p" == filled("http://x/$(project_id)s", facts)
    assert filled("http://x/%(user_id)s", facts) is None
    assert filled("http://x/%(odd)s", facts) is None
