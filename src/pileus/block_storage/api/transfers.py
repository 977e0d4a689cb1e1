"""Transfers of volumes to other projects, at the address they have since 3.55 and at the older one."""

from typing import Annotated, Any

from pileus.block_storage.api.listing import filters, paged
from pileus.block_storage.api.service import (
    Flag,
    Link,
    Name,
    RealName,
    Uuid,
    api,
    flag,
    links,
    member,
    moment,
    page_of,
    reader,
    scope,
)
from pileus.block_storage.app import BlockStorage
from pileus.block_storage.commands import transfers as commands
from pileus.block_storage.commands.volumes import mine, volume_get
from pileus.block_storage.errors import TransferNotFound
from pileus.block_storage.models.volumes import Transfer
from pileus.block_storage.store.volumes import transfers
from pileus.kit.auth import Caller
from pileus.kit.http import Call, F, Page, Query, Wire

FILTERS = {"name": "name", "display_name": "name", "volume_id": "volume_id", "id": "id"}


class TransferBrief(Wire, kw_only=True):
    """A transfer in a list without details."""

    id: str
    volume_id: str
    name: str | None
    links: list[Link]


class TransferView(TransferBrief, kw_only=True):
    """A transfer."""

    created_at: str | None
    source_project_id: Annotated[str, F(since="3.57")]
    destination_project_id: Annotated[str | None, F(since="3.57")]
    accepted: Annotated[bool, F(since="3.57")]
    no_snapshots: Annotated[bool, F(since="3.55")]


class TransferMade(TransferView, kw_only=True):
    """A transfer as its maker is told, with its key."""

    auth_key: str


class TransferCreate(Wire, kw_only=True):
    """A volume to offer."""

    volume_id: Uuid
    name: Name | None = None
    no_snapshots: Annotated[Flag, F(since="3.55")] = False


class Accept(Wire):
    """The key of the offer."""

    auth_key: RealName


class TransfersQuery(Query):
    """Whose transfers."""

    all_tenants: str | None = None
    project_id: str | None = None


async def transfer_find(app: BlockStorage, caller: Caller, transfer_id: str) -> Transfer:
    """The transfer a path names; raises TransferNotFound."""
    found = await commands.transfer_get(app, transfer_id)
    if not mine(found.source_project_id, caller):
        raise TransferNotFound(transfer=transfer_id)
    return found


def _plain(call: Call[BlockStorage], transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "volume_id": transfer.volume_id,
        "name": transfer.name,
        "links": links(call, f"/volume-transfers/{transfer.id}"),
    }


def _full(call: Call[BlockStorage], transfer: Transfer) -> dict[str, Any]:
    return {
        **_plain(call, transfer),
        "created_at": moment(transfer.created_at),
        "source_project_id": transfer.source_project_id,
        "destination_project_id": transfer.destination_project_id,
        "accepted": transfer.accepted,
        "no_snapshots": transfer.no_snapshots,
    }


async def _page(call: Call[BlockStorage], query: TransfersQuery, page: Page) -> list[Transfer]:
    asked = scope(call, query.all_tenants, query.project_id)
    where = {"source_project_id": asked["project_id"]} if "project_id" in asked else {}
    where |= filters(call, FILTERS)
    if call.version < (3, 59):
        page.limit, page.marker, page.sort = None, None, []
    limit = page_of(call, page)
    return await paged(
        call,
        lambda marker, count: transfers.list(call.app, where, page.sort, marker=marker, limit=count),
        limit,
        page.marker,
    )


ACCEPT = member("volume:accept_transfer")
CREATE = member("volume:create_transfer")


async def index(call: Call[BlockStorage], query: TransfersQuery, page: Page) -> list[TransferBrief]:
    """List transfers."""
    return [TransferBrief(**_plain(call, each)) for each in await _page(call, query, page)]


async def detail(call: Call[BlockStorage], query: TransfersQuery, page: Page) -> list[TransferView]:
    """List transfers with details."""
    return [TransferView(**_full(call, each)) for each in await _page(call, query, page)]


async def create(call: Call[BlockStorage], body: TransferCreate) -> TransferMade:
    """Offer a volume to whoever knows the key."""
    volume = await volume_get(call.app, call.caller, body.volume_id)
    call.require(CREATE.name, {"project_id": volume.project_id, "user_id": volume.user_id})
    made, key = await commands.create_transfer(
        call.app,
        call.caller,
        volume,
        name=body.name.strip() if body.name else body.name,
        no_snapshots=flag(body.no_snapshots, "no_snapshots"),
        encrypted=call.version >= (3, 70),
    )
    return TransferMade(**_full(call, made), auth_key=key)


async def show(call: Call[BlockStorage], transfer: Transfer) -> TransferView:
    """Show a transfer."""
    return TransferView(**_full(call, transfer))


async def delete(call: Call[BlockStorage], transfer: Transfer) -> None:
    """Offer a volume no more."""
    await commands.delete_transfer(call.app, transfer)


async def accept(call: Call[BlockStorage], transfer_id: str, body: Accept) -> TransferBrief:
    """Take a volume that is offered."""
    transfer = await commands.transfer_get(call.app, transfer_id)
    return TransferBrief(**_plain(call, await commands.accept_transfer(call.app, call.caller, transfer, body.auth_key)))


for path, since in (("/volume-transfers", "3.55"), ("/os-volume-transfer", "0.0")):
    this = path + "/{transfer_id}"
    api.get(path, reader("volume:get_all_transfers"), key="transfers", since=since)(index)
    api.get(path + "/detail", reader("volume:get_all_transfers"), key="transfers", since=since)(detail)
    api.post(path, CREATE, key="transfer", status=202, since=since, late=True)(create)
    api.get(this, reader("volume:get_transfer"), key="transfer", find=transfer_find, since=since)(show)
    api.delete(this, member("volume:delete_transfer"), find=transfer_find, since=since, status=202)(delete)
    api.post(this + "/accept", ACCEPT, key="accept", reply_key="transfer", status=202, since=since)(accept)
