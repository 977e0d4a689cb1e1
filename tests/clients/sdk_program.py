"""The whole path through the SDK alone, for whichever Python it is installed for: an image, a network, a server with a floating IP.

Prints one JSON object of what it found on its way; everything it made is deleted at the end.
"""

import contextlib
import importlib.metadata
import json
import sys
import warnings
from typing import Any

import openstack

LOOK_S = 0.3


def main(image_file: str) -> None:
    """Walk the path."""
    warnings.simplefilter("ignore")
    demo = openstack.connect(compute_default_microversion="2.72")
    found: dict[str, Any] = {"sdk": importlib.metadata.version("openstacksdk")}
    with contextlib.ExitStack() as undone:
        server = made(demo, image_file, undone)
        found["status"] = server.status
        port = next(iter(demo.network.ports(device_id=server.id)))
        public = demo.network.find_network("public")
        address = demo.network.create_ip(floating_network_id=public.id, port_id=port.id)
        shown = demo.compute.get_server(server.id)
        found["addresses"] = sorted(row["OS-EXT-IPS:type"] for row in shown.addresses["path"])
        demo.network.delete_ip(address)
        demo.compute.stop_server(server)
        found["stopped"] = until(demo, server, "SHUTOFF").status
        demo.compute.start_server(server)
        found["started"] = until(demo, server, "ACTIVE").status
        demo.compute.set_server_metadata(server, colour="blue")
        found["metadata"] = dict(demo.compute.get_server(server.id).metadata)
        found["listed"] = [one.name for one in demo.compute.servers(limit=1)]
    found["left"] = [one.name for one in demo.network.networks() if one.name == "path"]
    print(json.dumps(found))


def made(demo: Any, image_file: str, undone: contextlib.ExitStack) -> Any:
    """A server that runs, and what it stands on."""
    image = demo.create_image("path", filename=image_file, disk_format="qcow2", container_format="bare", wait=True)
    undone.callback(demo.image.delete_image, image.id)
    network = demo.network.create_network(name="path")
    undone.callback(demo.network.delete_network, network)
    subnet = demo.network.create_subnet(name="path", network_id=network.id, ip_version=4, cidr="10.11.0.0/24")
    public = demo.network.find_network("public")
    router = demo.network.create_router(name="path", external_gateway_info={"network_id": public.id})
    undone.callback(demo.network.delete_router, router)
    demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    undone.callback(demo.network.remove_interface_from_router, router, subnet_id=subnet.id)
    key = demo.compute.create_keypair(name="path")
    undone.callback(demo.compute.delete_keypair, key)
    group = demo.network.create_security_group(name="path")
    undone.callback(demo.network.delete_security_group, group)
    demo.network.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol="icmp")
    flavor = demo.compute.find_flavor("m1.nano")
    wanted = {"name": "path", "image_id": image.id, "flavor_id": flavor.id, "networks": [{"uuid": network.id}]}
    server = demo.compute.create_server(key_name="path", security_groups=[{"name": group.name}], **wanted)
    undone.callback(gone, demo, server)
    return until(demo, server, "ACTIVE")


def until(demo: Any, server: Any, status: str) -> Any:
    return demo.compute.wait_for_server(server, status=status, interval=LOOK_S, wait=60)


def gone(demo: Any, server: Any) -> None:
    demo.compute.delete_server(server)
    demo.compute.wait_for_delete(server, interval=LOOK_S, wait=60)


if __name__ == "__main__":
    main(sys.argv[1])
