"""The settings of domains; and what was revoked."""

from typing import Any

import msgspec

from pileus.identity.config import Config

LDAP = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://directory", "user_tree_dn": "ou=people"}}


async def test_settings_are_made_merged_and_removed_whole_or_in_parts(cloud: Any) -> None:
    await cloud.start()
    domain = (await cloud.make("domain", name="d"))["id"]
    path = f"/v3/domains/{domain}/config"
    assert [404, 201, 200] == [
        (await cloud.ask(how, path, body)).status
        for how, body in (("GET", None), ("PUT", {"config": LDAP}), ("PUT", {"config": LDAP}))
    ]
    assert {"config": LDAP} == (await cloud.ask("GET", path)).body
    assert {"config": {"ldap": LDAP["ldap"]}} == (await cloud.ask("GET", f"{path}/ldap")).body
    assert {"config": {"url": "ldap://directory"}} == (await cloud.ask("GET", f"{path}/ldap/url")).body
    assert 404 == (await cloud.ask("GET", f"{path}/ldap/suffix")).status
    merged = await cloud.ask("PATCH", f"{path}/ldap", {"config": {"ldap": {"user_tree_dn": "ou=staff"}}})
    assert "ou=staff" == merged.body["config"]["ldap"]["user_tree_dn"]
    one = await cloud.ask("PATCH", f"{path}/ldap/url", {"config": {"url": "ldaps://other"}})
    assert (200, "ldaps://other") == (one.status, one.body["config"]["ldap"]["url"])
    assert 404 == (await cloud.ask("PATCH", f"{path}/ldap/suffix", {"config": {"suffix": "x"}})).status
    assert [204, 404] == [(await cloud.ask(how, f"{path}/ldap/url")).status for how in ("DELETE", "GET")]
    assert [204, 404] == [(await cloud.ask(how, f"{path}/ldap")).status for how in ("DELETE", "GET")]
    assert [204, 404] == [(await cloud.ask(how, path)).status for how in ("DELETE", "DELETE")]


async def test_a_directorys_password_is_kept_and_never_told(cloud: Any) -> None:
    await cloud.start()
    path = "/v3/domains/default/config"
    secret = {"config": {"ldap": {"url": "ldap://x", "password": "s3cr3t"}}}
    assert "password" not in str((await cloud.ask("PUT", path, secret)).body)
    for shown in (path, f"{path}/ldap"):
        assert "s3cr3t" not in str((await cloud.ask("GET", shown)).body)
    assert 404 == (await cloud.ask("GET", f"{path}/ldap/password")).status


async def test_only_what_can_be_set_is_taken(cloud: Any) -> None:
    await cloud.start()
    path = "/v3/domains/default/config"
    for config in ({}, {"assignment": {"driver": "x"}}, {"ldap": {"colour": "red"}}, {"ldap": {}}):
        assert 403 == (await cloud.ask("PUT", path, {"config": config})).status, config
    answer = await cloud.ask("PUT", path, {"config": {"ldap": {"page_size": "many"}}})
    assert "page_size" in answer.body["error"]["message"]
    assert 404 == (await cloud.ask("PUT", "/v3/domains/none/config", {"config": LDAP})).status


async def test_defaults_are_told_by_group_and_option(cloud: Any) -> None:
    await cloud.start()
    whole = (await cloud.ask("GET", "/v3/domains/config/default")).body["config"]
    assert {"identity", "ldap"} == set(whole)
    assert "password" not in whole["ldap"]
    group = (await cloud.ask("GET", "/v3/domains/config/ldap/default")).body["config"]
    assert {"ldap": whole["ldap"]} == group
    assert {"url": "ldap://localhost"} == (await cloud.ask("GET", "/v3/domains/config/ldap/url/default")).body["config"]
    assert 403 == (await cloud.ask("GET", "/v3/domains/config/colour/default")).status


async def test_everybody_may_know_what_passwords_must_be(cloud: Any) -> None:
    cloud.config = msgspec.structs.replace(Config(), password_regex="^.{8,}$", password_regex_description="8 or more")
    await cloud.start()
    rita = await cloud.person("rita", "reader")
    path = "/v3/domains/default/config/security_compliance"
    shown = (await cloud.ask("GET", path, None, rita)).body["config"]["security_compliance"]
    assert {"password_regex": "^.{8,}$", "password_regex_description": "8 or more"} == shown
    one = await cloud.ask("GET", f"{path}/password_regex", None, rita)
    assert {"password_regex": "^.{8,}$"} == one.body["config"]
    other = (await cloud.make("domain", name="d"))["id"]
    assert 403 == (await cloud.ask("GET", f"/v3/domains/{other}/config/security_compliance", None, rita)).status


async def test_services_learn_which_tokens_were_revoked(cloud: Any) -> None:
    await cloud.start()
    token = await cloud.login("admin", project="admin")
    audit = (await cloud.ask("GET", "/v3/auth/tokens", None, "admin", {"x-subject-token": token})).body["token"][
        "audit_ids"
    ]
    await cloud.ask("DELETE", "/v3/auth/tokens", None, "admin", {"x-subject-token": token})
    assert audit == [one["audit_id"] for one in (await cloud.ask("GET", "/v3/OS-REVOKE/events")).body["events"]]
    assert [] == (await cloud.ask("GET", "/v3/OS-REVOKE/events?since=2999-01-01T00:00:00Z")).body["events"]
    assert 400 == (await cloud.ask("GET", "/v3/OS-REVOKE/events?since=yesterday")).status


async def test_a_list_that_is_cut_says_so(cloud: Any) -> None:
    await cloud.start()
    domain = (await cloud.make("domain", name="d"))["id"]
    for name in ("a", "b", "c"):
        await cloud.make("user", name=name, domain_id=domain)
    path = f"/v3/users?domain_id={domain}"
    whole = (await cloud.ask("GET", path)).body
    assert (3, False) == (len(whole["users"]), "truncated" in whole)
    await cloud.ask("PUT", f"/v3/domains/{domain}/config", {"config": {"identity": {"list_limit": 2}}})
    cut = (await cloud.ask("GET", path)).body
    assert (2, True) == (len(cut["users"]), cut["truncated"])
    rest = (await cloud.ask("GET", cut["links"]["next"].removeprefix("http://cloud:1/identity"))).body
    assert (1, False) == (len(rest["users"]), "truncated" in rest)
    assert "truncated" not in (await cloud.ask("GET", f"{path}&limit=1")).body
