"""The `openstack` command's network half, against a served cloud with a pretended fabric."""

from collections.abc import Iterator

import pytest
from tests.clients.cloud import FAKES, RunningCloud, running_cloud

pytestmark = [pytest.mark.client, pytest.mark.timeout(600), pytest.mark.filterwarnings("default::ResourceWarning")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud(*FAKES, "--services", "identity,image,placement,network") as made:
        yield made


def test_a_network_with_all_its_parts_is_made_shown_changed_and_deleted(cloud: RunningCloud) -> None:
    ask = cloud.openstack
    assert ["red"] == ask("network create --tag red blue")["tags"]
    subnet = ask(
        "subnet create --network blue --subnet-range 10.9.0.0/24 --dns-nameserver 9.9.9.9"
        " --host-route destination=10.7.0.0/16,gateway=10.9.0.9 --allocation-pool start=10.9.0.10,end=10.9.0.99 four"
    )
    assert ("10.9.0.1", [{"start": "10.9.0.10", "end": "10.9.0.99"}]) == (
        subnet["gateway_ip"], subnet["allocation_pools"]
    )  # fmt: skip
    port = ask(
        "port create --network blue --fixed-ip subnet=four,ip-address=10.9.0.50 --allowed-address ip-address=10.9.0.60 one"
    )
    assert "10.9.0.50" == port["fixed_ips"][0]["ip_address"]

    ask("router create way")
    ask("router set --external-gateway public way")
    ask("router add subnet way four")
    ask("router set --route destination=10.88.0.0/16,gateway=10.9.0.77 way")
    assert ["10.9.0.1"] == [each["ip_address"] for each in ask("router show way")["interfaces_info"]]
    ask("router unset --route destination=10.88.0.0/16,gateway=10.9.0.77 way")
    floating = ask("floating ip create --port one public")
    assert ("10.9.0.50", "ACTIVE") == (floating["fixed_ip_address"], floating["status"])
    ask(f"floating ip unset --port {floating['id']}")
    assert [None] == [each["Port"] for each in ask("floating ip list")]

    ask("port set --no-security-group --disable-port-security --no-allowed-address one")
    assert ["one"] == [each["Name"] for each in ask("port list --fixed-ip ip-address=10.9.0.50")]
    ask("network set --name green --tag x blue")
    assert ["green"] == [each["Name"] for each in ask("network list --tags red,x")]
    ask("subnet set --dns-nameserver 8.8.8.8 --no-host-route four")
    assert [] == ask("subnet show four")["host_routes"]
    assert ["public"] == [each["Name"] for each in ask("network list --external")]

    ask(f"floating ip delete {floating['id']}")
    ask("router remove subnet way four")
    ask("router unset --external-gateway way")
    ask("router delete way")
    ask("port delete one")
    ask("network delete green")
    assert [] == ask("port list")


def test_security_groups_and_their_rules(cloud: RunningCloud) -> None:
    ask = cloud.openstack
    assert 2 == len(ask("security group create web")["rules"])
    rule = ask("security group rule create --protocol tcp --dst-port 80:90 --remote-ip 10.0.0.0/8 web")
    assert (80, 90, "tcp") == (rule["port_range_min"], rule["port_range_max"], rule["protocol"])
    assert "already exists" in ask("security group rule create --ethertype IPv6 --egress web", fails=True)
    assert 3 == len(ask("security group rule list web"))
    ask(f"security group rule delete {rule['id']}")
    ask("security group delete web")
    assert ["default"] == [each["Name"] for each in ask("security group list")]


def test_what_is_for_administrators(cloud: RunningCloud) -> None:
    def ask(line: str) -> object:
        return cloud.openstack(line, as_="admin")

    ask("network create --share --provider-network-type vlan --provider-physical-network external"
        " --provider-segment 7 seven")  # fmt: skip
    ask("network delete seven")
    ask("network create --external more")
    ask("network set --internal more")
    ask("network delete more")
    ask("router create --disable-snat --external-gateway public edge")
    ask("router delete edge")
    ask("quota set --ports 7 demo")
    ask("quota show --network --usage demo")
    ask("network agent list")
    assert ask("availability zone list --network")
    ask("ip availability show public")
    assert [] == cloud.openstack("network agent list", as_="demo")
    assert "get_agent" in cloud.openstack("network agent show nobody", fails=True)


def test_pools_scopes_sharing_and_ipv6(cloud: RunningCloud) -> None:
    def admin(line: str) -> object:
        return cloud.openstack(line, as_="admin")

    ask = cloud.openstack
    ask("address scope create --ip-version 4 plan")
    pool = ask("subnet pool create --pool-prefix 10.40.0.0/16 --default-prefix-length 24 --address-scope plan pool")
    assert ["10.40.0.0/16"] == pool["prefixes"]
    network = ask("network create both")
    four = ask("subnet create --network both --subnet-pool pool --ip-version 4 four")
    assert ("10.40.0.0/24", pool["id"]) == (four["cidr"], four["subnetpool_id"])
    ask(
        "subnet create --network both --ip-version 6 --ipv6-ra-mode slaac --ipv6-address-mode slaac"
        " --subnet-range 2001:db8:5::/64 six"
    )
    port = ask("port create --network both --mac-address fa:16:3e:00:00:01 --dns-name web here")
    assert "2001:db8:5:0:f816:3eff:fe00:1" in [fixed["ip_address"] for fixed in port["fixed_ips"]]

    assert ask("network show both")["ipv4_address_scope"] == ask("address scope show plan")["id"]
    other = admin("project show admin")
    assert isinstance(other, dict)
    share = "network rbac create --type network --action access_as_shared --target-project"
    policy = ask(f"{share} {other['id']} {network['id']}")
    assert other["id"] == ask(f"network rbac show {policy['id']}")["target_project_id"]
    assert True is ask("network rbac list --type network")[0]["ID"].startswith(policy["id"])
    ask(f"network rbac delete {policy['id']}")

    assert "No default" in ask("network auto allocated topology create --check-resources", fails=True)
    for line in ("port delete here", "network delete both", "subnet pool delete pool", "address scope delete plan"):
        ask(line)


def test_address_groups_and_stateless_groups(cloud: RunningCloud) -> None:
    ask = cloud.openstack
    blocks = ask("address group create --address 192.0.2.0/24 --address 198.51.100.7 offices")
    assert ["192.0.2.0/24", "198.51.100.7/32"] == blocks["addresses"]
    ask("security group create --stateless fast")
    rule = ask("security group rule create --protocol tcp --dst-port 22 --remote-address-group offices fast")
    assert blocks["id"] == rule["remote_address_group_id"]
    ask("address group set --address 203.0.113.0/24 offices")
    ask("security group delete fast")
    ask("address group delete offices")
    assert 4 == len(ask("default security group rule list"))


def test_quality_trunks_and_forwarded_ports(cloud: RunningCloud) -> None:
    def admin(line: str) -> object:
        return cloud.openstack(line, as_="admin")

    ask = cloud.openstack
    admin("network qos policy create slow --share")
    admin("network qos rule create --type bandwidth-limit --max-kbps 5000 --egress slow")
    admin("network qos rule create --type dscp-marking --dscp-mark 26 slow")
    assert ["bandwidth_limit", "dscp_marking"] == [
        each["type"] for each in ask("network qos policy show slow")["rules"]
    ]
    assert 3 == len(ask("network qos rule type list"))
    ask("network create many")
    ask("subnet create --network many --subnet-range 10.60.0.0/24 many")
    parent, child = ask("port create --network many --qos-policy slow parent"), ask("port create --network many child")
    assert parent["qos_policy_id"] is not None
    ask(
        "network trunk create --parent-port parent --subport port=child,segmentation-type=vlan,segmentation-id=42 trunk"
    )
    assert child["id"] == ask("network subport list --trunk trunk")[0]["Port"]
    ask("network trunk delete trunk")

    ask("router create edge")
    ask("router set --external-gateway public edge")
    ask("router add subnet edge many")
    floating = ask("floating ip create public")["floating_ip_address"]
    ask(
        "floating ip port forwarding create --port parent --internal-ip-address "
        f"{parent['fixed_ips'][0]['ip_address']} --internal-protocol-port 80 --external-protocol-port 8080"
        f" --protocol tcp {floating}"
    )
    assert 1 == len(ask(f"floating ip port forwarding list {floating}"))
    admin("network agent list --router edge")
    for line in (f"floating ip delete {floating}", "router remove subnet edge many", "router delete edge"):
        ask(line)
    for line in ("port delete parent", "port delete child", "network delete many"):
        ask(line)
    admin("network qos policy delete slow")
