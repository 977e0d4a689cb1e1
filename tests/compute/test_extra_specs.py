"""Which extra specs are taken for slips of the pen."""

import pytest
from tests.compute.world import a_world

from pileus.compute.models.extra_specs import wrong_spec


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hw:cpu_policy", "dedicated"), ("hw:numa_nodes", "1"), ("hw:numa_cpus.0", "0,1-3"), ("hw:mem_page_size", "2MB"),
        ("resources:VCPU", "2"), ("resources1:CUSTOM_X", "1"), ("trait_g:HW_CPU_X86_AVX", "forbidden"),
        ("quota:disk_read_iops_sec", "100"), ("quota:vif_inbound_average", "10"), ("hw_rng:allowed", "True"),
        ("aggregate_instance_extra_specs:ssd", "true"), ("mine", "anything"), ("mine:own", "anything"),
        ("os:secure_boot", "required"), ("hw:cpu_max_sockets", "2"),
    ],
)  # fmt: skip
def test_takes(key: str, value: str) -> None:
    assert wrong_spec(key, value) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hw:cpu_polici", "dedicated"), ("hw:cpu_policy", "sharedd"), ("hw:numa_nodes", "0"), ("resources:VCPU", "a"),
        ("trait:HW_CPU_X86_AVX", "maybe"), ("os:secure_boot", "nope"), ("quota:cpu_sharez", "1"), ("hw_rng:allowed", ""),
    ],
)  # fmt: skip
def test_refuses(key: str, value: str) -> None:
    assert wrong_spec(key, value) is not None


async def test_is_asked_since_2_86() -> None:
    async with a_world() as world:
        path = "/v2.1/flavors/small/os-extra_specs"
        body = {"extra_specs": {"hw:cpu_policy": "sharedd"}}
        assert 400 == (await world.ask("POST", path, body, by="root", at="2.86")).status
        one = {"hw:cpu_policy": "sharedd"}
        assert 400 == (await world.ask("PUT", f"{path}/hw:cpu_policy", one, by="root", at="2.86")).status
        assert 200 == (await world.ask("POST", path, body, by="root", at="2.85")).status
