"""Hosts that name accounts and containers, aliases of such hosts, and what is served outside accounts."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.object_store.world import ACCOUNT, Said, Service, run

from pileus.kit.http.kernel import Kernel
from pileus.object_store.api.aliases import Aliases, canonical
from pileus.object_store.models.hosts import below, name_of, named_by

DOMAINS = ("store.example", "other.example")
SITE = {"host": "site.auth-p1.store.example:8080"}


def test_hosts_name_accounts_and_containers(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("site", b"")
        await service.put("site/info", b"the object", content_type="a/b")
        of_container = await service.ask("GET", "/info", headers=SITE)
        assert (200, b"the object") == (of_container.status, of_container.body)
        for host in ("auth-p1.store.example", "AUTH-p1.Store.Example", "p1.other.example:1", "auth_p1.store.example"):
            of_account = await service.ask("GET", "/site/info", headers={"host": host})
            assert b"the object" == of_account.body
        assert ["site"] == (
            await service.ask("GET", "/", query="format=json", headers={"host": "p1.store.example"})
        ).names
        assert ["info"] == (await service.ask("GET", "/", query="format=json", headers=SITE)).names
        assert 201 == (await service.ask("PUT", "/a/b%20c%2Fd", b"x", headers=SITE)).status
        assert ["a/b c/d", "info"] == await service.listing("site")
        for host in ("a.b.p1.store.example", "store.example", ".p1.store.example"):
            assert 400 == (await service.ask("GET", "/info", headers={"host": host})).status
        assert b'"swift"' in (await service.ask("GET", "/info")).body

    run(tmp_path, story, storage_domains=DOMAINS)


def test_web_sites_have_hosts_of_their_own(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("site", b"", x_container_read=".r:*,.rlistings", x_container_meta_web_index="index.html")
        await service.put("site/index.html", b"<p>front", content_type="text/html")
        await service.put("site/a b/index.html", b"<p>inner", content_type="text/html")
        front = await service.ask("GET", "/", token=None, headers=SITE)
        assert (200, b"<p>front") == (front.status, front.body)
        moved = await service.ask("GET", "/a%20b", token=None, headers=SITE)
        assert (301, "/a%20b/") == (moved.status, moved.headers["location"])
        assert b"<p>inner" == (await service.ask("GET", "/a%20b/", token=None, headers=SITE)).body

    run(tmp_path, story, storage_domains=DOMAINS)


class Resolver:
    """Names and what they are aliases of."""

    def __init__(self, **known: str) -> None:
        self.known = {name.replace("_", "."): of for name, of in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> str | None:
        self.asked.append(host)
        return self.known.get(host)


async def through(kernel: Kernel, host: str, path: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode()), (b"x-auth-token", b"alice")]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
        "client": ("192.0.2.7", 1), "headers": headers,
    }  # fmt: skip
    await kernel.http(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_aliases_of_hosts_are_answered_and_all_others_left_alone(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("site", b"")
        await service.put("site/info", b"the object")
        resolver = Resolver(www_customer_example="site.auth-p1.store.example.", cloud_example="host.elsewhere.example")
        aliases = Aliases(service.app, service.api, resolver)
        kernel = Kernel(service.app.people)
        kernel.raw["info"] = service.api
        kernel.others += [(service.api.claims, service.api), (aliases.claims, aliases)]
        for _ in range(2):
            assert (200, b"the object") == await through(kernel, "www.customer.example:80", "/info")
        for host in ("cloud.example", "nobody.knows.example", "192.0.2.1", "[2001:db8::1]:80", "localhost", "short"):
            status, body = await through(kernel, host, "/info")
            assert (200, True) == (status, b'"swift"' in body)
        assert (200, b"the object") == await through(kernel, "site.p1.store.example", "/info")
        assert ["www.customer.example", "cloud.example", "nobody.knows.example"] == resolver.asked
        service.clock.move(301)
        resolver.known["www.customer.example"] = "host.elsewhere.example"
        assert b'"swift"' in (await through(kernel, "www.customer.example", "/info"))[1]

    run(tmp_path, story, storage_domains=DOMAINS, cname_lookup=True)


def test_the_machines_resolver_is_asked(tmp_path: Path) -> None:
    async def story(_service: Service) -> None:
        assert await canonical("localhost") is not None
        assert await canonical("nobody.invalid") is None

    run(tmp_path, story)


def test_a_file_takes_the_service_out_of_balancers(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        assert (200, b"OK") == ((said := await service.ask("GET", "/healthcheck", token=None)).status, said.body)
        (tmp_path / "off").touch()
        said = await service.ask("GET", "/healthcheck", token=None)
        assert (503, b"DISABLED BY FILE") == (said.status, said.body)
        assert 201 == (await service.ask("PUT", "c")).status

    run(tmp_path, story, disable_file=str(tmp_path / "off"))


def test_info_tells_what_is_switched_on(tmp_path: Path) -> None:
    async def plain(service: Service) -> None:
        told = (await service.ask("GET", "/info", token=None)).json
        assert {"enabled": False} == told["encryption"]
        assert not {"domain_remap", "cname_lookup", "ratelimit"} & told.keys()
        assert {
            "account_quotas", "bulk_delete", "bulk_upload", "container_quotas", "container_sync", "cors", "crossdomain", "dlo",
            "etag_quoter", "formpost", "keystoneauth", "listing_formats", "object_versioning", "read_only", "s3api", "slo",
            "staticweb", "swift", "symlink", "tempurl", "versioned_writes",
        } <= told.keys()  # fmt: skip

    async def all_on(service: Service) -> None:
        told = (await service.ask("GET", "/info", token=None)).json
        assert {"enabled": True} == told["encryption"]
        assert {"default_reseller_prefix": "AUTH"} == told["domain_remap"]
        assert ({"lookup_depth": 1}, 5.0) == (told["cname_lookup"], told["ratelimit"]["account_ratelimit"])

    run(tmp_path / "a", plain)
    run(
        tmp_path / "b", all_on, storage_domains=DOMAINS, cname_lookup=True, encryption=True, account_ratelimit=5.0
    )  # fmt: skip


def test_programs_from_before_identity_log_in(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        async def login(user: str, key: str, method: str = "GET") -> Said:
            said = {"x-auth-user": user, "x-auth-key": key}
            return await service.ask(method, "/auth/v1.0", token=None, headers=said)

        said = await login("one:alice", "ecila")
        assert (200, "alice", "alice", "3600") == (
            said.status, said.headers["x-auth-token"], said.headers["x-storage-token"], said.headers["x-auth-token-expires"],
        )  # fmt: skip
        assert f"http://cloud:1/object-store{ACCOUNT}" == said.headers["x-storage-url"]
        assert 201 == (await service.ask("PUT", "c", token=said.headers["x-auth-token"])).status
        for user, key in (("one:alice", "wrong"), ("two:alice", "ecila"), ("alice", "ecila"), (":", ""), ("", "")):
            assert 401 == (await login(user, key)).status
        assert 405 == (await login("one:alice", "ecila", "PUT")).status
        assert 404 == (await service.ask("GET", "/auth/v2.0", token=None)).status

    run(tmp_path, story)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@given(LABEL, LABEL, st.sampled_from(DOMAINS))
def test_a_container_and_a_project_are_found_in_their_host(container: str, project: str, domain: str) -> None:
    for prefix in ("auth-", "auth_", "AUTH_"):
        labels = below(f"{container}.{prefix}{project}.{domain}:443", DOMAINS)
        assert labels is not None
        assert (f"AUTH_{project}", container) == named_by(labels)
    assert name_of(f"{project}.{domain}.") == f"{project}.{domain}"
