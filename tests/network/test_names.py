"""Names: what ports are called, in the domain of their network, and what guests are told by DHCP."""

from typing import Any

Open = Any


async def test_a_port_is_named_in_its_networks_domain(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network(dns_domain="blue.test.")
        port = await n.make("ports", network_id=network, dns_name="Web")
        (told,) = port["dns_assignment"]
        assert ("web", "web", "web.blue.test.") == (port["dns_name"], told["hostname"], told["fqdn"])
        full = await n.make("ports", network_id=network, dns_name="db.blue.test.")
        assert "db" == full["dns_name"]
        refused = await n.put("ports", full["id"], dns_name="db.red.test.")
        assert (400, "InvalidInput") == (refused.status, refused.kind)
        renamed = await n.put("ports", full["id"], dns_name="cache")
        assert "cache.blue.test." == renamed.body["port"]["dns_assignment"][0]["fqdn"]
        await n.settle()
        assert "blue.test." == n.fabric.topology.networks[0].dns_domain
        assert {"web", "cache", ""} == {each.dns_name for each in n.fabric.topology.ports}


async def test_a_port_without_a_name_is_called_by_its_address(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network, fixed_ips=[{"ip_address": "10.0.0.9"}])
        assert [{"ip_address": "10.0.0.9", "hostname": "host-10-0-0-9", "fqdn": "host-10-0-0-9.openstacklocal."}] == (
            port["dns_assignment"]
        )


async def test_dhcp_options_are_added_changed_and_taken_back(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network, extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": "1300"}])
        more = [{"opt_name": "ntp-server", "opt_value": "1.1.1.1"}, {"opt_name": "mtu", "opt_value": "1200"}]
        changed = await n.put("ports", port["id"], extra_dhcp_opts=more)
        assert {"mtu": "1200", "ntp-server": "1.1.1.1"} == _told(changed.body["port"])
        less = await n.put("ports", port["id"], extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": None}])
        assert {"ntp-server": "1.1.1.1"} == _told(less.body["port"])


def _told(port: Any) -> dict[str, str]:
    return {option["opt_name"]: option["opt_value"] for option in port["extra_dhcp_opts"]}
