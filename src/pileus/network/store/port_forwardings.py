"""Forwarded ports in the database."""

from sqlalchemy import bindparam, select

from pileus.kit.db import query
from pileus.network.errors.port_forwardings import PortForwardingNotFound
from pileus.network.models.port_forwardings import PortForwarding
from pileus.network.store.shelf import Shelf
from pileus.network.tables import port_forwardings

_T = port_forwardings.c
SHELF = Shelf(
    port_forwardings,
    PortForwarding,
    PortForwardingNotFound,
    "floating_ip_id", "port_id", "protocol", "address", "inner_first", "outer_first", "count",
    wire={"internal_port_id": _T.port_id, "internal_ip_address": _T.address, "internal_port": _T.inner_first,
          "external_port": _T.outer_first},
)  # fmt: skip
OF_FLOATING_IPS = query(
    select(*_T)
    .where(_T.floating_ip_id.in_(bindparam("ids", expanding=True)))
    .order_by(_T.floating_ip_id, _T.protocol, _T.outer_first),
    PortForwarding,
)
TO_PORT = query(select(*_T).where(_T.port_id == bindparam("port_id")).order_by(_T.id), PortForwarding)
