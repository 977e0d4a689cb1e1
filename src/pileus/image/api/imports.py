"""Imports, and the tasks that show them."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.image import errors
from pileus.image.api.files import TO_STORE
from pileus.image.api.service import MODIFY, api, image_find, moment
from pileus.image.app import ImageApp
from pileus.image.commands import imports as commands
from pileus.image.commands import tasks as task_commands
from pileus.image.models.images import Image
from pileus.image.models.imports import LOCATION, Far, Method, Task, TaskStatus
from pileus.kit.http import Call, F, Page, Query, Wire
from pileus.kit.policy import ANY, Rule

COPY = Rule("copy_image", "admin")
GET_TASK = Rule("get_task", ANY)
GET_TASKS = Rule("get_tasks", ANY)
ADD_TASK = Rule("add_task", ANY)
TASKS_API = Rule("tasks_api_access", "admin")
SEE = (
    "admin or project reader or reader[project=member_id] or reader[visibility=community] or reader[visibility=public] "
    "or reader[visibility=shared]"
)
TYPES = {"import", "api_image_import", LOCATION}
STATUSES = {status.value for status in TaskStatus}
api.declare(COPY, GET_TASK, GET_TASKS, ADD_TASK)


class ImportMethod(Wire):
    """How to import."""

    __loose__: ClassVar[bool] = True
    name: str
    uri: str = ""
    glance_image_id: str = ""
    glance_region: str = ""
    glance_service_interface: str = "public"


class Import(Wire):
    """An import: how, and to which stores."""

    __exact__: ClassVar[bool] = True
    method: ImportMethod
    stores: list[str] | None = None
    all_stores: bool = False
    all_stores_must_succeed: bool = True


class TaskView(Wire):
    """A task; lists leave out what it was given and what came of it."""

    id: str
    type: str
    status: str
    owner: str | None
    user_id: str | None
    image_id: str | None
    request_id: str | None
    input: dict[str, object] | UnsetType
    result: dict[str, object] | UnsetType | None
    message: str | UnsetType
    created_at: str
    updated_at: str
    expires_at: str | UnsetType
    self_link: Annotated[str, F("self")]
    schema: str


class TaskInput(Wire):
    """What an import task is to do."""

    __loose__: ClassVar[bool] = True
    import_from: str
    import_from_format: str = ""
    image_properties: dict[str, object] = {}


class TaskCreate(Wire):
    """A new task."""

    type: str
    input: TaskInput


class TaskFilters(Query):
    """Which tasks."""

    type: str | None = None
    status: str | None = None


def _shown(task: Task, *, whole: bool) -> TaskView:
    return TaskView(
        id=task.id,
        type=task.type,
        status=task.status.value,
        owner=task.owner,
        user_id=task.user,
        image_id=task.image,
        request_id=task.request_id,
        input=dict(task.input) if whole else UNSET,
        result=(dict(task.result) if task.result is not None else None) if whole else UNSET,
        message=task.message if whole else UNSET,
        created_at=moment(task.created_at),
        updated_at=moment(task.updated_at),
        expires_at=moment(task.expires_at) if task.expires_at is not None else UNSET,
        self_link=f"/v2/tasks/{task.id}",
        schema="/v2/schemas/task",
    )


@api.post("/images/{image_id}/import", MODIFY, find=image_find, status=202, late=True)
async def import_(call: Call[ImageApp], image: Image, body: Import) -> None:
    """Import an image from what was staged, from an address, or from a store it is in already."""
    rule = COPY if body.method.name == Method.COPY else MODIFY
    call.require(rule.name, image.policy_target())
    header = call.headers.get(TO_STORE)
    if header and body.stores:
        raise errors.WrongValue(why="Stores parameter and x-image-meta-store header can't be both specified.")
    wish = commands.Wish(
        method=body.method.name,
        uri=body.method.uri,
        far=_far(body.method),
        stores=(header,) if header else tuple(body.stores) if body.stores else None,
        all_stores=body.all_stores,
        every_store=body.all_stores_must_succeed,
    )
    given = {"image_id": image.id, "import_req": msgspec.to_builtins(body.given())}
    await commands.import_image(call.app, call.caller, image, wish, given)


def _far(method: ImportMethod) -> Far | None:
    if not method.glance_image_id:
        return None
    return Far(image=method.glance_image_id, region=method.glance_region, interface=method.glance_service_interface)


class TasksOfImage(Wire):
    """What was, and is, done for an image."""

    tasks: list[TaskView]


@api.get("/images/{image_id}/tasks", Rule("get_image", SEE), find=image_find)
async def of_image(call: Call[ImageApp], image: Image) -> TasksOfImage:
    """List the tasks of an image."""
    found = await task_commands.tasks_of(call.app, call.caller, image)
    return TasksOfImage(tasks=[_shown(task, whole=True) for task in found])


@api.get("/tasks", TASKS_API, key="tasks")
async def index(call: Call[ImageApp], query: TaskFilters, page: Page) -> list[TaskView]:
    """List tasks."""
    if page.limit is None:
        page.limit = call.app.config.default_limit
    where: dict[str, object] = {}
    for name, value, known in (("type", query.type, TYPES), ("status", query.status, STATUSES)):
        if value is not None and value not in known:
            raise errors.WrongValue(
                why=f"Invalid {name} value: {value[:32]!r}; it is one of {', '.join(sorted(known))}."
            )
        if value is not None:
            where[name] = value
    return [_shown(task, whole=False) for task in await task_commands.task_list(call.app, call.caller, where, page)]


@api.get("/tasks/{task_id}", TASKS_API)
async def show(call: Call[ImageApp], task_id: str) -> TaskView:
    """Show a task."""
    return _shown(await task_commands.task_get(call.app, call.caller, task_id), whole=True)


@api.post("/tasks", TASKS_API)
async def create(call: Call[ImageApp], body: TaskCreate) -> TaskView:
    """Begin a task: import an image from an address."""
    given = msgspec.to_builtins(body.input.given())
    task = await task_commands.begin_task(call.app, call.caller, body.type, given)
    call.reply_headers["Location"] = call.url(f"/v2/tasks/{task.id}")
    return _shown(task, whole=True)
