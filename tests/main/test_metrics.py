"""What a cloud tells of itself: numbers for Prometheus, health for balancers."""

from pathlib import Path

import pytest
from tests.main.assembled import Assembled, assembled

from pileus.kit.observe.metrics import Family, Requests, Sample, text_of


async def scraped(cloud: Assembled) -> dict[str, float]:
    """Every number by its name and labels."""
    answered = await cloud.ask("GET", "/metrics")
    assert answered.status == 200
    assert answered.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answered.body.decode().splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_requests_are_counted_by_service_method_and_status() -> None:
    requests = Requests()
    requests.saw("compute", "GET", 200, 0.0004)
    requests.saw("compute", "GET", 200, 0.02)
    requests.saw("compute", "GET", 404, 99.0)
    told = text_of(requests.families()).decode().splitlines()
    assert 'pileus_http_requests_total{service="compute",method="GET",status="200"} 2' in told
    assert 'pileus_http_request_duration_seconds_bucket{service="compute",method="GET",le="0.0005"} 1' in told
    assert 'pileus_http_request_duration_seconds_bucket{service="compute",method="GET",le="0.025"} 2' in told
    assert 'pileus_http_request_duration_seconds_bucket{service="compute",method="GET",le="+Inf"} 3' in told
    assert 'pileus_http_request_duration_seconds_count{service="compute",method="GET"} 3' in told


def test_invented_methods_do_not_fill_the_memory() -> None:
    requests = Requests()
    for number in range(100):
        requests.saw("compute", f"BREW{number}", 405, 0.001)
    assert 1 == len(requests.families()[0].samples)


def test_labels_are_written_so_that_they_are_read_again() -> None:
    family = Family("x", "gauge", "X.", (Sample(1.5, {"name": 'a"b\\c\nd'}),))
    assert b'x{name="a\\"b\\\\c\\nd"} 1.5\n' in text_of([family])


@pytest.mark.slow
async def test_what_there_is_is_counted(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        _, image, network = await cloud.furnish()
        await cloud.boot(image, network)
        await cloud.ask("GET", "/compute/v2.1/servers/nothing")
        told = await scraped(cloud)
    assert told['pileus_servers{status="ACTIVE"}'] == told["openstack_nova_total_vms"] == 1
    assert told['openstack_nova_running_vms{hostname="h1"}'] == 1
    assert told['pileus_images{status="active"}'] == told["openstack_glance_images"] == 1
    assert told['pileus_operations{flow="server.boot",state="done"}'] == 1
    assert (
        told['pileus_host_up{hostname="h1"}']
        == told['openstack_nova_agent_state{hostname="h1",service="nova-compute"}']
        == 1
    )
    assert told['openstack_placement_resource_usage{hostname="h1",resourcetype="VCPU"}'] == 1
    assert told['pileus_reconciler_ok{reconciler="network.fabric"}'] == 1
    assert told['pileus_http_requests_total{service="compute",method="GET",status="404"}'] == 1
    assert told["openstack_neutron_networks"] == 1
    assert told["openstack_identity_users"] == 2
    assert told["pileus_database_commits_total"] > 0
    assert told["process_resident_memory_bytes"] > 1e7


@pytest.mark.slow
async def test_health_in_detail_names_what_is_not_well(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        plain = await cloud.ask("GET", "/healthcheck")
        assert (plain.status, plain.body) == (200, b"OK\n")
        well = await cloud.ask("GET", "/healthcheck?detailed=1")
        assert well.status == 200, well
        assert {"database", "network", "agent"} == set(well.json["checks"])
        await cloud.db.engine.close()
        ill = await cloud.ask("GET", "/healthcheck?detailed=1")
        assert ill.status == 503
        assert not ill.json["checks"]["database"]["ok"]
        # Who watches still hears of the process itself, and why there is no more.
        shown = (await cloud.ask("GET", "/metrics")).body.decode()
        assert "\npileus_database_up 0" in shown
        assert "process_open_fds" in shown
        assert (await cloud.ask("GET", "/healthcheck")).status == 200
