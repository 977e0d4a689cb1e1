"""The cache of images, for administrators: the operations of 2.14 and later, and the older ones beside them."""

from pileus.image.api.service import api, moment
from pileus.image.app import ImageApp
from pileus.image.commands import cache as commands
from pileus.image.models.images import Cached
from pileus.kit.http import Call, Wire
from pileus.kit.policy import Rule

QUEUE = Rule("cache_image", "admin")
LIST = Rule("cache_list", "admin")
DELETE = Rule("cache_delete", "admin")
MANAGE = Rule("manage_image_cache", "admin")
TARGET = "x-image-cache-clear-target"


class CachedView(Wire):
    """An image in the cache."""

    image_id: str
    hits: int
    size: int
    last_accessed: float
    last_modified: float


class CacheView(Wire):
    """What is in the cache, and what is on its way there."""

    cached_images: list[CachedView]
    queued_images: list[str]


class CachedList(Wire):
    cached_images: list[CachedView]


class QueuedList(Wire):
    queued_images: list[str]


class Pruned(Wire):
    """What went."""

    total_files_pruned: int
    total_bytes_pruned: int


class Counted(Wire):
    num_deleted: int


class NodeView(Wire):
    """Where an image is in the cache: all controllers share theirs."""

    image_id: str
    cached_at: str


class Nodes(Wire):
    cached_nodes: list[NodeView]


def _shown(one: Cached) -> CachedView:
    made = one.cached_at or one.asked_at
    return CachedView(
        image_id=one.image,
        hits=one.hits,
        size=one.size,
        last_accessed=(one.read_at or made).timestamp(),
        last_modified=made.timestamp(),
    )


@api.get("/cache", LIST)
async def index(call: Call[ImageApp]) -> CacheView:
    """List cached and queued images."""
    cached, queued = await commands.cached_list(call.app)
    return CacheView(cached_images=[_shown(one) for one in cached], queued_images=queued)


@api.delete("/cache", DELETE)
async def clear(call: Call[ImageApp]) -> None:
    """Clear the cache, its queue, or both."""
    await commands.clear(call.app, call.headers.get(TARGET, "").lower())


@api.put("/cache/{image_id}", QUEUE, status=202)
async def ask(call: Call[ImageApp], image_id: str) -> None:
    """Queue an image for caching."""
    await commands.ask_for(call.app, call.caller, image_id)


@api.delete("/cache/{image_id}", DELETE)
async def leave(call: Call[ImageApp], image_id: str) -> None:
    """Delete an image from the cache or its queue."""
    await commands.leave(call.app, image_id)


@api.get("/cache/nodes/{image_id}", Rule("list_cached_nodes", "admin"))
async def nodes(call: Call[ImageApp], image_id: str) -> Nodes:
    """Tell where an image is cached."""
    cached, _ = await commands.cached_list(call.app)
    return Nodes(
        cached_nodes=[
            NodeView(image_id=one.image, cached_at=moment(one.cached_at))
            for one in cached
            if one.image == image_id and one.cached_at is not None
        ]
    )


@api.post("/cache/clean", Rule("cache_clean", "admin"), status=200)
async def clean(call: Call[ImageApp]) -> Counted:
    """Remove files of the cache that belong to no image."""
    return Counted(num_deleted=await commands.clean(call.app))


@api.post("/cache/prune", Rule("cache_prune", "admin"), status=200)
async def prune(call: Call[ImageApp]) -> Pruned:
    """Remove what was not read for longest until the cache holds no more than it may."""
    count, size = await commands.prune(call.app)
    return Pruned(total_files_pruned=count, total_bytes_pruned=size)


@api.get("/cached_images", MANAGE)
async def old_index(call: Call[ImageApp]) -> CachedList:
    """List cached images."""
    return CachedList(cached_images=[_shown(one) for one in (await commands.cached_list(call.app))[0]])


@api.delete("/cached_images", MANAGE, status=200)
async def old_clear(call: Call[ImageApp]) -> Counted:
    """Clear the cache."""
    return Counted(num_deleted=await commands.clear(call.app, "cache"))


@api.delete("/cached_images/{image_id}", MANAGE, status=200)
async def old_leave(call: Call[ImageApp], image_id: str) -> None:
    """Delete an image from the cache."""
    await commands.leave(call.app, image_id)


@api.get("/queued_images", MANAGE)
async def old_queue(call: Call[ImageApp]) -> QueuedList:
    """List images queued for caching."""
    return QueuedList(queued_images=(await commands.cached_list(call.app))[1])


@api.put("/queued_images/{image_id}", MANAGE)
async def old_ask(call: Call[ImageApp], image_id: str) -> None:
    """Queue an image for caching."""
    await commands.ask_for(call.app, call.caller, image_id)


@api.delete("/queued_images", MANAGE, status=200)
async def old_clear_queue(call: Call[ImageApp]) -> Counted:
    """Clear the queue."""
    return Counted(num_deleted=await commands.clear(call.app, "queue"))


@api.delete("/queued_images/{image_id}", MANAGE, status=200)
async def old_leave_queue(call: Call[ImageApp], image_id: str) -> None:
    """Delete an image from the queue."""
    await commands.leave(call.app, image_id)
