"""The choice of a back end: which may take a volume, why the others may not, and which of them has most left.

Everything that speaks against a back end is a sentence: in the log, and in the message of a volume for which none is left.
"""

from collections.abc import Callable, Mapping, Sequence

from pileus.block_storage.agent import DOWN
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.services import VOLUME, Pool
from pileus.block_storage.models.types import VolumeType, asked_of_backends, unmet
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store.services import setting_list
from pileus.kit.observe.log import log_of

log = log_of(__name__)

THIN, PROVISIONING = "thin_provisioning_support", "provisioning:type"
NONE_LEFT = "No weighed backends available"


async def choose_pool(
    app: BlockStorage,
    volume: Volume,
    type: VolumeType | None,
    *,
    among: Sequence[str] | None = None,
    near: str | None = None,
    failed: Mapping[str, str] = {},
    against: Callable[[Pool], str | None] = lambda pool: None,
) -> Pool | str:
    """The best back end for the volume; else why each of them is none.

    `among` are the only hosts that will do; `near` is the place where what it is made of lies: there it is soonest made.
    `against` is what whoever asked has against a back end.
    """
    settings = await setting_list(app)
    reasons: dict[str, str] = dict(failed)
    fitting: list[Pool] = []
    for pool in await pool_list(app):
        setting = settings.get((f"{pool.host}@{pool.backend}", VOLUME))
        disabled = "is disabled" if setting is not None and setting.disabled else None
        why = failed.get(pool.name) or disabled or why_unfit(app, pool, volume, type, among) or against(pool)
        if why is None:
            fitting.append(pool)
        else:
            reasons[pool.name] = why
            log.debug("a back end is not for a volume", volume=volume.id, backend=pool.name, why=why)
    if fitting:
        return max(fitting, key=lambda pool: (pool.name == near, free_virtually(app, pool, type), pool.name))
    told = "; ".join(f"{name}: {why}" for name, why in sorted(reasons.items())) or "there is no back end"
    log.warning("no back end is for a volume", volume=volume.id, why=told)
    return f"{NONE_LEFT}: {told}"


def ratio_of(app: BlockStorage, pool: Pool, type: VolumeType | None) -> float:
    """How many times what a back end has may be promised to volumes of the type."""
    thick = type is not None and type.extra_specs.get(PROVISIONING) == "thick"
    return app.config.over_subscription if pool.capabilities.get(THIN) and not thick else 1.0


def free_virtually(app: BlockStorage, pool: Pool, type: VolumeType | None = None) -> float:
    """How many GiB may still be promised of a back end; what is reserved is neither promised nor counted as free."""
    reserved, ratio = pool.total_gib * app.config.reserved_percent / 100, ratio_of(app, pool, type)
    promised, there = (pool.total_gib - reserved) * ratio - pool.allocated_gib, (pool.free_gib - reserved) * ratio
    return max(0.0, min(promised, there))


def why_unfit(
    app: BlockStorage,
    pool: Pool,
    volume: Volume,
    type: VolumeType | None,
    among: Sequence[str] | None = None,
    *,
    own: bool = False,
) -> str | None:
    """What speaks against a back end, None if nothing does; of its `own` a volume takes no more room than it has."""
    if not pool.up:
        return f"has not been heard since {pool.heard:%Y-%m-%dT%H:%M:%SZ}"
    if why := pool.capabilities.get(DOWN):
        return f"cannot be used: {why}"
    if among is not None and pool.host not in among:
        return f"what the volume is made of is on {' or '.join(among)}"
    if volume.zone not in {None, app.config.zone}:
        return f"is in zone {app.config.zone}, not {volume.zone}"
    if type is not None and (why := unmet(asked_of_backends(type.extra_specs), pool.full)):
        return f"does not have what type {type.name} asks for: {why}"
    if volume.multiattach and not pool.capabilities.get("multiattach"):
        return "has no multi-attach volumes"
    left = free_virtually(app, pool, type)
    if left < volume.size and not own:
        return (
            f"has {left:.0f} GiB left of the {volume.size} it takes: {pool.free_gib:.0f} of {pool.total_gib:.0f} GiB are free, "
            f"{pool.allocated_gib} are promised of {ratio_of(app, pool, type):g} times that, {app.config.reserved_percent}% "
            "are reserved"
        )
    return None
