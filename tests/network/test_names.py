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


async def test_a_port_may_be_in_a_domain_of_its_own(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network(dns_domain="blue.test.")
        port = await n.make("ports", network_id=network, dns_name="web", dns_domain="red.test.")
        assert ("red.test.", "web.red.test.") == (port["dns_domain"], port["dns_assignment"][0]["fqdn"])
        assert [port["id"]] == [each["id"] for each in await n.get("ports?dns_domain=red.test.")]
        back = await n.put("ports", port["id"], dns_domain="")
        assert "web.blue.test." == back.body["port"]["dns_assignment"][0]["fqdn"]
        await n.settle()
        (there,) = [each for each in n.fabric.topology.ports if each.id == port["id"]]
        assert "" == there.dns_domain


async def test_keywords_in_a_domain_stand_for_whose_port_it_is(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network(dns_domain="<project_id>.<user_name>.cloud.test.")
        port = await n.make("ports", network_id=network, dns_name="web")
        assert ("", "web.p1.a.cloud.test.") == (port["dns_domain"], port["dns_assignment"][0]["fqdn"])
        other = await n.make("ports", network_id=network, dns_name="db", dns_domain="<project_name>-x.test.")
        assert ("<project_name>-x.test.", "db.p1-x.test.") == (
            other["dns_domain"], other["dns_assignment"][0]["fqdn"]
        )  # fmt: skip
        assert 400 == (await n.post("networks", dns_domain="<tenant>.test.")).status
        await n.settle()
        (seen,) = n.fabric.topology.networks
        assert "openstacklocal." == seen.dns_domain
        assert {"p1.a.cloud.test.", "p1-x.test."} <= {each.dns_domain for each in n.fabric.topology.ports}


async def test_a_line_end_after_a_name_or_a_mac_is_refused(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        for wrong in ({"mac_address": "fa:16:3e:00:00:01\n"}, {"dns_name": "web\n"}, {"dns_domain": "blue.test.\n"}):
            answer = await n.post("ports", network_id=network, **wrong)
            assert 400 == answer.status, answer.body
