"""Writes tempest.conf for a running cloud: what features.toml says, plus the addresses, ids and secrets of this cloud.

    python tests/conformance/configure.py STATE FILE [--real] [--served URL] [--gate NAME] [--other URL]

With the real drivers the built-in guest is the image and Tempest logs in to servers; with the fakes a mebibyte of
zeros serves, and what happens inside a server is not asked.
"""

import argparse
import configparser
import tomllib
from pathlib import Path

from pileus.main.certificates import authority_of
from pileus.main.client import Client
from pileus.main.seed import IMAGE
from pileus.main.settings import Settings, settings_of
from pileus.main.state import State, guest_cache

HERE = Path(__file__).parent
# Network extensions that Tempest asks for by name before it runs a test.
ASKED = (
    "allowed-address-pairs", "dhcp_agent_scheduler", "dvr", "ext-gw-mode", "external-net", "extra_dhcp_opt",
    "extraroute", "filter-validation", "ip-substring-filtering", "l3-ha", "metering", "net-mtu", "router",
    "security-group", "service-type", "standard-attr-description", "standard-attr-tag", "subnet_allocation", "tag",
    "tag-ext",
)  # fmt: skip
Section = dict[str, object]
SHARED_TYPE = "multiattach"
# For real servers: emulated ones on a busy machine take minutes to boot, and nothing is gained by haste.
PATIENCE_S = 900


def main() -> None:
    """Write the file the arguments name."""
    parser = argparse.ArgumentParser(description="Write tempest.conf for a running cloud.")
    parser.add_argument("state", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--real", action="store_true", help="servers are real: log in to them")
    parser.add_argument("--served", default="", help="where image.raw and image.qcow2 can be fetched")
    parser.add_argument("--gate", default="gate", help="whose configuration the cloud has: features may say of it")
    parser.add_argument("--other", default="", help="where another controller answers")
    args = parser.parse_args()
    state = State(args.state)
    settings = settings_of(state, {}).options
    features = tomllib.loads((HERE / "features.toml").read_text())
    features.update({name: {**features[name], **table} for name, table in features.pop(f"of-{args.gate}", {}).items()})
    sections = {name: dict(table) for name, table in features.items() if not name.startswith(("later", "of-"))}
    for name, found in _found(
        state, settings, set(features["later-extensions"]), real=args.real, beside=args.other
    ).items():
        sections.setdefault(name, {}).update(found)
    if "fixed_network_name" in sections["compute"]:
        _network_of_all(_admin(state, settings), str(sections["compute"]["fixed_network_name"]))
    if args.real:
        sections["volume"]["build_timeout"] = PATIENCE_S
    if args.served:
        sections["image"] |= {
            "http_image": f"{args.served}/image.raw",
            "http_qcow2_image": f"{args.served}/image.qcow2",
            "build_timeout": 60,
            "images_manifest_file": str(state / "conformance" / "served" / "manifest.yml"),
        }
    args.file.parent.mkdir(parents=True, exist_ok=True)
    with args.file.open("w") as out:
        _ini(sections).write(out)


def _network_of_all(admin: Client, name: str) -> None:
    """There is a network that every project may have its servers on."""
    if admin.by_name("network", "/v2.0/networks", "networks", name) is None:
        network = admin.post("network", "/v2.0/networks", {"network": {"name": name, "shared": True}})["network"]
        subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.80.0.0/20"}
        admin.post("network", "/v2.0/subnets", {"subnet": subnet})


def _admin(state: State, settings: Settings) -> Client:
    password = state.credentials().passwords["admin"]
    return Client(f"{settings.url}/identity/v3", "admin", password, "admin", authority_of(state, settings))


def _shared_type(admin: Client) -> None:
    """There is a type of volumes that several servers may have."""
    if admin.by_name("block-storage", "/types", "volume_types", SHARED_TYPE) is None:
        specs = {"multiattach": "<is> True"}
        admin.post("block-storage", "/types", {"volume_type": {"name": SHARED_TYPE, "extra_specs": specs}})


def _found(state: State, settings: Settings, later: set[str], *, real: bool, beside: str) -> dict[str, Section]:
    """What has to be asked of the cloud, or brought into it."""
    password = state.credentials().passwords["admin"]
    identity = f"{settings.url}/identity/v3"
    authority = authority_of(state, settings)
    admin = _admin(state, settings)
    public = admin.by_name("network", "/v2.0/networks", "networks", settings.external.name)
    if admin.by_name("identity", "/roles", "roles", "ResellerAdmin") is None:
        admin.post("identity", "/roles", {"role": {"name": "ResellerAdmin"}})
    assert public is not None, "the cloud was not furnished with an external network"
    _defaults(admin, public, settings.region)
    extensions = {found["alias"] for found in admin.get("network", "/v2.0/extensions")["extensions"]}
    image, other = _images(admin, state, real=real)
    hypervisors = admin.get("compute", "/os-hypervisors/detail")["hypervisors"]
    workspace = str(state / "conformance")
    remote = _remote(admin, beside, settings.region) if beside else ""
    return {
        "DEFAULT": {"debug": True, "log_file": f"{workspace}/tempest.log", "use_stderr": False},
        "oslo_concurrency": {"lock_path": f"{workspace}/locks"},
        "auth": _auth(password),
        "identity": {"uri_v3": identity, "region": settings.region, "ca_certificates_file": authority},
        "compute": {
            "image_ref": image,
            "image_ref_alt": other,
            "flavor_ref": _flavor(admin, "m1.nano"),
            "flavor_ref_alt": _flavor(admin, "m1.tiny"),
            "build_timeout": PATIENCE_S if real else 30,
            "hypervisor_type": hypervisors[0]["hypervisor_type"],
            "min_compute_nodes": len(hypervisors),
            "migration_source_host": hypervisors[0]["service"]["host"],
            "migration_dest_host": hypervisors[-1]["service"]["host"],
        },
        "image": {"alternate_image_endpoint": remote} if remote else {},
        "network": {"public_network_id": public["id"], "floating_network_name": public["name"]},
        "network-feature-enabled": {"api_extensions": ",".join(sorted(extensions | (set(ASKED) - later)))},
        "validation": _validation(real=real),
        "scenario": {"dhcp_client": "udhcpc", "img_file": str(_guest())},
    }


def _remote(admin: Client, controller: str, region: str) -> str:
    """The type of a service that the catalog has: images, as another controller answers for them."""
    kind = "image-remote"
    service = admin.post("identity", "/services", {"service": {"name": kind, "type": kind}})["service"]
    endpoint = {"service_id": service["id"], "interface": "public", "region": region, "url": f"{controller}/image"}
    admin.post("identity", "/endpoints", {"endpoint": endpoint})
    return kind


def _validation(*, real: bool) -> Section:
    """How Tempest gets into servers."""
    return {
        "run_validation": real,
        "ping_timeout": PATIENCE_S,
        "ssh_timeout": PATIENCE_S,
        "image_ssh_user": "pileus",
        "image_alt_ssh_user": "pileus",
        "connect_method": "floating",
        "auth_method": "keypair",
        "ssh_shell_prologue": "set -eu; PATH=$$PATH:/sbin:/usr/sbin;",
    }


def _auth(password: str) -> Section:
    """Every test class gets users and projects of its own, made by the admin."""
    return {
        "use_dynamic_credentials": True,
        "create_isolated_networks": True,
        "admin_username": "admin",
        "admin_password": password,
        "admin_project_name": "admin",
        "admin_domain_name": "Default",
        "admin_system": "all",
        "tempest_roles": "member",
    }


def _defaults(admin: Client, public: Section, region: str) -> None:
    """What networks of projects that make none are made of, as OpenStack's gate sets it; and its limits."""
    _shared_type(admin)
    _limits(admin, region)
    admin.ask("PUT", "network", f"/v2.0/networks/{public['id']}", {"network": {"is_default": True}})
    if not admin.get("network", "/v2.0/subnetpools", is_default=True)["subnetpools"]:
        pool = {"name": "default", "prefixes": ["10.64.0.0/16"], "default_prefixlen": 26}
        admin.post("network", "/v2.0/subnetpools", {"subnetpool": {**pool, "is_default": True, "shared": True}})


def _limits(admin: Client, region: str) -> None:
    """Images are limited, as OpenStack's gate sets it: more than anybody here needs."""
    service = admin.by_name("identity", "/services", "services", "glance")
    assert service is not None, "the catalog has no image service"
    known = {one["resource_name"] for one in admin.get("identity", "/registered_limits")["registered_limits"]}
    sizes = {
        "image_size_total": 10000,
        "image_stage_total": 10000,
        "image_count_total": 1000,
        "image_count_uploading": 1000,
    }
    missing = [
        {"service_id": service["id"], "region_id": region, "resource_name": name, "default_limit": limit}
        for name, limit in sizes.items()
        if name not in known
    ]
    if missing:
        admin.post("identity", "/registered_limits", {"registered_limits": missing})


def _images(admin: Client, state: State, *, real: bool) -> tuple[str, str]:
    """Two images to boot from, uploaded if they are not there."""
    if real:
        return _image(admin, IMAGE, _guest(), "qcow2"), _image(admin, f"{IMAGE}-alt", _guest(), "qcow2")
    zeros = state / "cache" / "zeros.raw"
    zeros.write_bytes(bytes(1 << 20))
    return _image(admin, "conformance", zeros, "raw"), _image(admin, "conformance-alt", zeros, "raw")


def _image(admin: Client, name: str, file: Path, disk_format: str) -> str:
    found = admin.by_name("image", "/v2/images", "images", name)
    if found is None:
        about = {"name": name, "disk_format": disk_format, "container_format": "bare", "visibility": "public"}
        about |= {"hw_qemu_guest_agent": "yes"}
        found = admin.post("image", "/v2/images", about)
        admin.upload("image", f"/v2/images/{found['id']}/file", file)
    return str(found["id"])


def _guest() -> Path:
    """The newest of the built-in guests on this machine."""
    made = sorted(guest_cache().glob("**/*.qcow2"), key=lambda file: file.stat().st_mtime)
    return made[-1] if made else guest_cache() / "guest.qcow2"


def _flavor(admin: Client, name: str) -> str:
    found = admin.by_name("compute", "/flavors", "flavors", name)
    assert found is not None, f"the cloud was not furnished with the flavor {name}"
    return str(found["id"])


def _ini(sections: dict[str, Section]) -> configparser.RawConfigParser:
    ini = configparser.RawConfigParser()
    for name, table in sections.items():
        if name != "DEFAULT":
            ini.add_section(name)
        for key, value in table.items():
            ini.set(name, key, str(value))
    return ini


if __name__ == "__main__":
    main()
