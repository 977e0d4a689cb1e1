"""The SDK does through its proxies what programs do: the whole life of a server, pages, microversions, revoked tokens."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack import exceptions
from openstack.connection import Connection
from tests.clients.cloud import RunningCloud, running_cloud

LOOK_S = 0.3
pytestmark = [pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud() as made:
        yield made


@pytest.fixture(scope="module")
def demo(cloud: RunningCloud) -> Connection:
    return cloud.sdk("demo")


@pytest.fixture(scope="module")
def admin(cloud: RunningCloud) -> Connection:
    return cloud.sdk("admin", compute_default_microversion="2.90")


@pytest.fixture(scope="module")
def world(demo: Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """An image, a flavor, and a network behind a router."""
    disk = tmp_path_factory.mktemp("sdk") / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
    with contextlib.ExitStack() as undone:
        image = demo.create_image("sdk", filename=str(disk), disk_format="qcow2", container_format="bare", wait=True)
        undone.callback(demo.image.delete_image, image)
        network = demo.network.create_network(name="sdk")
        undone.callback(demo.network.delete_network, network)
        subnet = demo.network.create_subnet(name="sdk", network_id=network.id, ip_version=4, cidr="10.8.0.0/24")
        public = demo.network.find_network("public", ignore_missing=False)
        router = demo.network.create_router(name="sdk", external_gateway_info={"network_id": public.id})
        undone.callback(demo.network.delete_router, router)
        demo.network.add_interface_to_router(router, subnet_id=subnet.id)
        undone.callback(demo.network.remove_interface_from_router, router, subnet_id=subnet.id)
        flavor = demo.compute.find_flavor("m1.nano", ignore_missing=False)
        yield {"image": image, "network": network, "public": public, "flavor": flavor, "subnet": subnet}


def new_server(demo: Connection, world: dict[str, Any], name: str, **more: Any) -> Any:
    made = demo.compute.create_server(
        name=name,
        image_id=world["image"].id,
        flavor_id=world["flavor"].id,
        networks=[{"uuid": world["network"].id}],
        **more,
    )
    return until(demo, made, "ACTIVE")


def until(demo: Connection, server: Any, status: str) -> Any:
    """The server, once it has the status."""
    return demo.compute.wait_for_server(server, status=status, wait=60, interval=LOOK_S)


def gone(demo: Connection, server: Any) -> None:
    demo.compute.delete_server(server)
    demo.compute.wait_for_delete(server, wait=60, interval=LOOK_S)


def test_life_of_a_server(demo: Connection, world: dict[str, Any]) -> None:
    server = new_server(demo, world, "life", metadata={"colour": "blue"})
    try:
        port = next(iter(demo.network.ports(device_id=server.id)))
        ip = demo.network.create_ip(floating_network_id=world["public"].id, port_id=port.id)
        assert ip.floating_ip_address in {row["addr"] for row in demo.compute.get_server(server.id).addresses["sdk"]}
        demo.network.delete_ip(ip)
        demo.compute.stop_server(server)
        until(demo, server, "SHUTOFF")
        demo.compute.start_server(server)
        until(demo, server, "ACTIVE")
        demo.compute.reboot_server(server, "HARD")
        until(demo, server, "ACTIVE")
        assert {"colour": "blue"} == demo.compute.get_server(server.id).metadata
        actions = {action.action for action in demo.compute.server_actions(server)}
        assert {"create", "stop", "start", "reboot"} == actions
    finally:
        gone(demo, server)
    assert [] == list(demo.network.ports(device_id=server.id))


def test_cloud_layer_makes_a_server_with_a_floating_ip(demo: Connection, world: dict[str, Any]) -> None:
    server = demo.create_server(
        "easy",
        image=world["image"],
        flavor=world["flavor"],
        network=world["network"],
        auto_ip=True,
        wait=True,
        timeout=90,
    )
    try:
        server = demo.get_server(server.id)
        assert server.public_v4
        assert server.private_v4.startswith("10.8.0.")
    finally:
        demo.delete_server(server.id, wait=True, delete_ips=True)
    assert [] == list(demo.network.ips())


def test_list_of_servers_walks_its_pages(demo: Connection, world: dict[str, Any]) -> None:
    made = [new_server(demo, world, f"page-{number}") for number in range(3)]
    try:
        for limit in (1, 2, 1000):
            found = [server.id for server in demo.compute.servers(limit=limit)]
            assert sorted(server.id for server in made) == sorted(found), limit
    finally:
        for server in made:
            demo.compute.delete_server(server)
        for server in made:
            demo.compute.wait_for_delete(server, wait=60, interval=LOOK_S)


def lists(demo: Connection, admin: Connection) -> dict[str, Callable[..., Any]]:
    return {
        "flavors": demo.compute.flavors,
        "keypairs": demo.compute.keypairs,
        "images": demo.image.images,
        "networks": demo.network.networks,
        "subnets": demo.network.subnets,
        "ports": admin.network.ports,
        "routers": demo.network.routers,
        "groups": demo.network.security_groups,
        "rules": demo.network.security_group_rules,
    }


def test_every_list_is_the_same_in_pages_of_one(demo: Connection, admin: Connection, world: dict[str, Any]) -> None:
    for name, each in lists(demo, admin).items():
        whole = [item.id for item in each()]
        assert whole == [item.id for item in each(limit=1)], name
        assert len(whole) == len(set(whole)), name


def test_microversion_is_negotiated(cloud: RunningCloud, world: dict[str, Any]) -> None:
    old = cloud.sdk("demo", compute_default_microversion="2.1")
    new = cloud.sdk("demo", compute_default_microversion="2.90")
    assert old.compute.get_endpoint_data().min_microversion == (2, 1)
    server = new_server(new, world, "versioned")
    try:
        assert "links" in old.compute.get(f"/servers/{server.id}", microversion="2.1").json()["server"]["flavor"]
        assert "vcpus" in new.compute.get(f"/servers/{server.id}", microversion="2.90").json()["server"]["flavor"]
        refused = new.compute.get(f"/servers/{server.id}", microversion="2.999")
        assert 406 == refused.status_code
    finally:
        gone(new, server)


def test_admin_sees_hosts_and_makes_flavors_and_projects(admin: Connection) -> None:
    (host,) = admin.compute.hypervisors(details=True)
    assert ("up", "enabled") == (host.state, host.status)
    flavor = admin.compute.create_flavor(name="sdk.flavor", ram=64, vcpus=1, disk=1)
    admin.compute.delete_flavor(flavor)
    project = admin.identity.create_project(name="sdk-project", domain_id="default")
    user = admin.identity.create_user(name="sdk-user", domain_id="default", password="s3cret")
    role = admin.identity.find_role("member", ignore_missing=False)
    admin.identity.assign_project_role_to_user(project, user, role)
    assert [role.id] == [held.role["id"] for held in admin.identity.role_assignments(user_id=user.id)]
    admin.identity.delete_user(user)
    admin.identity.delete_project(project)


def test_refusals_are_the_exceptions_programs_expect(demo: Connection, world: dict[str, Any]) -> None:
    with pytest.raises(exceptions.NotFoundException):
        demo.compute.get_server("00000000-0000-0000-0000-000000000000")
    with pytest.raises(exceptions.ForbiddenException):
        demo.compute.create_flavor(name="x", ram=64, vcpus=1, disk=1)
    with pytest.raises(exceptions.BadRequestException):
        demo.network.create_subnet(network_id=world["network"].id, ip_version=4, cidr="nonsense")
    assert demo.compute.find_server("nobody") is None


def test_revoked_token_is_refused(cloud: RunningCloud) -> None:
    token = cloud.token("demo", fresh=True)
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    assert 200 == cloud.ask("GET", "/compute/v2.1/servers", headers=headers).status
    assert 204 == cloud.ask("DELETE", "/identity/v3/auth/tokens", headers=headers).status
    for path in ("/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images"):
        assert 401 == cloud.ask("GET", path, headers=headers).status, path


def test_image_comes_back_as_it_was_sent(demo: Connection, tmp_path: Path) -> None:
    sent = bytes(range(256)) * 4096
    (tmp_path / "raw").write_bytes(sent)
    image = demo.create_image(
        "raw", filename=str(tmp_path / "raw"), disk_format="raw", container_format="bare", wait=True
    )
    try:
        assert sent == demo.image.download_image(image).content
    finally:
        demo.image.delete_image(image)
