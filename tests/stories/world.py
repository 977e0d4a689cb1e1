"""Something of every kind, made by the demo user through the public APIs, for stories to look at."""

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from tests.clients.cloud import Answer, RunningCloud, log_in, until

FLAVOR = "m1.nano"
QCOW2 = b"QFI\xfb\0\0\0\x02" + bytes(12) + b"\0\0\0\x10" + (1 << 20).to_bytes(8, "big") + bytes(480)
PUBLIC_KEY = (
    "ssh-ed25519 " + base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(range(32))).decode()
)
COMPUTE = {"OpenStack-API-Version": "compute 2.90"}
OPEN_OPERATIONS = (
    "select flow, subject, step, state, waiting_why from operations where state in ('running', 'queued', 'stuck')"
)


class World(msgspec.Struct, frozen=True):
    """The ids of demo's things by the segment of the path that collects them: {"servers": "..."}."""

    ids: Mapping[str, str]

    def __getitem__(self, segment: str) -> str:
        return self.ids[segment]


def furnish(cloud: RunningCloud) -> World:
    """Demo has one of everything, and its server runs."""
    ids = {"os-keypairs": "mine"}
    image = {"name": "own", "disk_format": "qcow2", "container_format": "bare"}
    ids["images"] = made(cloud, "/image/v2/images", image)["id"]
    put = {"Content-Type": "application/octet-stream"}
    filled = cloud.ask("PUT", f"/image/v2/images/{ids['images']}/file", QCOW2, as_="demo", headers=put)
    assert filled.status == 204, filled
    ids["networks"] = network(cloud, "network", {"name": "inside"})["id"]
    about = {"name": "inside", "network_id": ids["networks"], "ip_version": 4, "cidr": "10.6.0.0/24"}
    ids["subnets"] = network(cloud, "subnet", about)["id"]
    public = listed(cloud, "/network/v2.0/networks?name=public", "networks")[0]["id"]
    router = network(cloud, "router", {"name": "way", "external_gateway_info": {"network_id": public}})
    ids["routers"] = router["id"]
    way = {"subnet_id": ids["subnets"]}
    tied = cloud.ask("PUT", f"/network/v2.0/routers/{router['id']}/add_router_interface", way, as_="demo")
    assert tied.status == 200, tied
    group = network(cloud, "security_group", {"name": "own"})
    ids |= {"security-groups": group["id"], "security-group-rules": group["security_group_rules"][0]["id"]}
    made(cloud, "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine", "public_key": PUBLIC_KEY}})
    ids["servers"] = boot(cloud, "own", ids, key_name="mine")
    running(cloud, ids["servers"])
    port = listed(cloud, f"/network/v2.0/ports?device_id={ids['servers']}", "ports")[0]["id"]
    ids["ports"] = port
    ids["floatingips"] = network(cloud, "floatingip", {"floating_network_id": public, "port_id": port})["id"]
    return World(ids)


def boot(cloud: RunningCloud, name: str, ids: Mapping[str, str], **more: object) -> str:
    """A server is wanted; it boots in the background."""
    flavor = next(f["id"] for f in listed(cloud, "/compute/v2.1/flavors", "flavors") if f["name"] == FLAVOR)
    server = {
        "name": name,
        "imageRef": ids["images"],
        "flavorRef": flavor,
        "networks": [{"uuid": ids["networks"]}],
        **more,
    }
    return str(made(cloud, "/compute/v2.1/servers", {"server": server})["server"]["id"])


def running(cloud: RunningCloud, server: str) -> dict[str, Any]:
    """The server, as soon as it is ACTIVE."""

    def look() -> dict[str, Any] | None:
        found = cloud.ask("GET", f"/compute/v2.1/servers/{server}", as_="demo", headers=COMPUTE).json["server"]
        assert found["status"] != "ERROR", found.get("fault")
        return dict(found) if found["status"] == "ACTIVE" and not found["OS-EXT-STS:task_state"] else None

    found = until(look, f"server {server} runs")
    assert found is not None
    return found


def network(cloud: RunningCloud, key: str, body: Mapping[str, object]) -> dict[str, Any]:
    """Something new of the network service."""
    path = f"/network/v2.0/{key.replace('_', '-')}s"
    return dict(made(cloud, path, {key: body})[key])


def made(cloud: RunningCloud, path: str, body: object, as_: str = "demo") -> dict[str, Any]:
    """What a POST that must succeed answers."""
    answer = cloud.ask("POST", path, body, as_=as_, headers=COMPUTE if path.startswith("/compute") else None)
    assert answer.status < 300, (path, answer, cloud.log())
    return dict(answer.json)


def listed(cloud: RunningCloud, path: str, key: str, as_: str = "demo") -> list[dict[str, Any]]:
    """All items of a list, page after page."""
    return [item for page in pages(cloud, path, key, as_) for item in page]


def pages(cloud: RunningCloud, path: str, key: str, as_: str = "demo") -> Iterator[list[dict[str, Any]]]:
    """A list, a page at a time, by the links the cloud gives."""
    seen = set()
    following: str | None = path
    while following is not None:
        assert following not in seen, f"{path} leads to {following} again"
        seen.add(following)
        answer = cloud.ask("GET", following, as_=as_, headers=COMPUTE if path.startswith("/compute") else None)
        assert answer.status == 200, (following, answer)
        yield answer.json[key]
        following = _next(path, key, answer)


def _next(path: str, key: str, answer: Answer) -> str | None:
    """The path of the next page, in whichever of the four ways the service tells it."""
    told = answer.json
    found = told.get("next") or (told.get("links") or {}).get("next")
    for link in told.get(f"{key}_links", []):
        found = link["href"] if link["rel"] == "next" else found
    if not found:
        return None
    parts = urlsplit(found)
    prefix = "" if parts.netloc else f"/{path.split('/')[1]}"
    return f"{prefix}{parts.path}?{parts.query}"


def project_of(cloud: RunningCloud, name: str) -> str:
    """A new project with a member of the same name; their token."""
    admin = "admin"
    project = made(cloud, "/identity/v3/projects", {"project": {"name": name, "domain_id": "default"}}, admin)[
        "project"
    ]
    about = {"name": name, "domain_id": "default", "password": "s3cret-of-a-stranger"}
    user = made(cloud, "/identity/v3/users", {"user": about}, admin)["user"]
    role = listed(cloud, "/identity/v3/roles?name=member", "roles", admin)[0]["id"]
    granted = cloud.ask("PUT", f"/identity/v3/projects/{project['id']}/users/{user['id']}/roles/{role}", as_=admin)
    assert granted.status == 204, granted
    return log_in(cloud, name, "s3cret-of-a-stranger", name)


def open_operations(cloud: RunningCloud) -> list[tuple[Any, ...]]:
    """Long work that has not ended."""
    database = sqlite3.connect(f"file:{cloud.state.database}?mode=ro", uri=True)
    try:
        return database.execute(OPEN_OPERATIONS).fetchall()
    finally:
        database.close()


def documents(cloud: RunningCloud) -> dict[str, dict[str, Any]]:
    """The OpenAPI document of every service."""
    found = {}
    for service in ("identity", "image", "placement", "compute", "network"):
        answer = cloud.ask("GET", f"/openapi/{service}.json")
        assert answer.status == 200, (service, answer)
        found[service] = json.loads(answer.body)
    return found
