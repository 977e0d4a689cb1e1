"""Services and hosts: what an admin may say of them."""

from pileus.block_storage import errors
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.flows.pools import service_list
from pileus.block_storage.models.services import Service, Setting
from pileus.block_storage.store.services import setting_keep


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
