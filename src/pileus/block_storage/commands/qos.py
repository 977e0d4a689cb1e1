"""QoS specs: what volumes of some types get, and from whom."""

import uuid
from collections.abc import Mapping, Sequence

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.models.types import QosSpecs, VolumeType
from pileus.block_storage.store.types import qos_specs, types, types_of_qos
from pileus.kit.db import UniqueViolation

CONSUMERS = ("front-end", "back-end", "both")


async def qos_get(app: BlockStorage, id: str) -> QosSpecs:
    """The QoS specs; raises QosNotFound."""
    found = await qos_specs.find(app, id)
    if found is None:
        raise errors.QosNotFound(qos=id)
    return found


async def create_qos(app: BlockStorage, name: str, consumer: str, specs: Mapping[str, str]) -> QosSpecs:
    """There are such QoS specs; raises QosExists."""
    made = QosSpecs(id=str(uuid.uuid4()), name=name, consumer=consumer, specs=dict(specs), created_at=app.clock.now())
    try:
        await qos_specs.create(app, made)
    except UniqueViolation:
        raise errors.QosExists(qos=name) from None
    return made


async def set_qos(app: BlockStorage, qos: QosSpecs, given: Mapping[str, str]) -> None:
    """The QoS specs say this too; `consumer` says whom they are for."""
    async with app.db.transaction():
        await _set(app, await qos_get(app, qos.id), given)


async def _set(app: BlockStorage, qos: QosSpecs, given: Mapping[str, str]) -> None:
    consumer = given.get("consumer", qos.consumer)
    specs = {key: value for key, value in given.items() if key != "consumer"}
    await qos_specs.change(app, qos, consumer=consumer, specs={**qos.specs, **specs})


async def drop_keys(app: BlockStorage, qos: QosSpecs, keys: Sequence[str]) -> None:
    """The QoS specs say nothing of these; raises QosKeyNotFound."""
    for key in keys:
        if key not in qos.specs:
            raise errors.QosKeyNotFound(key=key, qos=qos.id)
    await qos_specs.change(app, qos, specs={key: value for key, value in qos.specs.items() if key not in keys})


async def associate(app: BlockStorage, qos: QosSpecs, type: VolumeType) -> None:
    """Volumes of the type get these; raises InvalidType if they get others."""
    if type.qos_id not in {None, qos.id}:
        raise errors.InvalidType(why=f"Type {type.id} is already associated with another qos specs: {type.qos_id}")
    await types.change(app, type, qos_id=qos.id)


async def disassociate(app: BlockStorage, qos: QosSpecs, type: VolumeType | None) -> None:
    """Volumes of the type, or of any, get these no more."""
    for each in await types_of_qos(app, qos.id):
        if type is None or each.id == type.id:
            await types.change(app, each, qos_id=None)


async def delete_qos(app: BlockStorage, qos: QosSpecs, *, force: bool) -> None:
    """There are no such QoS specs; raises QosInUse unless forced."""
    async with app.db.transaction():
        if not force and await types_of_qos(app, qos.id):
            raise errors.QosInUse(qos=qos.id)
        await disassociate(app, qos, None)
        await qos_specs.delete(app, qos.id)
