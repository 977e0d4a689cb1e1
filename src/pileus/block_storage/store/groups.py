"""Queries of groups and their snapshots."""

from pileus.block_storage.models.groups import Group, GroupSnapshot
from pileus.block_storage.store.rows import Rows
from pileus.block_storage.tables import GROUP_SNAPSHOTS, GROUPS

groups = Rows(GROUPS, Group, sorts=("name", "status", "updated_at"))
group_snapshots = Rows(GROUP_SNAPSHOTS, GroupSnapshot, sorts=("name", "status", "updated_at", "group_id"))
