"""Messages: why something that was asked for did not come to be, for the one who asked."""

import datetime as dt

import msgspec

# What was being done, and what came in between, as clients know them by number.
ACTIONS = {
    "schedule": ("001", "schedule allocate volume"),
    "attach": ("002", "attach volume"),
    "copy_to_image": ("003", "copy volume to image"),
    "update_attachment": ("004", "update attachment"),
    "copy_from_image": ("005", "copy image to volume"),
    "extend": ("007", "extend volume"),
    "create_from_backup": ("008", "create volume from backend storage"),
    "create_snapshot": ("009", "create snapshot"),
    "delete_snapshot": ("010", "delete snapshot"),
    "backup_create": ("013", "create backup"),
    "backup_delete": ("014", "delete backup"),
    "backup_restore": ("015", "restore backup"),
    "reimage": ("016", "reimage volume"),
    # Upstream has no numbers for these.
    "migrate_volume": ("901", "migrate volume"),
    "retype": ("902", "retype volume"),
    "manage_existing": ("903", "manage existing volume"),
    "manage_existing_snapshot": ("904", "manage existing snapshot"),
    "use": ("905", "read or write volume"),
}
NO_BACKEND, BACKEND = "no_backend", "backend"
UNKNOWN = ("001", "An unknown error occurred.")
DETAILS = {
    NO_BACKEND: ("003", "Could not find any available weighted backend."),
    "unavailable": ("027", "Volume status is invalid."),
    # Upstream has no numbers for these.
    "disk": ("901", "The bytes could not be read or written."),
    "lost": ("902", "The bytes are not where they were."),
}
# What a back end could not do has a number for each thing it was to do.
OF_BACKENDS = {
    "copy_to_image": ("004", "Failed to upload volume to image at backend."),
    "extend": ("010", "Volume Driver failed to extend volume."),
    "copy_from_image": ("012", "Driver failed to create the volume."),
    "create_snapshot": ("013", "Snapshot failed to create."),
    "backup_create": ("020", "Backup driver failed to create backup."),
    "backup_restore": ("026", "Backup driver failed to restore backup."),
}
LEVELS = ("ERROR",)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    id: str
    project_id: str
    request_id: str | None
    resource_type: str
    resource_id: str | None
    action: str
    detail: str
    level: str = "ERROR"
    why: str = ""
    created_at: dt.datetime
    expires_at: dt.datetime

    @property
    def event(self) -> str:
        """The event's code, made of all of it."""
        return f"VOLUME_{self.resource_type}_{ACTIONS[self.action][0]}_{detail_of(self.action, self.detail)[0]}"

    @property
    def text(self) -> str:
        """What a person reads."""
        said = f"{ACTIONS[self.action][1]}:{detail_of(self.action, self.detail)[1]}"
        return f"{said} {self.why}" if self.why else said


def detail_of(action: str, detail: str) -> tuple[str, str]:
    """The number and the words of what came in between."""
    return OF_BACKENDS.get(action, UNKNOWN) if detail == BACKEND else DETAILS.get(detail, UNKNOWN)


def parts_of(event: str) -> tuple[str, str, tuple[str, ...]] | None:
    """The type of resource, the action and the details an event's code stands for; None if it is the code of none."""
    start, _, number = event.rpartition("_")
    start, _, doing = start.rpartition("_")
    action = next((name for name, (code, _) in ACTIONS.items() if code == doing), None)
    if action is None or not start.startswith("VOLUME_"):
        return None
    details = tuple(each for each in (*DETAILS, BACKEND) if detail_of(action, each)[0] == number)
    return start.removeprefix("VOLUME_"), action, details
