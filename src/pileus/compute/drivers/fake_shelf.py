"""Images that are only pretended to be on a host."""

from pileus.compute.drivers.interface import Changed, DriverError


class FakeShelf:
    """Keeps every image at once, unless it is told not to."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.refuses: str | None = None  # why no image comes any more

    def on_arrival(self, came: Changed) -> None:
        """Nothing is ever on its way."""

    async def keep(self, image: str) -> bool:
        """The image is here."""
        if self.refuses is not None:
            raise DriverError(f"Image {image} cannot be fetched", self.refuses)
        self.here.add(image)
        return True
