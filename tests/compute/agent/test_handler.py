"""The handler stands between documents and a hypervisor."""

import msgspec
from tests.compute.drivers.contract import a_server

from pileus.compute.agent import ServerHandler, seen_of, wanted_body
from pileus.compute.drivers.fake import Fake
from pileus.compute.drivers.interface import ABSENT, PowerSeen
from pileus.kit.hosts.agent import Handler


async def test_makes_a_server_from_its_document_and_tells_what_is_seen() -> None:
    handler: Handler = ServerHandler(Fake())
    server = a_server()
    seen = await handler.ensure(server.id, wanted_body(server), 1)
    assert PowerSeen.ON is seen_of(msgspec.to_builtins(seen)).power
    assert {server.id: msgspec.to_builtins(seen)} == await handler.observe()
    await handler.ensure_gone(server.id)
    assert {} == await handler.observe()


async def test_reads_documents_of_a_newer_controller() -> None:
    handler, server = ServerHandler(Fake()), a_server()
    seen = await handler.ensure(server.id, {**wanted_body(server), "invented_later": {"x": 1}}, 1)
    assert PowerSeen.ON is seen.power


async def test_says_when_a_server_ended_by_itself() -> None:
    fake = Fake()
    handler, server, heard = ServerHandler(fake), a_server(), []
    handler.wake(lambda kind, id: heard.append((kind, id)))
    await handler.ensure(server.id, wanted_body(server), 1)
    fake.lose_power(server.id)
    assert [("server", server.id)] == heard


async def test_tells_what_the_host_has() -> None:
    assert 1024 == (await ServerHandler(Fake()).facts())["cpus"]


def test_a_report_that_says_nothing_is_of_an_absent_server() -> None:
    assert ABSENT == seen_of({})
