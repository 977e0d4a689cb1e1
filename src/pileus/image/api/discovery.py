"""What clients ask before they act: schemas, stores and ways to import."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType

from pileus.image.api.metadef_schemas import METADEF_SCHEMAS
from pileus.image.api.schemas import SCHEMAS
from pileus.image.api.service import ANYBODY, api
from pileus.image.app import ImageApp
from pileus.image.commands import listing
from pileus.image.drivers.interface import Store
from pileus.image.flows.quotas import Resource, bounds_of
from pileus.kit.http import Call, F, Wire
from pileus.kit.policy import Rule


class ImportMethods(Wire):
    description: str
    type: str
    value: list[str]


class StoreView(Wire):
    id: str
    description: str
    default: str | UnsetType = UNSET
    read_only: Annotated[str | UnsetType, F("read-only")] = UNSET


class StoreDetail(StoreView):
    type: str = ""
    weight: int = 0
    properties: dict[str, object] = {}


def _declare(name: str, schema: dict[str, object]) -> None:
    """There is a path for the schema."""

    @api.get(f"/schemas/{name}", ANYBODY)
    async def show(call: Call[ImageApp]) -> dict[str, object]:
        """Show a schema."""
        return schema


for _name, _schema in {**SCHEMAS, **METADEF_SCHEMAS}.items():
    _declare(_name, _schema)


@api.get("/info/import", ANYBODY, key="import-methods")
async def imports(call: Call[ImageApp]) -> ImportMethods:
    """Tell in which ways an image can be imported."""
    return ImportMethods(
        description="Import methods available.", type="array", value=list(call.app.config.import_methods)
    )


class Used(Wire):
    """How much there is, and how much there may be; -1 where that is not limited."""

    usage: int
    limit: int = -1


class Usage(Wire):
    """What the caller's project has: MiB of images and of staged bytes, images, and those that are being uploaded."""

    image_size_total: Used
    image_stage_total: Used
    image_count_total: Used
    image_count_uploading: Used


@api.get("/info/usage", ANYBODY, key="usage")
async def usage(call: Call[ImageApp]) -> Usage:
    """Tell how much the project uses."""
    used = await listing.usage_of(call.app, call.caller)
    bounds = await bounds_of(call.app, call.caller.project_id)
    limits = {one: bounds[one].limit if one in bounds else -1 for one in Resource}
    return Usage(
        image_size_total=Used(usage=used.size >> 20, limit=limits[Resource.SIZE]),
        image_stage_total=Used(usage=used.staged >> 20, limit=limits[Resource.STAGE]),
        image_count_total=Used(usage=used.images, limit=limits[Resource.COUNT]),
        image_count_uploading=Used(usage=used.uploading, limit=limits[Resource.UPLOADING]),
    )


class Stores(Wire):
    """Where images can be stored."""

    stores: list[StoreView]


class StoreDetails(Wire):
    """How images are stored."""

    stores: list[StoreDetail]


@api.get("/info/stores", ANYBODY)
async def stores(call: Call[ImageApp]) -> Stores:
    """Tell where images can be stored."""
    return Stores(stores=[StoreView(**_about(call.app, store)) for store in call.app.stores.all.values()])


@api.get("/info/stores/detail", Rule("stores_info_detail", "admin or service"))
async def store_details(call: Call[ImageApp]) -> StoreDetails:
    """Tell administrators how images are stored."""
    app = call.app
    found = [
        StoreDetail(**_about(app, one), type=one.kind, weight=one.weight, properties=_properties(app, one))
        for one in app.stores.all.values()
    ]
    return StoreDetails(stores=found)


def _properties(app: ImageApp, store: Store) -> dict[str, object]:
    """What operators want to know of a store of its kind, in the words that they know."""
    config = app.config.stores[store.id]
    match store.kind:
        case "file":
            return {"data_dir": urlsplit(store.source.url("x")).path.removesuffix("/x"), "thin_provisioning": True}
        case "rbd":
            return {"pool": config.pool, "user": config.user, "thin_provisioning": True}
        case "object_store":
            return {"container": config.path or f"images-{store.id}"}
        case _:
            return {}


def _about(app: ImageApp, store: Store) -> dict[str, str]:
    marks = {"default": store.id == app.stores.default, "read_only": store.target is None}
    return {"id": store.id, "description": store.description, **{name: "true" for name, on in marks.items() if on}}
