"""Placement: how much of what is where, and who has claimed it (OpenStack Placement, API 1.0 to 1.39).

Providers form trees; each has inventories of resource classes, traits that say what it can do, and aggregates it
belongs to. Consumers hold allocations. Every provider and consumer has a generation that grows with each change.
"""
