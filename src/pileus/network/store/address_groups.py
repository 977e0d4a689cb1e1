"""Address groups in the database."""

from sqlalchemy import bindparam, select

from pileus.kit.db import scalar
from pileus.network.errors.address_groups import AddressGroupNotFound
from pileus.network.models.resources import AddressGroup
from pileus.network.store.shelf import Shelf
from pileus.network.tables import address_groups, security_rules

SHELF = Shelf(address_groups, AddressGroup, AddressGroupNotFound)
NAMED_BY = scalar(select(security_rules.c.id).where(security_rules.c.address_group == bindparam("id")).limit(1), str)
