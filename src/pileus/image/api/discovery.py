"""What clients ask before they act: schemas, stores and ways to import."""

from pileus.image.api.metadef_schemas import METADEF_SCHEMAS
from pileus.image.api.schemas import SCHEMAS
from pileus.image.api.service import ANYBODY, STORE, api
from pileus.image.app import ImageApp
from pileus.kit.http import Call, Wire


class ImportMethods(Wire):
    description: str
    type: str
    value: list[str]


class StoreView(Wire):
    id: str
    description: str
    default: str


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
    return ImportMethods(description="Import methods available.", type="array", value=["glance-direct"])


@api.get("/info/stores", ANYBODY, key="stores")
async def stores(call: Call[ImageApp]) -> list[StoreView]:
    """Tell where images can be stored."""
    return [StoreView(id=STORE, description="Files of the controller", default="true")]
