"""Logs in the database."""

from pileus.network.errors.logs import LogResourceNotFound
from pileus.network.models.logs import Log
from pileus.network.store.shelf import Shelf
from pileus.network.tables import logs

SHELF = Shelf(logs, Log, LogResourceNotFound, "enabled", "event", "resource_type", "resource_id", "target_id")
