"""Changes that are meant for one revision of a thing."""

from typing import Any

import pytest

Open = Any


async def _put(n: Any, place: str, body: Any, revision: str) -> Any:
    return await n.ask("PUT", f"/v2.0/{place}", body, headers={"if-match": revision})


async def test_a_change_meant_for_another_revision_is_refused(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        there = (await n.get(f"networks/{network}"))["revision_number"]
        place, body = f"networks/{network}", {"network": {"name": "new"}}
        stale = await _put(n, place, body, f"revision_number={there + 1}")
        assert (412, "RevisionNumberConstraintFailed") == (stale.status, stale.kind)
        good = await _put(n, place, body, f"revision_number={there}")
        assert (200, there + 1) == (good.status, good.body["network"]["revision_number"])
        gone = await n.ask("DELETE", f"/v2.0/{place}", headers={"if-match": f"revision_number={there}"})
        assert 412 == gone.status
        last = await n.ask("DELETE", f"/v2.0/{place}", headers={"if-match": f"revision_number={there + 1}"})
        assert 204 == last.status


@pytest.mark.parametrize("wrong", ["3", "revision_number=", "revision_number=x", "*", "revision_number=-1"])
async def test_a_condition_nobody_understands_is_refused(net: Open, wrong: str) -> None:
    async with net() as n:
        router = (await n.make("routers"))["id"]
        assert 400 == (await _put(n, f"routers/{router}", {"router": {"name": "x"}}, wrong)).status
        assert 200 == (await n.ask("GET", f"/v2.0/routers/{router}", headers={"if-match": wrong})).status
