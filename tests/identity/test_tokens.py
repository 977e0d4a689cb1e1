"""Logging in, validating and revoking, over the HTTP API."""

from typing import Any

WRONG = "The request you have made requires authentication."


async def test_a_password_and_a_project_make_a_scoped_token(cloud: Any) -> None:
    await cloud.start()
    answer = await cloud.auth(cloud.by_password("admin"), {"project": {"name": "admin", "domain": {"name": "Default"}}})
    token = answer.body["token"]
    assert 201 == answer.status
    assert ["password"] == token["methods"]
    assert "admin" == token["project"]["name"]
    assert {"id": "default", "name": "Default"} == token["project"]["domain"]
    assert ["admin", "manager", "member", "reader"] == [role["name"] for role in token["roles"]]
    assert token["is_domain"] is False
    assert "2026-01-01T01:00:00.000000Z" == token["expires_at"]
    assert len(token["audit_ids"]) == 1
    assert len(answer.headers["x-subject-token"]) < 255


async def test_the_default_project_is_the_scope_of_who_names_none(cloud: Any) -> None:
    await cloud.start()
    assert "project" in (await cloud.auth(cloud.by_password("admin"))).body["token"]
    explicit = (await cloud.auth(cloud.by_password("admin"), "unscoped")).body["token"]
    assert not {"project", "roles", "catalog"} & explicit.keys()
    await cloud.make("user", name="eve", password="p", default_project_id=cloud.account.project_id)
    assert "project" not in (await cloud.auth(cloud.by_password("eve", "p"))).body["token"]


async def test_the_catalog_fills_in_the_project_or_is_left_out(cloud: Any) -> None:
    await cloud.start()
    token = (await cloud.auth(cloud.by_password("admin"))).body["token"]
    urls = {entry["type"]: entry["endpoints"][0]["url"] for entry in token["catalog"]}
    assert f"http://cloud:1/object-store/v1/AUTH_{cloud.account.project_id}" == urls["object-store"]
    assert "catalog" not in (await cloud.auth(cloud.by_password("admin"), None, "?nocatalog")).body["token"]
    system = (await cloud.auth(cloud.by_password("admin"), {"system": {"all": True}})).body["token"]
    assert {"all": True} == system["system"]
    assert [[]] == [entry["endpoints"] for entry in system["catalog"] if entry["type"] == "object-store"]


async def test_who_is_refused_does_not_learn_why(cloud: Any) -> None:
    await cloud.start()
    await cloud.make("user", name="off", password="p", enabled=False)
    domain = await cloud.make("domain", name="closed", enabled=False)
    await cloud.make("user", name="in", password="p", domain_id=domain["id"])
    for identity, scope in (
        (cloud.by_password("admin", "wrong"), None),
        (cloud.by_password("nobody"), None),
        (cloud.by_password("admin", domain="nowhere"), None),
        (cloud.by_password("off", "p"), None),
        (cloud.by_password("in", "p", domain["id"]), None),
        (cloud.by_password("admin"), {"project": {"id": "none"}}),
        (cloud.by_password("admin"), {"domain": {"id": "default"}}),
    ):
        answer = await cloud.auth(identity, scope)
        assert (401, WRONG) == (answer.status, answer.body["error"]["message"])
        assert "Keystone uri=" in answer.headers["www-authenticate"]
    assert 401 == (await cloud.auth({"methods": ["external"]})).status
    for nonsense in ("gAAAAAnonsense", "ünsinn"):
        assert 404 == (await cloud.auth(cloud.by_token(nonsense))).status


async def test_a_login_that_makes_no_sense_is_a_bad_request(cloud: Any) -> None:
    await cloud.start()
    password = cloud.by_password("admin")
    for identity, scope in (
        ({"methods": []}, None),
        ({"methods": ["password"]}, None),
        ({"methods": ["token"]}, None),
        ({}, None),
        (password, {"project": {"name": "admin"}}),
        (password, {"project": {"id": "a"}, "domain": {"id": "b"}}),
        (password, {"system": {"all": False}}),
        (password, {}),
    ):
        assert 400 == (await cloud.auth(identity, scope)).status


async def test_rescoping_keeps_expiry_and_the_chain_of_audit_ids(cloud: Any) -> None:
    await cloud.start()
    first = await cloud.auth(cloud.by_password("admin"), "unscoped")
    cloud.clock.move(60)
    second = await cloud.auth(cloud.by_token(first.headers["x-subject-token"]), {"system": {"all": True}})
    assert sorted(second.body["token"]["methods"]) == ["password", "token"]
    assert first.body["token"]["expires_at"] == second.body["token"]["expires_at"]
    assert first.body["token"]["audit_ids"][0] == second.body["token"]["audit_ids"][1]


async def test_a_token_expires(cloud: Any) -> None:
    await cloud.start()
    assert 200 == (await cloud.ask("GET", "/v3/users")).status
    cloud.clock.move(3600)
    assert 401 == (await cloud.ask("GET", "/v3/users")).status


async def test_everybody_may_read_and_end_their_own_token(cloud: Any) -> None:
    await cloud.start()
    rita, other = await cloud.person("rita", "reader"), await cloud.person("otto", "reader")
    own, foreign = {"x-subject-token": rita}, {"x-subject-token": other}
    shown = await cloud.ask("GET", "/v3/auth/tokens", None, rita, own)
    assert (200, rita) == (shown.status, shown.headers["x-subject-token"])
    assert 200 == (await cloud.ask("HEAD", "/v3/auth/tokens", None, rita, own)).status
    assert 403 == (await cloud.ask("GET", "/v3/auth/tokens", None, rita, foreign)).status
    assert 403 == (await cloud.ask("DELETE", "/v3/auth/tokens", None, rita, foreign)).status
    assert 204 == (await cloud.ask("DELETE", "/v3/auth/tokens", None, rita, own)).status
    assert 401 == (await cloud.ask("GET", "/v3/auth/tokens", None, rita, own)).status
    gone = await cloud.ask("GET", "/v3/auth/tokens", headers=own)
    assert (404, "Failed to validate token.") == (gone.status, gone.body["error"]["message"])
    assert 404 == (await cloud.ask("GET", "/v3/auth/tokens")).status
    assert 200 == (await cloud.ask("GET", "/v3/auth/tokens", headers=foreign)).status


async def test_a_service_may_validate_but_not_revoke(cloud: Any) -> None:
    await cloud.start()
    service = await cloud.person("glance", "service")
    subject = {"x-subject-token": cloud.admin}
    assert 200 == (await cloud.ask("GET", "/v3/auth/tokens", None, service, subject)).status
    assert 403 == (await cloud.ask("DELETE", "/v3/auth/tokens", None, service, subject)).status


async def test_tokens_and_revocations_outlive_the_process(cloud: Any) -> None:
    await cloud.start()
    rita = await cloud.person("rita", "reader")
    await cloud.ask("DELETE", "/v3/auth/tokens", headers={"x-subject-token": rita})
    cloud.restart()
    assert 200 == (await cloud.ask("GET", "/v3/users")).status
    assert 401 == (await cloud.ask("GET", "/v3/auth/projects", None, rita)).status


async def test_what_is_taken_away_ends_tokens_at_once(cloud: Any) -> None:
    await cloud.start()
    users = {one["name"]: one for one in (await cloud.ask("GET", "/v3/users")).body["users"]}
    assert {"admin"} == users.keys()
    for name, method, path, body in (
        ("one", "PATCH", "/v3/users/{user}", {"user": {"enabled": False}}),
        ("two", "PATCH", "/v3/users/{user}", {"user": {"password": "new"}}),
        ("three", "DELETE", "/v3/users/{user}", None),
        ("four", "PATCH", "/v3/projects/{project}", {"project": {"enabled": False}}),
        ("five", "DELETE", "/v3/projects/{project}", None),
        ("six", "DELETE", "/v3/projects/{project}/users/{user}/roles/{role}", None),
    ):
        token = await cloud.person(name, "reader")
        shown = (await cloud.ask("GET", "/v3/auth/tokens", headers={"x-subject-token": token})).body["token"]
        assert 200 == (await cloud.ask("GET", "/v3/auth/projects", None, token)).status
        ids = {"user": shown["user"]["id"], "project": shown["project"]["id"], "role": await cloud.role("reader")}
        cloud.clock.move(1)
        assert (await cloud.ask(method, path.format(**ids), body)).status in {200, 204}
        assert 401 == (await cloud.ask("GET", "/v3/auth/projects", None, token)).status, name


async def test_a_disabled_user_does_not_get_old_tokens_back(cloud: Any) -> None:
    await cloud.start()
    token = await cloud.person("rita", "reader")
    user = (await cloud.ask("GET", "/v3/users?name=rita")).body["users"][0]["id"]
    cloud.clock.move(1)
    for enabled in (False, True):
        await cloud.ask("PATCH", f"/v3/users/{user}", {"user": {"enabled": enabled}})
    assert 401 == (await cloud.ask("GET", "/v3/auth/projects", None, token)).status
    await cloud.login("rita")


async def test_users_change_their_own_password_with_the_old_one(cloud: Any) -> None:
    await cloud.start()
    token = await cloud.person("rita", "reader")
    user = (await cloud.ask("GET", "/v3/users?name=rita")).body["users"][0]["id"]
    path = f"/v3/users/{user}/password"
    wrong = await cloud.ask("POST", path, {"user": {"password": "new", "original_password": "no"}}, None)
    assert 401 == wrong.status
    cloud.clock.move(1)
    right = await cloud.ask("POST", path, {"user": {"password": "new", "original_password": "correct horse"}}, token)
    assert 204 == right.status
    assert 401 == (await cloud.ask("GET", "/v3/auth/projects", None, token)).status
    assert 401 == (await cloud.auth(cloud.by_password("rita"))).status
    assert 201 == (await cloud.auth(cloud.by_password("rita", "new"))).status


async def test_a_remembered_password_is_no_longer_right_once_changed(cloud: Any) -> None:
    await cloud.start()
    user = await cloud.make("user", name="eve", password="one")
    await cloud.login("eve", "one")
    await cloud.ask("PATCH", f"/v3/users/{user['id']}", {"user": {"password": "two"}})
    assert 401 == (await cloud.auth(cloud.by_password("eve", "one"))).status
    assert 201 == (await cloud.auth(cloud.by_password("eve", "two"))).status
