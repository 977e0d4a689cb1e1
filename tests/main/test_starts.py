"""Controllers that start at the same time on one new database make one cloud of it."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.postgres import Server
from tests.scale.controllers import Controller

pytestmark = [pytest.mark.client, pytest.mark.postgres, pytest.mark.timeout(600)]

LISTS = {
    "domains": "/identity/v3/domains",
    "projects": "/identity/v3/projects",
    "users": "/identity/v3/users",
    "roles": "/identity/v3/roles",
    "services": "/identity/v3/services",
    "regions": "/identity/v3/regions",
}


async def test_three_controllers_that_start_at_once_make_one_cloud(tmp_path: Path, postgres_server: Server) -> None:
    database = postgres_server.fresh()
    controllers = [Controller(tmp_path, name, database, agent=name == "a") for name in "abc"]
    try:
        await asyncio.gather(*(controller.start() for controller in controllers))
        for key, path in LISTS.items():
            answers = [(await controller.ask("GET", path)).json[key] for controller in controllers]
            names = Counter(item.get("name", item["id"]) for item in answers[0])
            assert [] == [name for name, times in names.items() if times > 1], key
            ids = [[item["id"] for item in answer] for answer in answers]
            assert ids[0] == ids[1] == ids[2], key
        endpoints = (await controllers[0].ask("GET", "/identity/v3/endpoints")).json["endpoints"]
        assert [1] == list({*Counter((one["service_id"], one["interface"]) for one in endpoints).values()})
        # A token of one is good for the others: they sealed it with the same keys.
        controllers[1].use(controllers[0].token)
        assert 200 == (await controllers[1].ask("GET", "/identity/v3/projects")).status
        for controller in controllers:
            controller.end()
        await asyncio.gather(*(controller.start() for controller in controllers))
        for controller in controllers:
            assert 200 == (await controller.ask("GET", "/identity/v3/users")).status
    finally:
        for controller in controllers:
            controller.end()
        postgres_server.drop(database)
