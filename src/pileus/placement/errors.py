"""What placement refuses."""

from typing import ClassVar

from pileus.kit.errors import Conflict, Invalid, MethodNotAllowed, NotAcceptable, NotFound, UnsupportedMedia


class NoSuchProvider(NotFound):
    """No resource provider with uuid {uuid} found."""


class NoSuchClass(NotFound):
    """No such resource class {name}."""


class NoSuchTrait(NotFound):
    """No such trait(s): {name}."""


class NoSuchInventory(NotFound):
    """No inventory of class {resource_class} found for resource provider {uuid}."""


class NoAllocations(NotFound):
    """No allocations for consumer '{consumer}'."""


class NotJson(UnsupportedMedia):
    """The media type {given} is not supported, use application/json."""


class OnlyJson(NotAcceptable):
    """Only application/json is provided."""


class TooEarly(MethodNotAllowed):
    """The method DELETE is not allowed for this resource before microversion 1.5."""


class WrongQuery(Invalid):
    """Invalid query string parameters: {why}"""


class BadQueryValue(WrongQuery):
    """Invalid query string parameters: {why}"""

    placement_code: ClassVar[str] = "placement.query.bad_value"


class MissingQuery(Invalid):
    """{why}"""

    placement_code: ClassVar[str] = "placement.query.missing_value"


class RepeatedQuery(Invalid):
    """Query parameter {name} may be given only once."""

    placement_code: ClassVar[str] = "placement.query.duplicate_key"


class WrongInput(Invalid):
    """{why}"""


class UnknownClass(Invalid):
    """Unknown resource class in input data: No such resource class {name}."""


class UnknownShape(Invalid):
    """Resource provider {uuid} in inventories does not exist."""

    placement_code: ClassVar[str] = "placement.resource_provider.not_found"


class UnknownProvider(Invalid):
    """Allocation for resource provider '{uuid}' that does not exist."""


class DuplicateName(Conflict):
    """Conflicting resource provider {what}: {value} already exists."""

    placement_code: ClassVar[str] = "placement.duplicate_name"


class DuplicateClass(Conflict):
    """Resource class {name} already exists."""


class ProviderChanged(Conflict):
    """resource provider generation conflict: {uuid} is at generation {is_at}, not {given}. Read it again and retry."""

    placement_code: ClassVar[str] = "placement.concurrent_update"


class ConsumerChanged(Conflict):
    """consumer generation conflict - expected {is_at} but got {given}"""

    placement_code: ClassVar[str] = "placement.concurrent_update"


class InventoryExists(Conflict):
    """Inventory of {resource_class} already exists for resource provider {uuid}."""

    placement_code: ClassVar[str] = "placement.concurrent_update"


class InventoryInUse(Conflict):
    """Inventory for '{resource_class}' on resource provider '{uuid}' in use."""

    placement_code: ClassVar[str] = "placement.inventory.inuse"


class ProviderInUse(Conflict):
    """Unable to delete resource provider {uuid}: Resource provider has allocations."""

    placement_code: ClassVar[str] = "placement.resource_provider.inuse"


class ProviderHasChildren(Conflict):
    """Unable to delete parent resource provider {uuid}: It has child resource providers."""

    placement_code: ClassVar[str] = "placement.resource_provider.cannot_delete_parent"


class NameInUse(Conflict):
    """{what} {name} is in use by a resource provider."""


class NoRoom(Conflict):
    """Unable to allocate inventory: '{resource_class}' on resource provider '{uuid}': {why}."""


class StandardName(Invalid):
    """{what} {name} is standard and cannot be {action}."""


class BadParent(Invalid):
    """Unable to set the parent of resource provider {uuid}: {why}"""
