"""What clients ask before they act: schemas, stores and ways to import."""

from pileus.image import errors
from pileus.image.api.schemas import SCHEMAS
from pileus.image.api.service import ANYBODY, api
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


@api.get("/schemas/{name}", ANYBODY)
async def schema(call: Call[ImageApp], name: str) -> dict[str, object]:
    """Show a schema."""
    found = SCHEMAS.get(name)
    if found is None:
        raise errors.NotOffered(what=f"a schema named {name}")
    return found


@api.get("/info/import", ANYBODY, key="import-methods")
async def imports(call: Call[ImageApp]) -> ImportMethods:
    """Tell in which ways an image can be imported."""
    return ImportMethods(description="Import methods available.", type="array", value=[])


@api.get("/info/stores", ANYBODY, key="stores")
async def stores(call: Call[ImageApp]) -> list[StoreView]:
    """Tell where images can be stored."""
    return [StoreView(id="file", description="Files of the controller", default="true")]
