"""What the API had once and has no more: it is told so, at every microversion, rather than that it never was.

Clients ask such paths to find out whether a cloud is an old one.
"""

from collections.abc import Sequence

from pileus.compute import errors
from pileus.compute.api.service import ACTION_PATH, anybody, api
from pileus.compute.app import Compute
from pileus.kit.http import Call

UNTIL_MACHINES = "2.35"
# All that is gone is for everybody who has a token, as the list of extensions is.
RULE = anybody("extensions")
PATHS: Sequence[tuple[str, str]] = (
    ("/os-agents", "GET POST"),
    ("/os-agents/{id}", "PUT DELETE"),
    ("/os-cells", "GET POST"),
    ("/os-cells/{id}", "GET PUT DELETE POST"),
    ("/os-cells/{id}/capacities", "GET"),
    ("/os-certificates", "POST"),
    ("/os-certificates/{id}", "GET"),
    ("/os-cloudpipe", "GET POST"),
    ("/os-cloudpipe/{id}", "PUT"),
    ("/os-fixed-ips/{id}", "GET"),
    ("/os-floating-ip-dns", "GET"),
    ("/os-floating-ip-dns/{id}", "PUT DELETE"),
    ("/os-floating-ip-dns/{domain_id}/entries/{id}", "GET PUT DELETE"),
    ("/os-floating-ips-bulk", "GET POST"),
    ("/os-floating-ips-bulk/{id}", "GET PUT"),
    ("/os-fping", "GET"),
    ("/os-fping/{id}", "GET"),
    ("/os-networks", "POST"),
    ("/os-networks/{id}", "DELETE POST"),
    ("/os-security-group-default-rules", "GET POST"),
    ("/os-security-group-default-rules/{id}", "GET DELETE"),
    ("/os-tenant-networks", "POST"),
    ("/os-tenant-networks/{id}", "DELETE"),
    ("/servers/{server_id}/consoles", "GET POST"),
    ("/servers/{server_id}/consoles/{id}", "GET DELETE"),
    ("/servers/{server_id}/os-virtual-interfaces", "GET"),
)
ACTIONS: Sequence[tuple[str, str]] = (
    ("/os-fixed-ips/{id}/action", "reserve unreserve"),
    ("/os-networks/{id}/action", "disassociate disassociate_host disassociate_project associate_host"),
)


async def gone(call: Call[Compute]) -> None:
    """Say that the API has this no more."""
    raise errors.Removed


for path, methods in PATHS:
    for method in methods.split():
        api.route(method, path, RULE)(gone)
for path, names in ACTIONS:
    for name in names.split():
        api.action(path, name, RULE)(gone)
api.action(ACTION_PATH, "resetNetwork", RULE)(gone)
api.action(ACTION_PATH, "os-getRDPConsole", RULE, until="2.5")(gone)


async def machines_stay(call: Call[Compute]) -> None:
    """Say that machines that are servers themselves are not changed here, and never were."""
    raise errors.BadRequest(why="Command Not supported. Please use Ironic command to perform this action.")


api.post("/os-baremetal-nodes", RULE, until=UNTIL_MACHINES)(machines_stay)
api.delete("/os-baremetal-nodes/{machine}", RULE, until=UNTIL_MACHINES)(machines_stay)
for name in ("add_interface", "remove_interface"):
    api.action("/os-baremetal-nodes/{machine}/action", name, RULE, until=UNTIL_MACHINES)(machines_stay)
