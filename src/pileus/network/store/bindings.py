"""Bindings of ports to further hosts in the database."""

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from pileus.kit.db import command, query, upsert
from pileus.network.models.resources import Binding
from pileus.network.tables import port_bindings

OF_PORT = query(
    select(*port_bindings.c).where(port_bindings.c.port_id == bindparam("id")).order_by(port_bindings.c.host), Binding
)
ALL = query(select(*port_bindings.c).order_by(port_bindings.c.port_id, port_bindings.c.host), Binding)
INSERT = command(upsert(port_bindings, ["port_id", "host"]))
CHANGE = command(
    sa.update(port_bindings).where(
        port_bindings.c.port_id == bindparam("of_port"), port_bindings.c.host == bindparam("of_host")
    )
)
DELETE = command(
    sa.delete(port_bindings).where(
        port_bindings.c.port_id == bindparam("of_port"), port_bindings.c.host == bindparam("of_host")
    )
)
FORGET = command(sa.delete(port_bindings).where(port_bindings.c.port_id == bindparam("of_port")))
