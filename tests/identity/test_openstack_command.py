"""The `openstack` command against identity alone, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.clients.shell import OpenStackShell
from tests.ports import free_port

from pileus.identity.manifest import API, METADATA, IdentityPort, ServiceEntry, bootstrap, build
from pileus.kit.clock import SystemClock
from pileus.kit.db import Database, create_all
from pileus.kit.http import Kernel
from pileus.kit.http.server import Application, Granian, until_listening

pytestmark = pytest.mark.client
OPENED: list[OpenStackShell] = []


class Shell:
    """Runs `openstack` as one user."""

    def __init__(self, port: int, **changes: str) -> None:
        environment = {
            "PATH": "/usr/bin:/bin",
            "OS_AUTH_URL": f"http://127.0.0.1:{port}/identity/v3",
            "OS_IDENTITY_API_VERSION": "3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": "secret",
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            **changes,
        }
        self._shell = OpenStackShell(environment, Path("/nonexistent"))
        OPENED.append(self._shell)

    async def run(self, *words: str) -> tuple[int, str, str]:
        said = await asyncio.to_thread(self._shell.run, words)
        return said.code, said.out, said.text

    async def __call__(self, *words: str) -> str:
        code, out, err = await self.run(*words)
        assert 0 == code, f"openstack {' '.join(words)}: {err}"
        return out

    async def json(self, *words: str) -> Any:
        return json.loads(await self(*words, "-f", "json"))


@asynccontextmanager
async def served(state: Path) -> AsyncIterator[int]:
    """Identity on a port of its own."""
    db = await Database.open(":memory:")
    await create_all(db, METADATA)
    app = build(db=db, clock=SystemClock(), state=state)
    kernel = Kernel(IdentityPort(app))
    kernel.mount("identity", API, app)
    port = free_port()
    await bootstrap(
        app,
        admin_password="secret",
        public_url=f"http://127.0.0.1:{port}",
        services=[ServiceEntry.at("identity", "keystone", "Identity", "/identity/v3")],
    )
    listener = Granian(Application(kernel, {}), "127.0.0.1", port)
    serving = asyncio.create_task(listener.serve())
    await until_listening("127.0.0.1", port)
    try:
        yield port
    finally:
        while OPENED:
            OPENED.pop().close()
        listener.stop()
        await serving
        await db.close()


async def test_an_administrator_runs_a_cloud_with_the_openstack_command(tmp_path: Path) -> None:
    async with served(tmp_path) as port:
        shell = Shell(port)
        token = await shell.json("token", "issue")
        assert token["id"].startswith("gAAAA")

        domain = await shell.json("domain", "create", "--description", "d", "dom")
        project = await shell.json("project", "create", "--domain", "dom", "--tag", "t", "--property", "k=v", "proj")
        assert domain["id"] == project["domain_id"]
        assert ["proj"] == [
            one["Name"] for one in await shell.json("project", "list", "--domain", "dom", "--tags", "t")
        ]
        await shell("project", "set", "--description", "new", "--domain", "dom", "proj")
        assert "new" == (await shell.json("project", "show", "--domain", "dom", "proj"))["description"]

        await shell("user", "create", "--domain", "dom", "--password", "p", "--email", "a@b", "ann")
        await shell("user", "set", "--domain", "dom", "--description", "x", "ann")
        ann = await shell.json("user", "show", "--domain", "dom", "ann")
        assert ("a@b", "x") == (ann["email"], ann["description"])
        assert ["ann"] == [one["Name"] for one in await shell.json("user", "list", "--domain", "dom")]

        grant = ("--user", ann["id"], "--project", project["id"], "member")
        await shell("role", "add", *grant)
        held = await shell.json("role", "assignment", "list", "--names", "--user", ann["id"])
        assert [("member", "ann@dom", "proj@dom")] == [(one["Role"], one["User"], one["Project"]) for one in held]
        await check_member(Shell(port, **as_ann(ann["id"], project["id"])))
        await shell("role", "remove", *grant)

        await shell("project", "delete", project["id"])
        await shell("user", "delete", ann["id"])
        await shell("domain", "set", "--disable", "dom")
        await shell("domain", "delete", "dom")
        assert ["Default"] == [one["Name"] for one in await shell.json("domain", "list")]


def as_ann(user_id: str, project_id: str) -> dict[str, str]:
    return {
        "OS_USER_ID": user_id,
        "OS_PASSWORD": "p",
        "OS_PROJECT_ID": project_id,
        "OS_USERNAME": "",
        "OS_PROJECT_NAME": "",
        "OS_USER_DOMAIN_ID": "",
        "OS_PROJECT_DOMAIN_ID": "",
    }


async def check_member(ann: Shell) -> None:
    """What a member sees, and what is kept from them."""
    assert (await ann.json("token", "issue"))["id"]
    assert ["keystone"] == [one["Name"] for one in await ann.json("catalog", "list")]
    code, _, err = await ann.run("user", "list")
    assert 0 != code
    assert "identity:list_users" in err
    await ann("user", "password", "set", "--original-password", "p", "--password", "q")
    code, _, err = await ann.run("token", "issue")
    assert 0 != code
    assert "requires authentication" in err


async def test_catalog_groups_and_roles_with_the_openstack_command(tmp_path: Path) -> None:
    async with served(tmp_path) as port:
        shell = Shell(port)
        assert ["identity"] == [one["Type"] for one in await shell.json("service", "list")]
        await shell("region", "create", "R2")
        await shell("service", "create", "--name", "store", "object-store")
        await shell("endpoint", "create", "--region", "R2", "store", "public", "http://s/%(project_id)s")
        assert 4 == len(await shell.json("endpoint", "list"))
        assert {"keystone", "store"} == {one["Name"] for one in await shell.json("catalog", "list")}

        await shell("group", "create", "crew")
        await shell("group", "add", "user", "crew", "admin")
        assert "in group" in await shell("group", "contains", "user", "crew", "admin")
        await shell("role", "create", "auditor")
        await shell("implied", "role", "create", "auditor", "--implied-role", "reader")
        assert 4 == len(await shell.json("implied", "role", "list"))
        await shell("role", "add", "--group", "crew", "--system", "all", "auditor")
        held = await shell.json("role", "assignment", "list", "--names", "--group", "crew")
        assert [("auditor", "crew@Default", "all")] == [(one["Role"], one["Group"], one["System"]) for one in held]
        system = Shell(port, OS_SYSTEM_SCOPE="all", OS_PROJECT_NAME="", OS_PROJECT_DOMAIN_ID="")
        assert {"admin"} == {one["Name"] for one in await system.json("user", "list")}
        await shell("group", "delete", "crew")
        await shell("role", "delete", "auditor")
