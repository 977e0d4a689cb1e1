"""What clients ask to find out what there is: filters, extensions, clusters, workers, what can be taken over."""

from typing import Any

from pileus.block_storage import errors
from pileus.block_storage.api.listing import PUBLISHED
from pileus.block_storage.api.service import ANYBODY, RealName, Uuid, admin, api, flag
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.pools import service_list
from pileus.block_storage.models.services import SCHEDULER, VOLUME
from pileus.kit.http import Call, Query, Wire

EXTENSIONS = {
    "os-volume-type-access": "VolumeTypeAccess",
    "os-types-manage": "TypesManage",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-volume-encryption-metadata": "VolumeEncryptionMetadata",
    "os-volume-image-metadata": "VolumeImageMetadata",
    "os-volume-actions": "VolumeActions",
    "os-admin-actions": "AdminActions",
    "os-snapshot-actions": "SnapshotActions",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-volume-transfer": "VolumeTransfer",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-mig-status-attr": "VolumeMigStatusAttribute",
    "os-services": "Services",
    "os-hosts": "Hosts",
    "os-quota-sets": "Quotas",
    "os-quota-class-sets": "QuotaClasses",
    "os-used-limits": "UsedLimits",
    "os-availability-zone": "AvailabilityZones",
    "qos-specs": "Qos_specs_manage",
    "encryption": "VolumeTypeEncryption",
    "backups": "Backups",
    "capabilities": "Capabilities",
    "scheduler-stats": "Scheduler_stats",
    "OS-SCH-HNT": "SchedulerHints",
    "os-volume-manage": "VolumeManage",
    "os-volume-unmanage": "VolumeUnmanage",
    "os-snapshot-manage": "SnapshotManage",
    "os-snapshot-unmanage": "SnapshotUnmanage",
}


class FiltersQuery(Query):
    """Of what."""

    resource: str | None = None


@api.get("/resource_filters", ANYBODY, since="3.33")
async def resource_filters(call: Call[BlockStorage], query: FiltersQuery) -> dict[str, Any]:
    """List what lists can be filtered by."""
    chosen = PUBLISHED if query.resource is None else {query.resource: PUBLISHED.get(query.resource, [])}
    return {"resource_filters": [{"resource": name, "filters": found} for name, found in chosen.items() if found]}


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": f"{EXTENSIONS[alias]}, as older clients look for it.",
        "updated": "2013-01-01T00:00:00+00:00",
        "namespace": "",
        "links": [],
    }


@api.get("/extensions", ANYBODY)
async def extensions(call: Call[BlockStorage]) -> dict[str, Any]:
    """List what older clients call extensions."""
    return {"extensions": [_extension(alias) for alias in EXTENSIONS]}


@api.get("/extensions/{alias}", ANYBODY)
async def extension(call: Call[BlockStorage], alias: str) -> dict[str, Any]:
    """Show what older clients call an extension."""
    if alias not in EXTENSIONS:
        raise errors.ExtensionNotFound(alias=alias)
    return {"extension": _extension(alias)}


# Clusters: hosts here serve what is theirs, so there are none.


@api.get("/clusters", admin("clusters:get_all"), since="3.7")
async def clusters(call: Call[BlockStorage]) -> dict[str, Any]:
    """List clusters of hosts that serve the same volumes."""
    return {"clusters": []}


@api.get("/clusters/detail", admin("clusters:get_all"), since="3.7")
async def clusters_detail(call: Call[BlockStorage]) -> dict[str, Any]:
    """List clusters with details."""
    return {"clusters": []}


@api.get("/clusters/{cluster_name}", admin("clusters:get"), since="3.7")
async def cluster_show(call: Call[BlockStorage], cluster_name: str) -> dict[str, Any]:
    """Show a cluster."""
    raise errors.ClusterNotFound(cluster=cluster_name)


class Cluster(Wire):
    """A cluster."""

    __loose__ = True

    name: RealName


@api.put("/clusters/enable", admin("clusters:update"), since="3.7", on="c")
async def cluster_enable(call: Call[BlockStorage], body: Cluster) -> dict[str, Any]:
    """Let a cluster take volumes again."""
    raise errors.ClusterNotFound(cluster=body.name)


@api.put("/clusters/disable", admin("clusters:update"), since="3.7", on="c")
async def cluster_disable(call: Call[BlockStorage], body: Cluster) -> dict[str, Any]:
    """Let a cluster take no new volumes."""
    raise errors.ClusterNotFound(cluster=body.name)


CLEANED = (VOLUME, SCHEDULER)


class Cleanup(Wire, kw_only=True):
    """Whose leftovers to clear away."""

    cluster_name: str | None = None
    service_id: int | None = None
    host: str | None = None
    binary: str | None = None
    is_up: bool | str | None = None
    disabled: bool | str | None = None
    resource_id: Uuid | None = None
    resource_type: str | None = None


@api.post("/workers/cleanup", admin("workers:cleanup"), since="3.24", status=202)
async def workers_cleanup(call: Call[BlockStorage], body: Cleanup) -> dict[str, Any]:
    """Clear away what services that died left half done; here operations go on by themselves, so all are at it."""
    if body.binary not in {None, *CLEANED}:
        raise errors.InvalidInput(why=f"binary must be one of {', '.join(CLEANED)}, not {body.binary}.")
    if body.resource_type not in {None, "Volume", "Snapshot"}:
        raise errors.InvalidInput(why=f"resource_type must be Volume or Snapshot, not {body.resource_type}.")
    up = flag(body.is_up, "is_up") if body.is_up is not None else None
    disabled = flag(body.disabled, "disabled") if body.disabled is not None else None
    told: dict[str, list[dict[str, Any]]] = {"cleaning": [], "unavailable": []}
    for at, one in enumerate(await service_list(call.app), 1):
        # There are no clusters, so whoever asks for one asks for nobody.
        if (
            body.cluster_name is None and one.program in CLEANED and body.service_id in {None, at}
            and body.host in {None, one.host} and body.binary in {None, one.program}
            and up in {None, one.up} and disabled in {None, one.disabled}
        ):  # fmt: skip
            shown = {"id": at, "host": one.host, "binary": one.program, "cluster_name": None}
            told["cleaning" if one.up else "unavailable"].append(shown)
    return told
