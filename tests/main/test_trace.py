"""The story of one request, from the database and the log."""

import json
from pathlib import Path

import pytest
from tests.main.assembled import assembled

from pileus.main.trace import NoSuchRequest, story, told

ID = "req-11111111-2222-4333-8444-555555555555"


@pytest.mark.slow
async def test_a_boot_is_told_from_the_request_to_the_running_server(tmp_path: Path) -> None:
    async with assembled(tmp_path) as cloud:
        _, image, network = await cloud.furnish()
        server = {"name": "one", "flavorRef": "1", "imageRef": image, "networks": [{"uuid": network}]}
        asked = await cloud.ask("POST", "/compute/v2.1/servers", {"server": server}, x_openstack_request_id=ID)
        assert asked.headers["x-openstack-request-id"] == ID
        await cloud.until_quiet()
        line = {
            "at": "2999-01-01T00:00:00.000+00:00",
            "level": "warning",
            "event": "late word",
            "request": ID,
            "host": "h1",
        }
        other = {**line, "request": "req-other", "event": f"speaks of {ID}"}
        cloud.state.log.write_text(f"{json.dumps(line)}\n{json.dumps(other)}\n" + json.dumps(line)[:40])
        lines = told(await story(cloud.db, cloud.state.log, ID))
        with pytest.raises(NoSuchRequest, match="req-none"):
            await story(cloud.db, cloud.state.log, "req-none")
    text = "\n".join(lines)
    order = [
        "server.boot of server:",
        "step       claim room",
        "step       bind ports",
        "step       start on host",
        "is done after",
        "late word  host=h1",
    ]
    places = [text.find(part) for part in order]
    assert -1 not in places, text
    assert places == sorted(places), text
    assert "event      server.created" in text
    assert "speaks of" not in text
