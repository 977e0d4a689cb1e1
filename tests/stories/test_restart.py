"""Nothing that was acknowledged is lost when the cloud is stopped or killed, and what was under way is brought to an end."""

import time
from collections.abc import Callable

import pytest
from tests.clients.cloud import RunningCloud, running_cloud, until
from tests.stories.world import COMPUTE, World, boot, furnish, listed, open_operations, running

pytestmark = [pytest.mark.client, pytest.mark.timeout(600)]

LISTS = {
    "demo": (
        ("/compute/v2.1/servers/detail", "servers"),
        ("/compute/v2.1/os-keypairs", "keypairs"),
        ("/compute/v2.1/flavors/detail", "flavors"),
        ("/image/v2/images", "images"),
        *(
            (f"/network/v2.0/{key.replace('_', '-')}", key)
            for key in (
                "networks",
                "subnets",
                "ports",
                "routers",
                "security_groups",
                "security_group_rules",
                "floatingips",
            )
        ),
    ),
    "admin": (
        *((f"/identity/v3/{key}", key) for key in ("domains", "projects", "users", "roles", "services", "endpoints")),
        ("/identity/v3/role_assignments", "role_assignments"),
        ("/placement/resource_providers", "resource_providers"),
    ),
}
MANY = 8


def snapshot(cloud: RunningCloud) -> dict[str, object]:
    """Everything two users see."""
    return {path: listed(cloud, path, key, user) for user, lists in LISTS.items() for path, key in lists}


def held(cloud: RunningCloud, consumer: str) -> object:
    return cloud.ask("GET", f"/placement/allocations/{consumer}", as_="admin").json["allocations"]


@pytest.mark.parametrize("ends", [RunningCloud.down, RunningCloud.kill9], ids=["down", "kill"])
def test_cloud_is_as_it_was_before(ends: Callable[[RunningCloud], None]) -> None:
    with running_cloud() as cloud:
        world = furnish(cloud)
        token = cloud.token("demo")
        before, room = snapshot(cloud), held(cloud, world["servers"])

        ends(cloud)
        began = time.monotonic()
        cloud.up()
        print(f"up again after {time.monotonic() - began:.2f} s")

        assert 200 == cloud.ask("GET", "/compute/v2.1/servers", headers={"X-Auth-Token": token}).status
        running(cloud, world["servers"])
        assert before == snapshot(cloud)
        assert room == held(cloud, world["servers"])
        assert [] == open_operations(cloud)


def test_servers_that_were_being_made_when_it_was_killed_run_in_the_end() -> None:
    with running_cloud() as cloud:
        world = furnish(cloud)
        many = [boot(cloud, f"many-{number}", world.ids) for number in range(MANY)]

        for _ in range(3):
            cloud.kill9()
            cloud.up()

        for id in many:
            running(cloud, id)
            assert held(cloud, id)
        assert [] == open_operations(cloud)
        _delete(cloud, [*many, world["servers"]])


def test_servers_that_were_being_deleted_when_it_was_killed_are_gone_in_the_end() -> None:
    with running_cloud() as cloud:
        world = furnish(cloud)
        many = [boot(cloud, f"many-{number}", world.ids) for number in range(MANY)]
        for id in many[: MANY // 2]:
            running(cloud, id)
        for id in many:
            assert 204 == cloud.ask("DELETE", f"/compute/v2.1/servers/{id}", as_="demo").status

        cloud.kill9()
        cloud.up()

        _gone(cloud, many)
        assert running(cloud, world["servers"])


def test_cloud_does_not_start_twice(cloud: RunningCloud) -> None:
    pid = cloud.state.pid()
    cloud.up()
    assert pid == cloud.state.pid()


def _delete(cloud: RunningCloud, servers: list[str]) -> None:
    for id in servers:
        assert 204 == cloud.ask("DELETE", f"/compute/v2.1/servers/{id}", as_="demo", headers=COMPUTE).status
    _gone(cloud, servers)


def _gone(cloud: RunningCloud, servers: list[str]) -> None:
    """Neither servers nor their ports nor their room are left."""

    def left() -> list[str]:
        there = {item["id"] for item in listed(cloud, "/compute/v2.1/servers", "servers")}
        return [id for id in servers if id in there]

    until(lambda: not left(), "the servers are deleted")
    for id in servers:
        assert {} == held(cloud, id)
        assert [] == listed(cloud, f"/network/v2.0/ports?device_id={id}", "ports")
    until(lambda: not open_operations(cloud), "all operations have ended")


def test_world_is_still_whole(cloud: RunningCloud, world: World) -> None:
    assert [] == open_operations(cloud)


def test_two_clouds_do_not_share_an_address(cloud: RunningCloud) -> None:
    other = RunningCloud(*cloud.options, "--listen", cloud.address)
    try:
        assert "--listen" in other.pileus("up", *other.options, fails=True)
        assert not other.state.exists()
    finally:
        other.path.rmdir()
