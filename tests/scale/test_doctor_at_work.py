"""The doctor and the story of a request, asked by their commands while the cloud makes and deletes servers all the time."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.clients.cloud import FAKES, RunningCloud, running_cloud, until

pytestmark = [pytest.mark.scale, pytest.mark.timeout(600)]

USERS = 3
LOOKS = 6
ID = "req-22222222-2222-4333-8444-555555555555"
COMPUTE = {"OpenStack-API-Version": "compute 2.90"}


def test_a_busy_cloud_is_well_and_tells_of_each_request() -> None:
    with running_cloud(*FAKES) as cloud:
        flavor, image, network = _furnished(cloud)
        server = {"name": "busy", "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}]}
        over = threading.Event()
        with ThreadPoolExecutor(USERS) as pool:
            users = [pool.submit(_makes_and_deletes, cloud, server, over) for _ in range(USERS)]
            try:
                # It ends with 1 if it finds anything.
                said = [cloud.pileus("doctor") for _ in range(LOOKS)]
                mended = cloud.pileus("doctor", "--fix")
            finally:
                over.set()
        made = sum(_all_well(user) for user in users)
        print(f"\n{made} servers were made and deleted while the doctor looked {LOOKS + 1} times")
        assert made >= LOOKS
        assert all("All is well" in each for each in (*said, mended)), (said, mended)

        id = _boot(cloud, server, {"X-Openstack-Request-Id": ID})
        story = cloud.pileus("trace", ID)
        assert f"server.boot of server:{id} is done after" in story, story
        assert "Nothing is known of request req-none" in cloud.pileus("trace", "req-none", fails=True)


def _furnished(cloud: RunningCloud) -> tuple[str, str, str]:
    def made(path: str, body: object) -> dict[str, dict[str, str]]:
        answer = cloud.ask("POST", path, body, as_="admin")
        assert answer.status < 300, answer
        return dict(answer.json)

    made("/compute/v2.1/flavors", {"flavor": {"id": "busy", "name": "busy", "vcpus": 1, "ram": 64, "disk": 1}})
    about = {"name": "own", "disk_format": "raw", "container_format": "bare"}
    image = str(made("/image/v2/images", about)["id"])
    assert cloud.ask("PUT", f"/image/v2/images/{image}/file", bytes(512), as_="admin",
                     headers={"Content-Type": "application/octet-stream"}).status == 204  # fmt: skip
    network = made("/network/v2.0/networks", {"network": {"name": "inside"}})["network"]["id"]
    made("/network/v2.0/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.6.0.0/16"}})
    return "busy", image, network


def _boot(cloud: RunningCloud, server: object, headers: dict[str, str]) -> str:
    answer = cloud.ask("POST", "/compute/v2.1/servers", {"server": server}, as_="admin", headers={**COMPUTE, **headers})
    assert answer.status == 202, answer
    id = str(answer.json["server"]["id"])
    path = f"/compute/v2.1/servers/{id}"

    def runs() -> bool:
        shown = cloud.ask("GET", path, as_="admin", headers=COMPUTE).json["server"]
        assert shown["status"] != "ERROR", shown
        return bool(shown["status"] == "ACTIVE")

    until(runs, "the server runs", 120, 0.05)
    return id


def _makes_and_deletes(cloud: RunningCloud, server: object, over: threading.Event) -> int:
    number = 0
    while not over.is_set():
        id = _boot(cloud, server, {})
        assert cloud.ask("DELETE", f"/compute/v2.1/servers/{id}", as_="admin", headers=COMPUTE).status == 204
        number += 1
    return number


def _all_well(user: "Future[int]") -> int:
    return user.result()
