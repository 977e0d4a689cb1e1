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
    "create_snapshot": ("010", "create snapshot"),
    "delete_snapshot": ("011", "delete snapshot"),
    "backup_create": ("013", "create backup"),
    "backup_delete": ("014", "delete backup"),
    "backup_restore": ("015", "restore backup"),
    "reimage": ("016", "reimage volume"),
    # Upstream has no numbers for these.
    "migrate_volume": ("901", "migrate volume"),
    "retype": ("902", "retype volume"),
    "manage_existing": ("903", "manage existing volume"),
    "manage_existing_snapshot": ("904", "manage existing snapshot"),
}
DETAILS = {
    "unknown": ("001", "An unknown error occurred."),
    "unavailable": ("003", "Resource is in an invalid state for the request."),
    "no_backend": ("002", "No storage could be allocated for this volume request."),
    "no_memory": ("005", "Compute service failed to respond."),
    "backend": ("008", "The back end could not do it."),
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
        action, detail = ACTIONS[self.action][0], DETAILS[self.detail][0]
        return f"{self.resource_type}_{self.resource_type}_{action}_{detail}"

    @property
    def text(self) -> str:
        """What a person reads."""
        said = f"{ACTIONS[self.action][1]}:{DETAILS[self.detail][1]}"
        return f"{said} {self.why}" if self.why else said
