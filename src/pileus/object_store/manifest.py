"""What main mounts of object storage.

`build` makes it on the first controller, which keeps the rings; `build_elsewhere` on any other machine of the cluster: a host
that gives devices, or a further controller, which has none.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pileus.kit.auth import Authenticator
from pileus.kit.clock import Clock
from pileus.kit.flow.standing import Standing
from pileus.object_store.api.aliases import Aliases
from pileus.object_store.api.described import WAYS, document
from pileus.object_store.api.elsewhere import elsewhere as elsewhere
from pileus.object_store.api.logins import Login
from pileus.object_store.api.swift import SwiftApi
from pileus.object_store.app import ObjectStoreApp, Workers
from pileus.object_store.config import ObjectStoreConfig
from pileus.object_store.disk.secrets import RootSecrets
from pileus.object_store.features.pipeline import Pipeline, features
from pileus.object_store.models.stamps import Stamps
from pileus.object_store.port import ObjectsPort
from pileus.object_store.proxy.cluster import Cluster
from pileus.object_store.proxy.proxy import Proxy
from pileus.object_store.ring.rings import Policy
from pileus.object_store.s3.api import S3Api
from pileus.object_store.s3.lifecycle import Lifecycle
from pileus.object_store.s3.ways import ways
from pileus.object_store.storage.devices import Devices, LocalDevice
from pileus.object_store.storage.far.lines import Timeouts
from pileus.object_store.storage.far.serving import StorageChannel
from pileus.object_store.storage.keeper import Keeper, Offered, Shape, device_name, weight_of
from pileus.object_store.storage.local import LocalServer
from pileus.object_store.storage.published import FILE, FIRST, Atlas, Published, Reached
from pileus.object_store.storage.reach import AllServers, Tls
from pileus.object_store.workers.auditor import Auditor
from pileus.object_store.workers.dispersion import Reporter
from pileus.object_store.workers.expirer import Expirer
from pileus.object_store.workers.follower import Follower
from pileus.object_store.workers.ledgers import LedgerReplicator
from pileus.object_store.workers.lines import Work, Workforce, calls
from pileus.object_store.workers.reaper import Reaper
from pileus.object_store.workers.recon import Recon
from pileus.object_store.workers.reconciler import Reconciler
from pileus.object_store.workers.reconstructor import Reconstructor
from pileus.object_store.workers.relinker import Relinker
from pileus.object_store.workers.replicator import Replicator
from pileus.object_store.workers.sharder import Sharder
from pileus.object_store.workers.sync import Syncer
from pileus.object_store.workers.teller import Teller
from pileus.object_store.workers.updater import Updater
from pileus.ports.identity import AccessKeys

NAME = "object_store"
MOUNT = "object-store"
CATALOG = ("object-store", "swift", "OpenStack Object Storage", "/v1/AUTH_%(project_id)s")
S3_MOUNT = "s3"
ALSO = (
    ("s3", "s3", "OpenStack Object Storage, as S3", f"/{S3_MOUNT}"),
)  # further services in the catalog, each with its path
CODED = re.compile(r"(?P<name>.*\S) +(?P<data>[1-9]\d?)\+(?P<parity>[1-9]\d?)")  # a policy of an erasure code
ROOT_PAGES = ("auth", "info", "crossdomain.xml", "endpoints", "recon")  # clients look for these at the root of the host


def build(
    *,
    people: Authenticator,
    clock: Clock,
    state: Path,
    config: ObjectStoreConfig | None = None,
    tls: Tls = lambda: None,
) -> ObjectStoreApp:
    """Object storage on the first controller; what its directories need to begin with is there when it returns."""
    options = config or ObjectStoreConfig()
    stamps = Stamps(clock)
    folders = {folder: Path(folder) for folder in options.devices} or {"d1": state / "d1"}
    shape = Shape(
        part_power=options.part_power,
        replicas=options.replicas,
        min_part_hours=options.min_part_hours,
        overload=options.overload,
    )
    keeper = Keeper(state, shape, _policies(options), lambda: stamps.now() / 3600)
    keeper.offer(FIRST, _offered(options, folders))
    machine = _Machine(
        clock=clock,
        stamps=stamps,
        options=options,
        atlas=keeper.atlas,
        own=FIRST,
        folders=folders,
        tls=tls,
        secrets=root_secrets(state.parent, options),
        keeper=keeper,
    )
    return _wired(people, machine)


def build_elsewhere(
    *,
    people: Authenticator,
    clock: Clock,
    state: Path,
    config: ObjectStoreConfig,
    host: str | None,
    seed: Reached,
    tls: Tls,
) -> ObjectStoreApp:
    """Object storage on another machine; `host` is its name if it gives devices. The rings come from others, at first from the seed."""
    empty = Published(version=0, salt="", policies=_policies(config), rings={}, hosts={FIRST: seed})
    atlas = Atlas.kept(state / FILE) or Atlas(state / FILE, empty)
    folders = {device_name(host, folder): Path(folder) for folder in config.devices} if host is not None else {}
    machine = _Machine(
        clock=clock,
        stamps=Stamps(clock),
        options=config,
        atlas=atlas,
        own=host,
        folders=folders,
        tls=tls,
        secrets=root_secrets(state.parent, config),
    )
    return _wired(people, machine)


def root_secrets(state: Path, config: ObjectStoreConfig) -> RootSecrets:
    """What objects are encrypted under, in the cloud's state directory unless configured; made when it is needed."""
    folder = Path(config.encryption_secrets) if config.encryption_secrets else state / "keys" / "object-secrets"
    return RootSecrets(folder, sealing=config.encryption, chosen=config.encryption_secret)


def offered(config: ObjectStoreConfig) -> list[Offered]:
    """What a host that joined gives."""
    return _offered(config, {folder: Path(folder) for folder in config.devices})


def standing(app: ObjectStoreApp) -> tuple[Standing, ...]:
    """What it does for ever."""
    workers = app.workers
    works: list[tuple[str, float, Work]] = [
        ("objects: containers that were not told", 30.0, workers.updater.run),
        ("objects: accounts that were not told", 30.0, workers.teller.run),
        ("objects: copies", 30.0, workers.replicator.run),
        ("objects: fragments", 30.0, workers.reconstructor.run),
        ("objects: copies of listings", 30.0, workers.ledgers.run),
        ("objects: audit", 60.0, workers.auditor.run),
        ("objects: deleted accounts", 300.0, workers.reaper.run),
        ("objects: large containers", 30.0, workers.sharder.run),
        ("objects: what is under another policy", 30.0, workers.reconciler.run),
        ("objects: links for more partitions", 10.0, workers.relinker.run),
        ("objects: container sync", 10.0, workers.syncer.run),
        ("objects: what the cluster is", 5.0, workers.follower.run),
    ]
    watched = app.workforce.watched
    made = [Standing(name, every_s, watched(name, work), everywhere=True) for name, every_s, work in works]
    if app.server.own in {FIRST, None}:
        name = "objects: what expires"
        made.append(Standing(name, 60.0, watched(name, workers.expirer.run)))
        name = "objects: dispersion"
        made.append(Standing(name, 3600.0, watched(name, Reporter(app.cluster).run)))
        name = "objects: lifecycle of buckets"
        made.append(Standing(name, 3600.0, watched(name, Lifecycle(app).run)))
    return tuple(made)


def port(app: ObjectStoreApp) -> ObjectsPort:
    """What other services get of it: keeps pileus.ports.objects.Objects."""
    return ObjectsPort(app)


def api(app: ObjectStoreApp, login: Login | None = None) -> SwiftApi:
    """The API's HTTP; `login` lets in programs that know identity only by /auth/v1.0."""
    return SwiftApi(app, MOUNT, login)


def aliases(app: ObjectStoreApp, api: SwiftApi) -> Aliases:
    """The API's HTTP at hosts that are aliases of ours."""
    return Aliases(app, api)


def s3(app: ObjectStoreApp, keys: AccessKeys) -> S3Api:
    """The same containers and objects as S3 speaks of them; `keys` tells who signed a request."""
    return S3Api(app, keys, S3_MOUNT)


def openapi(release: str) -> dict[str, Any]:
    """What the API can do, as an OpenAPI document."""
    return document((*WAYS, *ways()), mount=MOUNT, release=release)


class _Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one machine of the cluster from another."""

    clock: Clock
    stamps: Stamps
    options: ObjectStoreConfig
    atlas: Atlas
    own: str | None
    folders: Mapping[str, Path]
    tls: Tls
    secrets: RootSecrets
    keeper: Keeper | None = None


def _wired(people: Authenticator, machine: _Machine) -> ObjectStoreApp:
    stamps, options, atlas, own = machine.stamps, machine.options, machine.atlas, machine.own
    devices, keeper, rings = _prepared(machine), machine.keeper, atlas.rings
    server = LocalServer(devices, rings, stamps, own=own, listing_wait_s=options.listing_wait_s)
    servers = AllServers(own, server, atlas, machine.tls, Timeouts(options.conn_timeout_s, options.node_timeout_s))
    server.reach(servers)
    cluster = Cluster(rings, servers, stamps, options)
    proxy = Proxy(cluster)
    pipeline = Pipeline(features(cluster, machine.secrets), proxy)
    workforce, relinker = Workforce(machine.clock), Relinker(devices)
    workers = Workers(
        updater=Updater(devices, cluster),
        teller=Teller(server),
        replicator=Replicator(devices, cluster, own or FIRST),
        reconstructor=Reconstructor(devices, cluster, own or FIRST),
        ledgers=LedgerReplicator(devices, cluster),
        auditor=Auditor(devices, cluster),
        expirer=Expirer(cluster, proxy),
        reaper=Reaper(devices, cluster, proxy, delay_s=options.reap_after_s),
        syncer=Syncer(devices, cluster, pipeline),
        sharder=Sharder(devices, cluster),
        reconciler=Reconciler(devices, cluster),
        relinker=relinker,
        follower=Follower(atlas, servers, keeper, relinker.state),
    )
    recon = Recon(server, atlas, workforce, stamps.now)
    return ObjectStoreApp(
        config=options,
        cluster=cluster,
        server=server,
        servers=servers,
        channel=StorageChannel(server, atlas, calls(atlas, workforce, relinker.state, recon.answer)),
        workforce=workforce,
        recon=recon,
        atlas=atlas,
        keeper=keeper,
        pipeline=pipeline,
        people=people,
        workers=workers,
    )


def _prepared(machine: _Machine) -> Devices:
    """The machine's devices, which keep what the rings say."""
    rings, options = machine.atlas.rings, machine.options
    made = [_device(name, folder, options, sorted(rings.policies)) for name, folder in machine.folders.items()]
    devices = Devices(made)
    devices.prepare()
    machine.atlas.changed.append(lambda: devices.know(sorted(rings.policies)))
    return devices


def _device(name: str, folder: Path, options: ObjectStoreConfig, policies: Sequence[int]) -> LocalDevice:
    return LocalDevice(
        name,
        folder,
        threads=options.disk_threads,
        reserve_percent=options.fallocate_reserve_percent,
        policies=policies,
    )


def _policies(options: ObjectStoreConfig) -> tuple[Policy, ...]:
    found = []
    for at, text in enumerate(options.policies):
        coded = CODED.fullmatch(text)
        fragments = (int(coded["data"]), int(coded["parity"])) if coded else None
        found.append(Policy(index=at, name=coded["name"] if coded else text, default=not at, fragments=fragments))
    return tuple(found)


def _offered(options: ObjectStoreConfig, folders: Mapping[str, Path]) -> list[Offered]:
    return [Offered(name, weight_of(folder), options.region, options.zone) for name, folder in folders.items()]
