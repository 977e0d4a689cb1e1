"""Providers and what they have: the values every decision about room is made on."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from pileus.ports.placement import Inventory

NOWHERE = "00000000-0000-0000-0000-000000000000"  # project and user of consumers written before 1.8


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has resources: a host, or a part of one."""

    id: str
    name: str
    generation: int
    parent: str | None
    root: str
    created_at: dt.datetime
    updated_at: dt.datetime


class Stock(Inventory, frozen=True, kw_only=True):
    """An inventory and how much of it is claimed."""

    used: int = 0

    @property
    def left(self) -> int:
        """What may still be claimed; negative where the capacity was cut below what is claimed."""
        return self.capacity - self.used


class StockRow(Stock, frozen=True, kw_only=True):
    """A stock with where it is."""

    provider: str
    resource_class: str


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """A provider with everything a decision looks at."""

    id: str
    name: str
    generation: int = 0
    parent: str | None = None
    root: str = ""
    stocks: Mapping[str, Stock] = {}
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds allocations."""

    id: str
    project_id: str
    user_id: str
    consumer_type: str | None
    generation: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An amount of one class that a consumer holds of a provider."""

    consumer: str
    provider: str
    provider_name: str = ""
    provider_generation: int = 0
    resource_class: str
    used: int


def problem_of(inventory: Inventory, *, may_reserve_all: bool = True) -> str | None:
    """What is wrong with an inventory in itself, if anything."""
    if inventory.reserved > inventory.total or (not may_reserve_all and inventory.reserved == inventory.total):
        return "reserved must be less than total" if not may_reserve_all else "reserved must not be more than total"
    if inventory.min_unit > inventory.max_unit:
        return "min_unit must not be more than max_unit"
    return None
