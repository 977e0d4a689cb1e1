"""Messages without delimiters are cut where they end, and a peer that goes away is noticed."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.network.drivers.interface import DriverError
from pileus.network.drivers.ovn.jsonrpc import Connection, Framer, RpcFailed, appctl
from pileus.network.drivers.ovn.ovsdb import Ovsdb
from pileus.network.drivers.ovn.values import Uuid, from_wire, to_wire


@given(
    st.lists(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.text()))), max_size=4),
    st.integers(1, 7),
)
def test_cuts_any_stream_where_messages_end(messages, size) -> None:
    import msgspec

    stream = b"".join(msgspec.json.encode(message) for message in messages)
    framer = Framer()
    found = [text for at in range(0, len(stream), size) for text in framer.feed(stream[at : at + size])]
    assert messages == [msgspec.json.decode(text) for text in found]


def test_values_survive_the_wire() -> None:
    assert frozenset(("a",)) == from_wire("a") == from_wire(["set", ["a"]])
    assert "a" == to_wire(frozenset(("a",)))
    assert ["set", []] == to_wire(frozenset())
    assert ["map", [["a", "1"], ["b", "2"]]] == to_wire({"b": "2", "a": "1"})
    assert frozenset((Uuid("u"),)) == from_wire(["uuid", "u"])


async def test_appctl_says_which_daemon_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(RpcFailed, match=r"gone\.ctl"):
        await appctl(tmp_path / "gone.ctl", "version")


async def test_who_listens_and_never_answers_is_given_up(tmp_path: Path) -> None:
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda reader, writer: writers.append(writer), tmp_path / "db.sock")
    connection = await Connection.open(tmp_path / "db.sock", answer_s=0.05)
    with pytest.raises(RpcFailed, match="no answer to transact"):
        await connection.call("transact", [])
    await connection.closed.wait()
    await connection.close()
    writers[0].close()
    await writers[0].wait_closed()
    server.close()


async def test_database_that_is_not_there_is_an_error_in_time(tmp_path: Path) -> None:
    database = Ovsdb(tmp_path / "db.sock", "OVN_Northbound", {})
    with pytest.raises(DriverError, match="no answer within"):
        await database.start(deadline_s=0.05)
    with pytest.raises(DriverError, match="not connected"):
        await database.transact([])
    await database.stop()


async def test_copies_tables_and_comes_back_after_the_server_went_away(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "db.sock"
    path.parent.mkdir()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import msgspec

        writers.append(writer)
        framer = Framer()
        while chunk := await reader.read(1000):
            for text in framer.feed(chunk):
                asked = msgspec.json.decode(text)
                rows = {"T": {"u": {"new": {"name": f"row {len(writers)}"}}}}
                writer.write(msgspec.json.encode({"id": asked["id"], "result": rows, "error": None}))
        writer.close()

    import os

    folder = os.open(path.parent, os.O_PATH)
    server = await asyncio.start_unix_server(serve, f"/proc/self/fd/{folder}/db.sock")
    database = Ovsdb(path, "X", {"T": ("name",)})
    await database.start()
    assert frozenset(("row 1",)) == database.rows("T")["u"]["name"]

    writers[0].close()
    while database.rows("T")["u"]["name"] != frozenset(("row 2",)):
        await asyncio.sleep(0.01)
    await database.wait_ready()

    await database.stop()
    server.close()
    await server.wait_closed()
    os.close(folder)
