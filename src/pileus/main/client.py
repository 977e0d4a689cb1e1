"""A small OpenStack client, for the commands of this program: they use the public APIs as anybody would."""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from pileus.kit.errors import Problem

Json = dict[str, Any]


class ApiProblem(Problem):
    """{method} {url} answered {status}: {text}"""


class Unreachable(Problem):
    """Nobody answers at {url}: {why}"""


class Client:
    """One user in one project, with a token and the catalog."""

    def __init__(self, auth_url: str, user: str, password: str, project: str, authority: str = "") -> None:
        self._authority = authority
        self.project_id = ""
        self._token = ""
        self._endpoints: dict[str, str] = {}
        self._versions = {"compute": "compute 2.102", "placement": "placement 1.39"}
        domain = {"id": "default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": user, "domain": domain, "password": password}},
                },
                "scope": {"project": {"name": project, "domain": domain}},
            }
        }
        answer, headers = self._send("POST", f"{auth_url}/auth/tokens", json.dumps(body).encode(), {})
        self._token = headers["x-subject-token"]
        token = json.loads(answer)["token"]
        self.project_id = token["project"]["id"]
        for service in token["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["interface"] == "public":
                    self._endpoints[service["type"]] = endpoint["url"].rstrip("/")

    def get(self, service: str, path: str, **query: str) -> Json:
        """Read something."""
        return self.ask("GET", service, path + (f"?{urlencode(query)}" if query else ""))

    def post(self, service: str, path: str, body: Json) -> Json:
        """Create something, or act on it."""
        return self.ask("POST", service, path, body)

    def ask(self, method: str, service: str, path: str, body: Json | None = None) -> Json:
        """Any request with JSON both ways."""
        raw = None if body is None else json.dumps(body).encode()
        answer, _ = self._send(method, self._endpoints[service] + path, raw, self._headers(service))
        return json.loads(answer) if answer else {}

    def upload(self, service: str, path: str, file: Path) -> None:
        """Send a file as the body of a PUT."""
        headers = {**self._headers(service), "Content-Type": "application/octet-stream"}
        with file.open("rb") as body:
            headers["Content-Length"] = str(file.stat().st_size)
            self._send("PUT", self._endpoints[service] + path, body, headers)

    def by_name(self, service: str, path: str, key: str, name: str) -> Json | None:
        """The first item of a list that has the name."""
        found = [item for item in self.get(service, path, name=name)[key] if item["name"] == name]
        return found[0] if found else None

    def _headers(self, service: str) -> dict[str, str]:
        headers = {"X-Auth-Token": self._token}
        if service in self._versions:
            headers["OpenStack-API-Version"] = self._versions[service]
        return headers

    def _send(self, method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[bytes, Mapping[str, str]]:
        parts = urlsplit(url)
        connection = connect(parts.hostname or "", parts.port, self._authority if parts.scheme == "https" else None)
        if body is not None and "Content-Type" not in headers:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except OSError as failed:
            raise Unreachable(url=url, why=failed) from failed
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiProblem(method=method, url=url, status=answer.status, text=data.decode(errors="replace")[:500])
        return data, {name.lower(): value for name, value in answer.getheaders()}


def connect(host: str, port: int | None, authority: str | None, timeout_s: float = 60.0) -> http.client.HTTPConnection:
    """A connection, by TLS unless `authority` is None; empty means the authorities of the system."""
    if authority is None:
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    context = ssl.create_default_context(cafile=authority or None)
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)


def until(what: Callable[[], Any], deadline_s: float, every_s: float = 0.5) -> Iterator[Any]:
    """Yield what a question answers, again and again, until the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        yield what()
        time.sleep(every_s)
