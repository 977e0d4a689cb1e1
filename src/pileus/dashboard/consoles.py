"""The pages behind a console's address: VNC through noVNC, serial through xterm.js.

They hold no secret and need no login; the one-time token in the address is what opens the connection.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from pileus.kit.http.call import Reply

MOUNT = "/console"
_STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
# xterm.js sets styles on its elements; everything else comes from files of ours.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def pages() -> Mapping[str, Callable[[str], Reply]]:
    """Every file of the consoles by its path."""
    files = (file for file in _STATIC.rglob("*") if file.suffix in _TYPES)
    return {f"{MOUNT}/{file.relative_to(_STATIC).as_posix()}": _page(file) for file in files}


def _page(file: Path) -> Callable[[str], Reply]:
    headers = {
        "Content-Type": _TYPES[file.suffix],
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return lambda _address: Reply(200, file.read_bytes(), dict(headers))
