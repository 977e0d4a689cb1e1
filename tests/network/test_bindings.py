"""Bindings of a port: one host it is on, others it may move to, and the move itself."""

from typing import Any

Open = Any


async def _port(n: Any) -> tuple[str, str]:
    network, _ = await n.network()
    port = await n.make("ports", network_id=network)
    return port["id"], f"/v2.0/ports/{port['id']}/bindings"


async def _bind(n: Any, path: str, host: str, who: str = "nova", **claims: Any) -> Any:
    return await n.ask("POST", path, {"binding": {"host": host, **claims}}, who)


async def test_a_port_moves_from_host_to_host(net: Open) -> None:
    async with net() as n:
        port, path = await _port(n)
        first = await _bind(n, path, "h1", profile={"a": 1})
        assert (201, "ACTIVE", "ovs", {"a": 1}) == (
            first.status, *(first.body["binding"][name] for name in ("status", "vif_type", "profile"))
        )  # fmt: skip
        second = await _bind(n, path, "h2")
        assert (201, "INACTIVE", "p1") == (
            second.status, second.body["binding"]["status"], second.body["binding"]["project_id"]
        )  # fmt: skip
        assert 409 == (await _bind(n, path, "h2")).status
        assert "h1" == (await n.get(f"ports/{port}", "root"))["binding:host_id"]

        moved = await n.ask("PUT", f"{path}/h2/activate", who="nova")
        assert (200, "ACTIVE") == (moved.status, moved.body["binding"]["status"])
        assert "h2" == (await n.get(f"ports/{port}", "root"))["binding:host_id"]
        assert [("h2", "ACTIVE"), ("h1", "INACTIVE")] == [
            (each["host"], each["status"]) for each in await n.get(f"ports/{port}/bindings", "root")
        ]
        again = await n.ask("PUT", f"{path}/h2/activate", who="nova")
        assert (409, "PortBindingAlreadyActive") == (again.status, again.kind)

        assert 204 == (await n.ask("DELETE", f"{path}/h1", who="nova")).status
        assert 404 == (await n.ask("GET", f"{path}/h1", who="nova")).status
        assert 204 == (await n.ask("DELETE", f"{path}/h2", who="nova")).status
        assert "" == (await n.get(f"ports/{port}", "root"))["binding:host_id"]


async def test_a_binding_is_shown_and_changed(net: Open) -> None:
    async with net() as n:
        _, path = await _port(n)
        for host in ("h1", "h2"):
            await _bind(n, path, host)
            changed = await n.ask("PUT", f"{path}/{host}", {"binding": {"profile": {"b": 2}}}, "nova")
            assert {"b": 2} == changed.body["binding"]["profile"]
            assert {"b": 2} == (await n.ask("GET", f"{path}/{host}", who="nova")).body["binding"]["profile"]


async def test_only_services_bind(net: Open) -> None:
    async with net() as n:
        _, path = await _port(n)
        assert 403 == (await _bind(n, path, "h1", "alice")).status
        assert 403 == (await n.ask("GET", path)).status
        assert 200 == (await n.ask("GET", path, who="root")).status


async def test_compute_moving_a_port_leaves_no_binding_behind(net: Open) -> None:
    async with net() as n:
        port, path = await _port(n)
        await _bind(n, path, "h1")
        await _bind(n, path, "h2")
        await n.put("ports", port, "nova", **{"binding:host_id": "h2"})
        assert ["h2"] == [each["host"] for each in await n.get(f"ports/{port}/bindings", "root")]
