"""The journal of what the fabric is made of: which rows were changed, by number.

    PORT, id     one port, with its addresses and groups
    FLOATING     some floating IP, or ports of one
    RULES        some security group rule
    ANYTHING     whatever is not told more exactly: everything is to be read again

A row is written in the transaction of the change. Numbers are given before they are committed, so one may be seen after
a higher one: whoever reads looks back some way (`LOOK_BACK`), and reads everything now and then.
"""

from sqlalchemy import bindparam, delete, func, insert, select

from pileus.kit.db import command, query, scalar
from pileus.network.tables import fabric_changes

PORT, FLOATING, RULES, ANYTHING = "port", "floating", "rules", "*"
LOOK_BACK = 200
KEPT = 10_000

NOTE = command(insert(fabric_changes))
LAST = scalar(select(func.coalesce(func.max(fabric_changes.c.number), 0)), int)
SINCE = query(
    select(*fabric_changes.c).where(fabric_changes.c.number > bindparam("after")).order_by(fabric_changes.c.number),
    tuple[int, str, str],
)
FORGET = command(delete(fabric_changes).where(fabric_changes.c.number <= bindparam("up_to")))
