"""Keypairs through their API."""

from tests.compute.world import a_world

from pileus.compute.config import ComputeConfig

PATH = "/v2.1/os-keypairs"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPq1lZQ0q3VvYJ6ZQ0hJ1yA4YH8mVxYlqk8m2q0m3x1a alice@laptop"


async def test_keys_are_imported_listed_and_deleted() -> None:
    async with a_world() as world:
        answered = await world.ask("POST", PATH, {"keypair": {"name": "k", "public_key": KEY}})
        assert 200 == answered.status
        made = answered.body["keypair"]
        assert ("k", KEY, "alice") == (made["name"], made["public_key"], made["user_id"])
        assert 47 == len(made["fingerprint"])
        assert {"type", "private_key"}.isdisjoint(made)
        assert 409 == (await world.ask("POST", PATH, {"keypair": {"name": "k", "public_key": KEY}})).status
        listed = (await world.ask("GET", PATH, at="2.2")).body["keypairs"]
        assert [("k", "ssh")] == [(item["keypair"]["name"], item["keypair"]["type"]) for item in listed]
        shown = (await world.ask("GET", f"{PATH}/k")).body["keypair"]
        assert (False, None, 1) == (shown["deleted"], shown["deleted_at"], shown["id"])
        assert 404 == (await world.ask("GET", f"{PATH}/k", by="bob")).status
        assert "k" == (await world.ask("GET", f"{PATH}/k?user_id=alice", by="root", at="2.10")).body["keypair"]["name"]
        assert 204 == (await world.ask("DELETE", f"{PATH}/k", at="2.2")).status
        assert 404 == (await world.ask("DELETE", f"{PATH}/k")).status


async def test_keys_are_made_until_2_91() -> None:
    async with a_world() as world:
        answered = await world.ask("POST", PATH, {"keypair": {"name": "k"}}, at="2.91")
        assert 201 == answered.status
        assert answered.body["keypair"]["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        assert answered.body["keypair"]["public_key"].startswith("ssh-ed25519 ")
        assert 400 == (await world.ask("POST", PATH, {"keypair": {"name": "j"}}, at="2.92")).status


async def test_what_is_no_key_is_refused() -> None:
    async with a_world() as world:
        for key in ("nonsense", "ssh-rsa AAAA", "ssh-ed25519 !!!!", KEY.replace("AAAAI", "BBBBI")):
            answered = await world.ask("POST", PATH, {"keypair": {"name": "k", "public_key": key}})
            assert 400 == answered.status
            assert "Keypair data is invalid" in answered.body["badRequest"]["message"]
        assert 400 == (await world.ask("POST", PATH, {"keypair": {"name": "a@b", "public_key": KEY}})).status
        body = {"keypair": {"name": "a@b.c", "public_key": KEY}}
        assert 201 == (await world.ask("POST", PATH, body, at="2.92")).status


async def test_keypairs_are_paged_and_limited() -> None:
    async with a_world(config=ComputeConfig(quota_key_pairs=3)) as world:
        for name in "cab":
            await world.ask("POST", PATH, {"keypair": {"name": name, "public_key": KEY}})
        answered = await world.ask("POST", PATH, {"keypair": {"name": "d", "public_key": KEY}})
        assert (403, "Quota exceeded, too many key pairs.") == (
            answered.status, answered.body["forbidden"]["message"],
        )  # fmt: skip
        page = (await world.ask("GET", f"{PATH}?limit=2", at="2.35")).body
        assert ["a", "b"] == [item["keypair"]["name"] for item in page["keypairs"]]
        assert page["keypairs_links"][0]["href"].endswith("limit=2&marker=b")
        rest = (await world.ask("GET", f"{PATH}?marker=b", at="2.35")).body
        assert ["c"] == [item["keypair"]["name"] for item in rest["keypairs"]]


async def test_a_server_keeps_the_key_it_was_given() -> None:
    async with a_world() as world:
        await world.ask("POST", PATH, {"keypair": {"name": "k", "public_key": KEY}})
        id = await world.boot(key_name="k")
        await world.ask("DELETE", f"{PATH}/k")
        assert "k" == (await world.show(id))["key_name"]


async def test_makes_certificates_too() -> None:
    async with a_world() as world:
        body = {"keypair": {"name": "windows", "type": "x509"}}
        made = (await world.ask("POST", "/v2.1/os-keypairs", body, at="2.2")).body["keypair"]
        assert made["public_key"].startswith("-----BEGIN CERTIFICATE-----")
        assert made["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
        assert ("x509", 59) == (made["type"], len(made["fingerprint"]))
