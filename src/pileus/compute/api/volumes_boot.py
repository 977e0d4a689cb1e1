"""Servers under the path they had when booting from volumes was new: the same operations, until 2.102."""

import msgspec

from pileus.compute.api import actions, image_actions, remake_actions, servers
from pileus.compute.api.service import ACTION_PATH, api
from pileus.kit.http.version import version

SERVERS, HERE = "/servers", "/os-volumes_boot"
UNTIL = version("2.102")
PATHS = frozenset({SERVERS, f"{SERVERS}/detail", f"{SERVERS}/{{server_id}}"})
ACTIONS = frozenset({
    "confirmResize", "revertResize", "reboot", "resize", "rebuild", "createImage", "os-start", "os-stop",
    "trigger_crash_dump",
})  # fmt: skip
DECLARED = (servers, actions, image_actions, remake_actions)  # whose operations have to be there before they are here

for _route in tuple(api.routes):
    if _route.path in PATHS or (_route.path == ACTION_PATH and _route.action in ACTIONS):
        _path = _route.path.replace(SERVERS, HERE, 1)
        api.routes.append(msgspec.structs.replace(_route, path=_path, until=min(_route.until, UNTIL)))
