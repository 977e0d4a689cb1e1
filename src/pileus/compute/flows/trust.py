"""Trust in images: a server that names certificates is made only of an image that the owner of one of them answers for."""

from pileus.compute.app import Compute
from pileus.compute.models.servers import Server
from pileus.kit.errors import Problem


async def distrusted(app: Compute, server: Server) -> str | None:
    """Why the server must not be made of its image; None if it may."""
    if not server.certificates or server.image is None:
        return None
    try:
        await app.images.check_trust(server.image.id, server.certificates)
    except Problem as wrong:
        return wrong.message
    return None
