"""The choice of a back end: which may take a volume, why the others may not, and which of them has most left.

Everything that speaks against a back end is a sentence that ends up in the message of a volume for which none is left.
"""

from collections.abc import Callable, Mapping, Sequence

from pileus.block_storage.agent import DOWN
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.pools import pool_list
from pileus.block_storage.models.services import VOLUME, Pool
from pileus.block_storage.models.types import VolumeType, unmet
from pileus.block_storage.models.volumes import Volume
from pileus.block_storage.store.services import setting_list

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
    if fitting:
        return max(fitting, key=lambda pool: (pool.name == near, free_virtually(app, pool), pool.name))
    told = "; ".join(f"{name}: {why}" for name, why in sorted(reasons.items())) or "there is no back end"
    return f"{NONE_LEFT}: {told}"


def free_virtually(app: BlockStorage, pool: Pool) -> float:
    """How many GiB may still be promised of a back end."""
    usable = pool.total_gib * (1 - app.config.reserved_percent / 100)
    ratio = app.config.over_subscription if pool.capabilities.get("thin_provisioning_support") else 1.0
    return min(usable * ratio - pool.allocated_gib, max(0.0, pool.free_gib * ratio))


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
    if type is not None and (
        why := unmet({k: v for k, v in type.extra_specs.items() if k != "multiattach"}, pool.full)
    ):
        return f"does not have what type {type.name} asks for: {why}"
    if volume.multiattach and not pool.capabilities.get("multiattach"):
        return "has no multi-attach volumes"
    left = free_virtually(app, pool)
    if left < volume.size and not own:
        return f"has {max(0.0, left):.0f} GiB left of the {volume.size} it takes"
    return None
