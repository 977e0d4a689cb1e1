"""Topologies made by themselves in the database: of a project, its network and router."""

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import command, query, upsert
from pileus.network.models.resources import AutoTopology, Network
from pileus.network.tables import auto_topologies, networks

OF_PROJECT = query(
    select(*auto_topologies.c).where(auto_topologies.c.project_id == bindparam("project_id")), AutoTopology
)
INSERT = command(upsert(auto_topologies, ["project_id"]))
DELETE = command(sa.delete(auto_topologies).where(auto_topologies.c.project_id == bindparam("of_project")))
DEFAULT_OUTSIDE = query(select(*networks.c).where(networks.c.is_default, networks.c.external), Network)
