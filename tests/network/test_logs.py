"""Logs of what security groups let through and drop."""

from typing import Any

Open = Any
Json = dict[str, Any]


async def _log(n: Any, who: str = "mona", **values: Any) -> Any:
    return await n.ask("POST", "/v2.0/log/logs", {"log": {"resource_type": "security_group", **values}}, who)


async def _logged(n: Any) -> dict[str, tuple[str | None, str | None]]:
    await n.settle()
    return {group.id: (group.log_accepted, group.log_dropped) for group in n.fabric.topology.security_groups}


async def test_a_log_is_switched_on_and_off(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network)
        (group,) = port["security_groups"]
        made = await _log(n, name="l", event="DROP", resource_id=group)
        log = made.body["log"]
        assert (201, "DROP", True, group, None, "p1") == (
            made.status, *(log[name] for name in ("event", "enabled", "resource_id", "target_id", "project_id"))
        )  # fmt: skip
        assert {group: (None, log["id"])} == await _logged(n)
        place = f"/v2.0/log/logs/{log['id']}"
        off = await n.ask("PUT", place, {"log": {"enabled": False, "name": "m"}}, "mona")
        assert (200, False, "m") == (off.status, off.body["log"]["enabled"], off.body["log"]["name"])
        assert {group: (None, None)} == await _logged(n)
        assert 400 == (await n.ask("PUT", place, {"log": {"event": "ALL"}}, "mona")).status
        assert [log["id"]] == [each["id"] for each in await n.get("log/logs?enabled=False", "mona")]
        assert 204 == (await n.ask("DELETE", place, who="mona")).status
        assert 404 == (await n.ask("GET", place, who="mona")).status
        assert [{"type": "security_group"}] == await n.get("log/loggable-resources", "mona")


async def test_a_log_is_of_one_group_of_a_ports_groups_or_of_all(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        one, two = [(await n.make("security-groups", name=name))["id"] for name in ("one", "two")]
        port = await n.make("ports", network_id=network, security_groups=[one])
        await n.make("ports", network_id=network, security_groups=[two])
        theirs, _ = await n.network("bob")
        (other,) = (await n.make("ports", "bob", network_id=theirs))["security_groups"]
        of_port = (await _log(n, event="ACCEPT", target_id=port["id"])).body["log"]["id"]
        assert {one: (of_port, None), two: (None, None), other: (None, None)} == await _logged(n)
        await n.ask("DELETE", f"/v2.0/log/logs/{of_port}", who="mona")
        of_all = (await _log(n)).body["log"]["id"]
        assert {one: (of_all, of_all), two: (of_all, of_all), other: (None, None)} == await _logged(n)


async def test_what_cannot_be_logged_is_refused(net: Open) -> None:
    async with net() as n:
        network, _ = await n.network()
        port = await n.make("ports", network_id=network)
        group = (await n.make("security-groups", name="g"))["id"]
        (theirs,) = await n.get("security-groups", "bob")
        wrong: tuple[tuple[int, str, Json], ...] = (
            (400, "InvalidLogResourceType", {"resource_type": "network"}),
            (404, "ResourceNotFound", {"resource_id": theirs["id"]}),
            (404, "TargetResourceNotFound", {"target_id": "nothing"}),
            (400, "InvalidResourceConstraint", {"resource_id": group, "target_id": port["id"]}),
        )
        for status, kind, values in wrong:
            answer = await _log(n, **values)
            assert (status, kind) == (answer.status, answer.kind)
        assert 400 == (await _log(n, event="SOME")).status
        assert 403 == (await _log(n, "alice")).status
        assert 403 == (await n.ask("GET", "/v2.0/log/loggable-resources", who="rita")).status
