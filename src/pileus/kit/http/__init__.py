"""HTTP: operations declared once, and the one way every request takes through them."""

from pileus.kit.http.call import Call, Disconnected, Page, Reply, Stream
from pileus.kit.http.dialect import Dialect, Errors, Faults, Pages, Titles, Types
from pileus.kit.http.kernel import Kernel
from pileus.kit.http.route import Api, Query, Route
from pileus.kit.http.version import Microversions, Version, version
from pileus.kit.http.wire import F, Wire

__all__ = [
    "Api",
    "Call",
    "Dialect",
    "Disconnected",
    "Errors",
    "F",
    "Faults",
    "Kernel",
    "Microversions",
    "Page",
    "Pages",
    "Query",
    "Reply",
    "Route",
    "Stream",
    "Titles",
    "Types",
    "Version",
    "Wire",
    "version",
]
