"""Asking other web servers, in threads: identity providers for their keys, and for what a code of theirs is worth.

Only https is asked (or a server on this machine, for tries), no redirect is followed, and no more is read than such
answers hold.
"""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from pileus.identity.errors import ProviderUnreachable

TIMEOUT_S = 10
MOST = 1 << 20
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Web(Protocol):
    """Asks web servers for JSON objects; raises ProviderUnreachable."""

    async def get(self, url: str) -> Mapping[str, Any]:
        """What the address answers."""
        ...

    async def post(self, url: str, form: Mapping[str, str], client: tuple[str, str] | None) -> Mapping[str, Any]:
        """What the address answers to a form, sent as this client with its secret."""
        ...


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


class UrllibWeb:
    """With nothing but the standard library."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(_NoRedirects)

    async def get(self, url: str) -> Mapping[str, Any]:
        """What the address answers."""
        return await asyncio.to_thread(self._asked, _request(url, None, None))

    async def post(self, url: str, form: Mapping[str, str], client: tuple[str, str] | None) -> Mapping[str, Any]:
        """What the address answers to a form, sent as this client with its secret."""
        return await asyncio.to_thread(self._asked, _request(url, urlencode(form).encode(), client))

    def _asked(self, request: urllib.request.Request) -> Mapping[str, Any]:
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                found = json.loads(answer.read(MOST))
        except (urllib.error.URLError, OSError, ValueError) as failed:
            raise ProviderUnreachable(why=f"{request.full_url.partition('?')[0]}: {failed}") from failed
        if not isinstance(found, dict):
            raise ProviderUnreachable(why=f"{request.full_url.partition('?')[0]}: its answer is no JSON object")
        return found


def _request(url: str, body: bytes | None, client: tuple[str, str] | None) -> urllib.request.Request:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ProviderUnreachable(why=f"{url.partition('?')[0]} is not asked, as it is not https")
    request = urllib.request.Request(url, data=body, headers={"Accept": "application/json"})  # noqa: S310  checked above
    if client is not None:
        pair = f"{quote(client[0], safe='')}:{quote(client[1], safe='')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request
