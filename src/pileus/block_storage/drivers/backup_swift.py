"""Chunks of backups in the object storage of another cloud: another Pileus, or any that has Keystone and Swift.

    password -> token and catalog (Identity API v3) -> objects of one container (Object Storage API v1)

Everything here blocks and is run in threads. What a network or a busy server refuses is asked again a few times: a backup of hours
should not be lost to a second. The token is asked for again when it is refused.
"""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from pileus.block_storage.drivers.interface import DriverError
from pileus.block_storage.drivers.thread import in_thread

TRIES = 4
PAUSE_S = 0.5
PATIENCE_S = 60.0
PAGE = 1000
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
OBJECTS = "object-store"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Whose containers: an address of Keystone (with its version), who asks there, and what keeps the backups."""

    auth_url: str
    username: str
    password_file: str
    project: str
    user_domain: str = "Default"
    project_domain: str = "Default"
    region: str = ""  # the catalog's first when empty
    container: str = "volume_backups"
    authority: str = ""  # a file with the certificate authority to believe, besides those of the system

    def question(self, password: str) -> dict[str, Any]:
        """What Keystone is asked for a token."""
        user = {"name": self.username, "domain": {"name": self.user_domain}, "password": password}
        project = {"name": self.project, "domain": {"name": self.project_domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        return {"auth": {"identity": identity, "scope": {"project": project}}}


class Answer(msgspec.Struct, frozen=True):
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Access(msgspec.Struct, frozen=True):
    """A token, and where the objects are."""

    token: str
    url: str


class SwiftChunks:
    """Keeps pileus.block_storage.drivers.backup_chunks.Chunks."""

    def __init__(self, account: Account, *, pause_s: float = PAUSE_S) -> None:
        self._account = account
        self._pause_s = pause_s
        self._access: Access | None = None
        self._lock = threading.Lock()
        self._tls = ssl.create_default_context(cafile=account.authority or None)
        self.store = f"swift:{account.auth_url.rstrip('/')}/{account.project}/{account.container}"

    async def put(self, name: str, content: bytes) -> None:
        """The object is there."""
        await in_thread(self._put, name, content)

    def _put(self, name: str, content: bytes) -> None:
        answer = self._ask("PUT", f"/{quote(name)}", content)
        if answer.status == 404:  # the container is made when it turns out to be missing
            self._said(self._ask("PUT", ""), "PUT container")
            answer = self._ask("PUT", f"/{quote(name)}", content)
        self._said(answer, f"PUT {name}")

    async def get(self, name: str) -> bytes | None:
        """The object's bytes."""
        return await in_thread(self._get, name)

    def _get(self, name: str) -> bytes | None:
        answer = self._ask("GET", f"/{quote(name)}")
        return None if answer.status == 404 else self._said(answer, f"GET {name}").body

    async def names(self, backup: str) -> Collection[str]:
        """The objects of the backup."""
        return await in_thread(self._names, backup)

    def _names(self, backup: str) -> list[str]:
        found: list[str] = []
        while True:
            marker = quote(found[-1], safe="") if found else ""
            query = f"?format=json&limit={PAGE}&prefix={quote(backup + '/', safe='')}&marker={marker}"
            answer = self._ask("GET", query)
            if answer.status == 404:
                return found
            page = [str(each["name"]) for each in json.loads(self._said(answer, "GET container").body or b"[]")]
            found += page
            if len(page) < PAGE:
                return found

    async def remove(self, backup: str, names: Collection[str]) -> None:
        """The objects are gone."""
        await in_thread(self._remove, names)

    def _remove(self, names: Collection[str]) -> None:
        for name in names:
            answer = self._ask("DELETE", f"/{quote(name)}")
            if answer.status != 404:
                self._said(answer, f"DELETE {name}")

    # The other cloud.

    def _said(self, answer: Answer, what: str) -> Answer:
        if answer.status >= 400:
            text = answer.body[:200].decode(errors="replace")
            raise DriverError("The other cloud refuses", f"{what} answers {answer.status}: {text}")
        return answer

    def _ask(self, method: str, rest: str, content: bytes = b"") -> Answer:
        """What object storage says of something in the container; a token that is refused is had anew, once."""
        access = self._known(None)
        where = f"{access.url}/{quote(self._account.container)}{rest}"
        answer = self._try(method, where, {"x-auth-token": access.token}, content)
        if answer.status == 401:
            again = self._known(access)
            answer = self._try(method, where, {"x-auth-token": again.token}, content)
        return answer

    def _known(self, refused: Access | None) -> Access:
        with self._lock:
            if self._access is None or self._access is refused:
                self._access = self._log_in()
            return self._access

    def _log_in(self) -> Access:
        account = self._account
        try:
            password = Path(account.password_file).read_text().strip()
        except OSError as failed:
            raise DriverError(
                "The other cloud cannot be asked", f"{account.password_file}: {failed.strerror}"
            ) from failed
        asked = json.dumps(account.question(password)).encode()
        url = f"{account.auth_url.rstrip('/')}/auth/tokens"
        answer = self._try("POST", url, {"content-type": "application/json"}, asked)
        if answer.status != 201:
            raise DriverError("The other cloud refuses", f"a token of {account.auth_url} answers {answer.status}")
        catalog = json.loads(answer.body)["token"].get("catalog", [])
        return Access(answer.headers["x-subject-token"], _objects_in(catalog, account.region))

    def _try(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        for tries in range(1, TRIES + 1):
            try:
                answer = self._once(method, url, headers, content)
                if answer.status not in AGAIN or tries == TRIES:
                    return answer
            except (OSError, http.client.HTTPException) as failed:
                if tries == TRIES:
                    where = urlsplit(url).netloc
                    raise DriverError("The other cloud cannot be reached", f"{where}: {failed}") from failed
            time.sleep(self._pause_s * 2**tries)
        raise AssertionError("the last try has returned or raised")

    def _once(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        parts = urlsplit(url)
        connection = (
            http.client.HTTPSConnection(parts.netloc, timeout=PATIENCE_S, context=self._tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
        )
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target, content, dict(headers))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read())
        finally:
            connection.close()


def _objects_in(catalog: Collection[Mapping[str, Any]], region: str) -> str:
    """Where the catalog says objects are; raises DriverError."""
    for service in catalog:
        for endpoint in service.get("endpoints", ()) if service.get("type") == OBJECTS else ():
            if endpoint.get("interface") == "public" and region in {"", endpoint.get("region")}:
                return str(endpoint["url"]).rstrip("/")
    raise DriverError(
        "The other cloud has no object storage", f"its catalog has none for region {region or 'of any name'}"
    )
