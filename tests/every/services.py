"""Every service that can be assembled, found and not listed: who adds one adds nothing here."""

import importlib
from types import ModuleType

from pileus.kit.http import Api
from pileus.kit.policy import Rule
from pileus.main.settings import SERVICES


def manifests() -> dict[str, ModuleType]:
    """The manifest of every service whose operations are declared, by the name of its folder.

    Object storage has none: its paths are the names its users give.
    """
    found = {name: importlib.import_module(f"pileus.{name}.manifest") for name in SERVICES}
    return {name: manifest for name, manifest in found.items() if hasattr(manifest, "API")}


def apis() -> dict[str, Api]:
    """What every service declares."""
    return {name: manifest.API for name, manifest in manifests().items()}


def rules(api: Api) -> list[Rule]:
    """Every rule of a service: those of routes, of fields, and of decisions inside commands."""
    return [*(route.rule for route in api.routes if route.rule is not None), *api.rules]
