"""What can be asked of tasks: to see them, and the old way to import an image by one."""

from collections.abc import Mapping, Sequence

from pileus.image import errors
from pileus.image.app import ImageApp
from pileus.image.commands import imports
from pileus.image.commands.images import checked_columns, create_image
from pileus.image.models.images import Image
from pileus.image.models.imports import Method, Task
from pileus.image.models.patch import COLUMNS, check_name, check_property, tags_of
from pileus.image.models.protections import Action
from pileus.image.store import tasks as store
from pileus.kit.auth import Caller
from pileus.kit.http import Page

IMPORT = "import"


async def tasks_of(app: ImageApp, caller: Caller, image: Image) -> Sequence[Task]:
    """The tasks of an image the caller sees; to its owner and to administrators."""
    if not caller.admin and image.owner != caller.project_id:
        return []
    return await store.tasks_of_image(app, image.id)


async def task_list(app: ImageApp, caller: Caller, where: Mapping[str, object], page: Page) -> Sequence[Task]:
    """A page of the caller's tasks; an administrator's are all."""
    mine = {} if caller.admin else {"owner": caller.project_id}
    return await store.task_list(app, {**where, **mine}, page.sort, page.marker, page.limit or 0)


async def task_get(app: ImageApp, caller: Caller, id: str) -> Task:
    """The task; raises NoSuchTask, also for those of other projects."""
    task = await store.task_find(app, id)
    if task is None or not (caller.admin or task.owner == caller.project_id):
        raise errors.NoSuchTask(task=id)
    return task


async def begin_task(app: ImageApp, caller: Caller, kind: str, given: Mapping[str, object]) -> Task:
    """An image is there and its import from the address is under way."""
    if kind != IMPORT:
        raise errors.WrongValue(why=f"Task type {kind!r} is not offered: it must be {IMPORT}.")
    url = str(given["import_from"])
    imports.check_address(app, url, "import")
    named = given.get("image_properties") or {}
    assert isinstance(named, dict)
    columns = checked_columns({name: value for name, value in named.items() if name in COLUMNS})
    columns.setdefault("owner", caller.project_id)
    properties = {name: value for name, value in named.items() if name not in COLUMNS and name != "tags"}
    for name, value in properties.items():
        check_name(name)
        if not app.guard.allows(caller, name, Action.CREATE):
            raise errors.Reserved(name=name)
        check_property(name, value)
    tags = list(tags_of(named.get("tags", [])))
    async with app.db.transaction():
        image = await create_image(app, None, columns, properties, tags)
        wish = imports.Wish(method=Method.WEB, uri=url)
        asked = imports.decided(app, caller, image, wish)
        id = await imports.begin(app, caller, image, asked, kind=IMPORT, given=given)
        return await task_get(app, caller, id)
