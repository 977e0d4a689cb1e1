"""Properties that not everybody may create, read, change or delete, as the operator's file says."""

from pathlib import Path
from typing import Any

import pytest
from tests.image.harness import CALLERS, Service, build, run

from pileus.image import manifest
from pileus.image.models.protections import NotUnderstood, protections_of
from pileus.kit.errors import Denied
from pileus.ports.image import ImageQuery

BY_ROLES = """
[^x_billing]
create = admin
read = Admin, member
update = admin
delete = admin
[^x_secret]
create = admin,member
read = admin
update = admin
delete = !
[^x_once]
create = @
read = @
[open$]
create = @
read = @
update = @
delete = @
"""
BY_POLICIES = """
[^x_owned]
create = glance_creator
read = everybody
update = admins
delete = !
[.*]
create = @
read = @
update = @
delete = @
"""


def guarded(folder: Path, test: Any, text: str = BY_ROLES, format: str = "roles") -> None:
    """Run a test with the operator's file."""
    (folder / "protections.conf").write_text(text)
    run(folder, test, property_protection_file="protections.conf", property_protection_rule_format=format)


def put(name: str, value: str | None = "v", verb: str = "add") -> dict[str, Any]:
    """A step of a patch."""
    return {"op": verb, "path": f"/{name}", **({} if verb == "remove" else {"value": value})}


def test_roles_decide_what_is_created(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for name, who, status in (
            ("x_billing_code", "alice", 403), ("x_billing_code", "root", 201), ("x_secret", "alice", 201),
            ("x_once", "alice", 201), ("wide_open", "alice", 201), ("unheard_of", "alice", 403), ("unheard_of", "root", 403),
        ):  # fmt: skip
            given = {"name": "one", name: "v"}
            answered, body, _ = await cloud.ask("POST", "/v2/images", given, token=who)
            assert status == answered, (name, who)
            assert (status == 403) is (f"{name}' is reserved." in str(body))

    guarded(tmp_path, test)


def test_roles_decide_what_is_read_changed_and_deleted(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        given = {"x_billing": "7", "x_secret": "s", "x_once": "o", "wide_open": "w", "owner": "p1"}
        id = (await cloud.create("root", **given))["id"]
        own = await cloud.show(id)
        assert ("7", "o", "w", False) == (own["x_billing"], own["x_once"], own["wide_open"], "x_secret" in own)
        assert "s" == (await cloud.show(id, "root"))["x_secret"]
        assert "x_billing" not in await cloud.show(id, "rita")
        for step, status in (
            (put("x_billing", "8"), 403), (put("x_billing", "7", "replace"), 403), (put("x_billing", verb="remove"), 403),
            (put("x_once", "p", "replace"), 403), (put("x_once", verb="remove"), 403),
            (put("x_secret", "t", "replace"), 409), (put("x_secret", verb="remove"), 409),  # it is not there for him
            (put("wide_open", "x", "replace"), 200), (put("also_open", "y"), 200), (put("also_open", verb="remove"), 200),
            (put("unheard_of", "y"), 403), (put("name", "two", "replace"), 200),
        ):  # fmt: skip
            answered, why = await cloud.patch(id, step)
            assert status == answered, (step, why)
        kept = await cloud.show(id, "root")
        assert ("7", "s", "o", "x", "two") == tuple(
            kept[name] for name in ("x_billing", "x_secret", "x_once", "wide_open", "name")
        )
        assert 403 == (await cloud.patch(id, put("x_secret", verb="remove"), token="root"))[0]
        assert 200 == (await cloud.patch(id, put("x_billing", "9"), token="root"))[0]
        # All or nothing, also of one patch.
        assert 403 == (await cloud.patch(id, put("wide_open", "z"), put("x_billing", "0")))[0]
        assert "x" == (await cloud.show(id))["wide_open"]

    guarded(tmp_path, test)


def test_what_one_may_not_read_cannot_be_asked_by_either(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        await cloud.create("root", name="hidden", x_secret="s", wide_open="w", visibility="public")
        assert ["hidden"] == await cloud.names("x_secret=s", "root")
        assert [] == await cloud.names("x_secret=s")
        assert [] == await cloud.names("wide_open=w&x_secret=s")
        assert ["hidden"] == await cloud.names("wide_open=w")
        (shown,) = (await cloud.ask("GET", "/v2/images"))[1]["images"]
        assert "x_secret" not in shown

    guarded(tmp_path, test)


def test_other_services_see_and_change_what_their_caller_may(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create("root", x_billing="7", x_secret="s", wide_open="w", owner="p1"))["id"]
        images, alice = manifest.port(cloud.app), CALLERS["alice"]
        facts = await images.get(id, alice)
        assert facts is not None
        assert {"x_billing": "7", "wide_open": "w"} == facts.properties
        assert [] == await images.list(alice, ImageQuery(properties={"x_secret": "s"}), marker=None, limit=9)
        changed = await images.change(id, alice, {"x_billing": "7", "also_open": "o"})
        assert changed is not None
        assert {"x_billing": "7", "also_open": "o"} == changed.properties
        assert "s" == (await cloud.show(id, "root"))["x_secret"]
        for refused in ({"also_open": "o"}, {"x_billing": "8"}, {"x_billing": "7", "name": "n"}):
            with pytest.raises(Denied):
                await images.change(id, alice, refused)

    guarded(tmp_path, test)


def test_rules_of_the_policy_decide(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        enforcer = cloud.kernel.mounts["image"].enforcer
        cloud.app.guard.enforcer = enforcer
        enforcer.override({"glance_creator": "role:admin or role:member", "everybody": "@", "admins": "role:admin"})
        id = (await cloud.create(x_owned="v", other="o"))["id"]
        assert "v" == (await cloud.show(id, "rita"))["x_owned"]
        assert 403 == (await cloud.patch(id, put("x_owned", "w")))[0]
        assert 200 == (await cloud.patch(id, put("x_owned", "w"), token="root"))[0]
        assert 403 == (await cloud.patch(id, put("x_owned", verb="remove"), token="root"))[0]
        enforcer.override({"everybody": "@"})  # a rule that there is not lets nobody
        assert 403 == (await cloud.ask("POST", "/v2/images", {"x_owned": "v"}, token="root"))[0]

    guarded(tmp_path, test, BY_POLICIES, "policies")


@pytest.mark.parametrize(
    ("text", "by_policies", "says"),
    [
        ("[(]\ncreate = @\n", False, "no regular expression"),
        ("[a]\ncreate = @, !\n", False, "either everybody"),
        ("[a]\ncreate = one, two\n", True, "one rule, not 2"),
        ("[a]\n[a]\n", False, "already exists"),
        ("create = @\n", False, "no section headers"),
    ],
)
def test_a_file_that_cannot_be_understood_says_why(text: str, by_policies: bool, says: str) -> None:
    with pytest.raises(NotUnderstood, match=says):
        protections_of(text, by_policies=by_policies)


async def test_no_service_starts_with_such_a_file_or_without_it(tmp_path: Path) -> None:
    (tmp_path / "protections.conf").write_text("[(]\n")
    with pytest.raises(NotUnderstood, match=r"property_protection_file: protections\.conf: \[\(\]"):
        await build(tmp_path, property_protection_file="protections.conf")
    with pytest.raises(FileNotFoundError):
        await build(tmp_path, property_protection_file="missing.conf")


def test_without_a_file_everybody_may(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        id = (await cloud.create(x_billing="7"))["id"]
        assert 200 == (await cloud.patch(id, put("x_billing", verb="remove")))[0]
        assert "x_billing" not in await cloud.show(id)

    run(tmp_path, test)
