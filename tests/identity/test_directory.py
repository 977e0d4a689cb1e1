"""Domains whose people are in a directory: a real slapd, and what can be known without one."""

import asyncio
import contextlib
import datetime as dt
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.ports import free_port

from pileus.identity.drivers.ber import BadBer, elements, number, packed, text, whole
from pileus.identity.drivers.ldap import connected, encoded
from pileus.identity.errors import DirectoryFailed
from pileus.identity.models import Group, User
from pileus.identity.models.directory import Party, Person, group_of, plan_of, public_id, user_of
from pileus.identity.models.domain_settings import Ldap
from pileus.identity.models.ldap_filter import All, BadFilter, Equal, Filter, Like, Not, Present, read_filter
from pileus.identity.models.ldap_filter import Any as Either

SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
LDIF = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{SUFFIX}
objectClass: organizationalUnit
ou: groups

dn: uid=ann,{PEOPLE}
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: A
mail: ann@example.org
userPassword: ann secret

dn: uid=bob,{PEOPLE}
objectClass: inetOrgPerson
uid: bob
cn: Bob (* \\ )
sn: B
userPassword: bob secret

dn: cn=staff,ou=groups,{SUFFIX}
objectClass: groupOfNames
cn: staff
member: uid=ann,{PEOPLE}
"""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("(uid=ann)", Equal("uid", b"ann")),
        ("(uid=*)", Present("uid")),
        ("(cn=a*b*c)", Like("cn", [b"a", b"b", b"c"])),
        ("(cn=*b*)", Like("cn", [b"", b"b", b""])),
        (r"(cn=a\2ab\28)", Equal("cn", b"a*b(")),
        ("(&(a=1)(|(b=2)(!(c=3))))", All([Equal("a", b"1"), Either([Equal("b", b"2"), Not(Equal("c", b"3"))])])),
    ],
)
def test_filters_are_read_as_operators_write_them(written: str, read: Filter) -> None:
    assert read == read_filter(written)
    assert encoded(read)


@pytest.mark.parametrize("wrong", ["", "uid=ann", "(uid=ann", "(uid=ann))", "(&(a=1)", "(=x)", "(a=1)(b=2)"])
def test_what_is_no_filter_is_refused(wrong: str) -> None:
    with pytest.raises(BadFilter):
        read_filter(wrong)


def test_elements_are_read_as_they_were_packed_and_nothing_else_is() -> None:
    raw = packed(0x30, number(3), number(-129), text("é" * 200), packed(0x31))
    ((tag, body),) = elements(raw)
    parts = list(elements(body))
    assert (0x30, 3, -129) == (tag, whole(parts[0][1]), whole(parts[1][1]))
    assert ("é" * 200).encode() == parts[2][1]
    for wrong in (raw[:-1], b"\x30", b"\x30\x85\x01\x01\x01\x01\x01", b"\x30\x84\xff\xff\xff\xff"):
        with pytest.raises(BadBer):
            list(elements(wrong))


def test_a_plan_makes_ours_like_theirs_and_deletes_nobody() -> None:
    people = [Person(local_id=name, name=name, dn=name, email=f"{name}@x") for name in ("ann", "bob")]
    wanted = [user_of("d", one) for one in people]
    known = [
        User(id=wanted[0].id, name="old", domain_id="d", extra={"kept": 1}),
        User(id="gone", name="cid", domain_id="d"),
    ]
    staff = group_of("d", Party(local_id="staff", name="staff"))
    plan = plan_of(wanted, known, [staff], [Group(id="other", name="other", domain_id="d")])
    assert ([wanted[1]], [staff], ["gone"]) == (plan.users, plan.groups, plan.gone)
    assert {wanted[0].id: {"name": "ann", "extra": {"kept": 1, "email": "ann@x"}}} == plan.changed_users
    again = plan_of(wanted, wanted, [staff], [staff])
    assert not (again.users or again.groups or again.changed_users or again.changed_groups or again.gone)
    assert public_id("d", "user", "x") != public_id("d", "group", "x")


# -- a real one ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(place: Path, *urls: str, more: str = "") -> Iterator[None]:
    """A directory with Ann and Bob, reached there."""
    program = shutil.which("slapd", path="/usr/sbin:/usr/bin")
    assert program is not None, "slapd is among the packages tests need"
    (place / "db").mkdir()
    schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
    (place / "slapd.conf").write_text(
        f"{schemas}pidfile {place}/pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n{more}"
        f'database mdb\nsuffix "{SUFFIX}"\nrootdn "cn=admin,{SUFFIX}"\nrootpw admin\ndirectory {place}/db\n'
    )
    (place / "ldif").write_text(LDIF)
    slapadd = shutil.which("slapadd", path="/usr/sbin:/usr/bin") or "slapadd"
    subprocess.run([slapadd, "-f", place / "slapd.conf", "-l", place / "ldif"], check=True, capture_output=True)
    with subprocess.Popen(
        [program, "-d", "0", "-h", " ".join(urls), "-f", place / "slapd.conf"], stderr=subprocess.DEVNULL
    ) as runs:
        try:
            for url in urls:
                _wait_for(int(url.rpartition(":")[2]))
            yield
        finally:
            runs.terminate()


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[str]:
    """The address of a directory."""
    url = f"ldap://127.0.0.1:{free_port()}"
    with serving(tmp_path, url):
        yield url


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("slapd does not listen")


async def in_directory(cloud: Any, url: str, **more: Any) -> str:
    """A domain whose people are in the directory."""
    await cloud.start()
    domain: str = (await cloud.make("domain", name="corp"))["id"]
    ldap = {
        "url": url, "user": f"cn=admin,{SUFFIX}", "password": "admin", "suffix": SUFFIX, "user_tree_dn": PEOPLE,
        "user_id_attribute": "uid", "user_name_attribute": "uid", "group_tree_dn": f"ou=groups,{SUFFIX}",
        "group_name_attribute": "cn", "page_size": 1, **more,
    }  # fmt: skip
    config = {"identity": {"driver": "ldap"}, "ldap": ldap}
    assert 201 == (await cloud.ask("PUT", f"/v3/domains/{domain}/config", {"config": config})).status
    return domain


@pytest.mark.host
async def test_people_of_a_directory_log_in_with_their_passwords_and_groups(cloud: Any, slapd: str) -> None:
    domain = await in_directory(cloud, slapd)
    answer = await cloud.auth(cloud.by_password("ann", "ann secret", domain))
    assert 201 == answer.status, answer.body
    ann = public_id(domain, "user", "ann")
    assert ann == answer.body["token"]["user"]["id"]
    for name, password in (("ann", "wrong"), ("ann", ""), ("nobody", "x"), ("*", "ann secret"), ("ann)(uid=*", "x")):
        refused = await cloud.auth(cloud.by_password(name, password, domain))
        assert (401, "The request you have made requires authentication.") == (
            refused.status, refused.body["error"]["message"],
        )  # fmt: skip
    groups = (await cloud.ask("GET", f"/v3/groups?domain_id={domain}")).body["groups"]
    assert ["staff"] == [one["name"] for one in groups]
    project = await cloud.make("project", name="p")
    await cloud.ask("PUT", f"/v3/projects/{project['id']}/groups/{groups[0]['id']}/roles/{await cloud.role('reader')}")
    scoped = await cloud.auth(cloud.by_password("ann", "ann secret", domain), {"project": {"id": project["id"]}})
    assert ["reader"] == [role["name"] for role in scoped.body["token"]["roles"]]
    by_id = {"methods": ["password"], "password": {"user": {"id": ann, "password": "ann secret"}}}
    assert 201 == (await cloud.auth(by_id)).status


@pytest.mark.host
async def test_a_list_mirrors_the_directory_and_nothing_is_written_to_it(
    cloud: Any, slapd: str, tmp_path: Path
) -> None:
    domain = await in_directory(cloud, slapd)
    listed = (await cloud.ask("GET", f"/v3/users?domain_id={domain}")).body["users"]
    assert {"ann": "ann@example.org", "bob": None} == {one["name"]: one.get("email") for one in listed}
    token = await cloud.login("bob", "bob secret", domain=domain, scope="unscoped")
    user = f"/v3/users/{public_id(domain, 'user', 'bob')}"
    for method, path, body in (
        ("POST", "/v3/users", {"user": {"name": "x", "domain_id": domain}}),
        ("PATCH", user, {"user": {"name": "x"}}),
        ("DELETE", user, None),
        ("POST", "/v3/groups", {"group": {"name": "x", "domain_id": domain}}),
        ("POST", f"{user}/password", {"user": {"password": "x", "original_password": "bob secret"}}),
    ):
        assert 403 == (await cloud.ask(method, path, body)).status, path
    change = f"dn: uid=bob,{PEOPLE}\nchangetype: delete\n\ndn: uid=ann,{PEOPLE}\nchangetype: modify\nreplace: mail\nmail: new@x\n"
    subprocess.run(
        ["/usr/bin/ldapmodify", "-x", "-H", slapd, "-D", f"cn=admin,{SUFFIX}", "-w", "admin"],
        input=change.encode(), check=True, capture_output=True,
    )  # fmt: skip
    cloud.clock.move(61)
    cloud.admin = await cloud.login("admin", project="admin")
    listed = (await cloud.ask("GET", f"/v3/users?domain_id={domain}")).body["users"]
    assert {"ann": ("new@x", True), "bob": (None, False)} == {
        one["name"]: (one.get("email"), one["enabled"]) for one in listed
    }
    assert 401 == (await cloud.ask("GET", "/v3/auth/projects", None, token)).status
    assert 401 == (await cloud.auth(cloud.by_password("bob", "bob secret", domain))).status


@pytest.mark.host
async def test_a_directory_that_is_away_is_said_to_be(cloud: Any) -> None:
    domain = await in_directory(cloud, f"ldap://127.0.0.1:{free_port()}")
    answer = await cloud.auth(cloud.by_password("ann", "x", domain))
    assert (503, True) == (answer.status, "directory" in answer.body["error"]["message"])
    assert 201 == (await cloud.auth(cloud.by_password("admin"))).status


def certificate(place: Path, name: str) -> Path:
    """A certificate for this machine's own address, beside its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(called).issuer_name(called).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (place / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (place / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return place / f"{name}.pem"


@pytest.mark.host
async def test_a_directory_is_reached_by_tls_and_must_show_a_certificate_that_is_trusted(
    cloud: Any, tmp_path: Path
) -> None:
    own, other = certificate(tmp_path, "own"), certificate(tmp_path, "other")
    plain, sealed = f"ldap://127.0.0.1:{free_port()}", f"ldaps://127.0.0.1:{free_port()}"
    # Passwords are taken over encrypted connections only.
    more = f"TLSCertificateFile {own}\nTLSCertificateKeyFile {own.with_suffix('.key')}\nsecurity simple_bind=128\n"
    with serving(tmp_path, plain, sealed, more=more):
        domain = await in_directory(cloud, sealed, tls_cacertfile=str(own))
        for url, start, trusted, asked, status in (
            (sealed, False, own, "demand", 201),
            (plain, True, own, "demand", 201),
            (sealed, False, other, "demand", 503),
            (plain, True, other, "demand", 503),
            (sealed, False, other, "never", 201),
            (plain, True, other, "never", 201),
            (plain, False, own, "demand", 503),
        ):
            ldap = {"url": url, "use_tls": start, "tls_cacertfile": str(trusted), "tls_req_cert": asked}
            changed = await cloud.ask("PATCH", f"/v3/domains/{domain}/config", {"config": {"ldap": ldap}})
            assert 200 == changed.status, changed.body
            answer = await cloud.auth(cloud.by_password("ann", "ann secret", domain))
            assert status == answer.status, (ldap, answer.body)


@pytest.mark.parametrize("injected", [False, True])
async def test_no_answer_from_before_the_encryption_is_taken_for_one_after_it(tmp_path: Path, injected: bool) -> None:
    own = certificate(tmp_path, "own")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, own.with_suffix(".key"))

    def answer(number_: int, tag: int, code: int) -> bytes:
        return packed(0x30, number(number_), packed(tag, number(code, 0x0A), text(""), text("")))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly((await reader.readexactly(2))[1])
            writer.write(answer(1, 0x78, 0) + (answer(2, 0x61, 0) if injected else b""))
            await writer.start_tls(context)
            while await reader.read(1000):
                writer.write(answer(2, 0x61, 49))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = Ldap(url=f"ldap://127.0.0.1:{port}", use_tls=True, tls_cacertfile=str(own))
        if injected:
            with pytest.raises(DirectoryFailed, match="unencrypted"):
                async with connected(settings) as connection:
                    assert not await connection.bind("cn=x", "wrong"), "the answer of whoever sits between"
        else:
            async with connected(settings) as connection:
                assert not await connection.bind("cn=x", "wrong")
