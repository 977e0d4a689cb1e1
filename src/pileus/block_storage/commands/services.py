"""Services and hosts: what an admin may say of them."""

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.pools import service_list
from pileus.block_storage.models.services import VOLUME, Service, Setting
from pileus.block_storage.store.services import setting_keep, setting_list


async def service_get(app: BlockStorage, host: str, program: str) -> Service:
    """The service; raises ServiceNotFound."""
    for service in await service_list(app):
        if service.host == host and service.program == program:
            return service
    raise errors.ServiceNotFound(service=program, host=host)


async def set_service(
    app: BlockStorage,
    service: Service,
    *,
    disabled: bool | None = None,
    reason: str | None = None,
    frozen: bool | None = None,
) -> Setting:
    """This is said of the service; what is not given stays as it was."""
    setting = Setting(
        host=service.host,
        program=service.program,
        disabled=service.disabled if disabled is None else disabled,
        reason=service.reason if disabled is None else reason,
        frozen=service.frozen if frozen is None else frozen,
        updated_at=app.clock.now(),
    )
    await setting_keep(app, setting)
    return setting


async def check_thawed(app: BlockStorage, host: str | None, backend: str | None) -> None:
    """Raise FrozenBackend if an admin said that nothing is made or removed there."""
    place = f"{host}@{backend}"
    setting = (await setting_list(app)).get((place, VOLUME)) if host is not None else None
    if setting is not None and setting.frozen:
        raise errors.FrozenBackend(place=place)
