"""What main mounts of object storage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from pileus.kit.auth import Authenticator
from pileus.kit.clock import Clock
from pileus.kit.flow.standing import Standing
from pileus.object_store.api.described import WAYS, document
from pileus.object_store.api.elsewhere import elsewhere as elsewhere
from pileus.object_store.api.swift import SwiftApi
from pileus.object_store.app import ObjectStoreApp, Workers
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.disk.durable import ensure_folder, write_durably
from pileus.object_store.features.pipeline import Pipeline, features
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.proxy import Proxy
from pileus.object_store.ring.rings import Policy, Rings
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.local import LocalServer, OneServer
from pileus.object_store.storage.ring_files import ensure_ring, weight_of
from pileus.object_store.workers.auditor import Auditor
from pileus.object_store.workers.expirer import Expirer
from pileus.object_store.workers.ledgers import LedgerReplicator
from pileus.object_store.workers.reaper import Reaper
from pileus.object_store.workers.replicator import Replicator
from pileus.object_store.workers.sync import Syncer
from pileus.object_store.workers.updater import Updater

NAME = "object_store"
MOUNT = "object-store"
CATALOG = ("object-store", "swift", "OpenStack Object Storage", "/v1/AUTH_%(project_id)s")
ROOT_PAGES = ("info", "crossdomain.xml", "endpoints")  # clients look for these at the root of the host


def build(
    *, people: Authenticator, clock: Clock, state: Path, config: ObjectStoreConfig | None = None
) -> ObjectStoreApp:
    """Object storage over the directories of this machine; what they need to begin with is there when it returns."""
    options = config or ObjectStoreConfig()
    stamps = Stamps(clock)
    folders = {folder: Path(folder) for folder in options.devices} or {"d1": state / "d1"}
    policies = tuple(Policy(index=at, name=name, default=not at) for at, name in enumerate(options.policies))
    rings = _rings(state, options, folders, policies, stamps.now() / 3600)
    devices = Devices(
        [
            LocalDevice(
                name,
                folder,
                threads=options.disk_threads,
                reserve_percent=options.fallocate_reserve_percent,
                policies=tuple(rings.policies),
            )
            for name, folder in folders.items()
        ]
    )
    devices.prepare()
    server = LocalServer(devices, rings, stamps, listing_wait_s=options.listing_wait_s)
    servers = OneServer(server)
    server.reach(servers)
    cluster = Cluster(rings, servers, stamps, options)
    proxy = Proxy(cluster)
    pipeline = Pipeline(features(cluster), proxy)
    workers = Workers(
        updater=Updater(devices, cluster),
        replicator=Replicator(devices, cluster),
        ledgers=LedgerReplicator(devices, cluster),
        auditor=Auditor(devices, cluster),
        expirer=Expirer(cluster, proxy),
        reaper=Reaper(devices, cluster, proxy, delay_s=options.reap_after_s),
        syncer=Syncer(devices, cluster, pipeline),
    )
    return ObjectStoreApp(
        config=options, cluster=cluster, server=server, pipeline=pipeline, people=people, workers=workers
    )


def standing(app: ObjectStoreApp) -> tuple[Standing, ...]:
    """What it does for ever."""
    workers = app.workers
    return (
        Standing("objects: containers that were not told", 30.0, workers.updater.run, everywhere=True),
        Standing("objects: what expires", 60.0, workers.expirer.run),
        Standing("objects: copies", 30.0, workers.replicator.run, everywhere=True),
        Standing("objects: copies of listings", 30.0, workers.ledgers.run, everywhere=True),
        Standing("objects: audit", 60.0, workers.auditor.run, everywhere=True),
        Standing("objects: deleted accounts", 300.0, workers.reaper.run, everywhere=True),
        Standing("objects: container sync", 10.0, workers.syncer.run, everywhere=True),
    )


def api(app: ObjectStoreApp) -> SwiftApi:
    """The API's HTTP."""
    return SwiftApi(app, MOUNT)


def openapi(release: str) -> dict[str, Any]:
    """What the API can do, as an OpenAPI document."""
    return document(WAYS, mount=MOUNT, release=release)


def _rings(
    state: Path, options: ObjectStoreConfig, folders: Mapping[str, Path], policies: tuple[Policy, ...], hours: float
) -> Rings:
    weights = {name: weight_of(folder) for name, folder in folders.items()}
    ring = ensure_ring(
        state / "ring.json",
        weights,
        part_power=options.part_power,
        replicas=options.replicas,
        min_part_hours=options.min_part_hours,
        hours=hours,
    ).ring()
    return Rings(ring, ring, {policy.index: ring for policy in policies}, policies, _salt(state))


def _salt(state: Path) -> str:
    """What keeps clients from choosing where their things go; once made it stays, since all is found by it."""
    file = state / "salt"
    if not file.exists():
        ensure_folder(str(state))
        write_durably(str(file), uuid4().hex.encode(), str(state))
    return file.read_text().strip()
