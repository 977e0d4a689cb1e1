"""Documents become plugs and doors, and what is there is told, wanted or not."""

from pileus.kit.hosts.agent import Handler
from pileus.network.agent.handlers import MetadataHandler, Plugged, PortHandler, metadata_body, port_body
from pileus.network.drivers.fake import FakeFabric, FakeMetadataDoors, FakePlug
from pileus.network.drivers.interface import MetadataDoor, PortPlug


async def test_port_document_is_plugged_and_unplugged() -> None:
    plug = FakePlug(FakeFabric(), "host-a")
    handler: Handler = PortHandler(plug)
    body = port_body(PortPlug("0123456789abcdef", "fa:16:3e:00:00:01"))
    assert Plugged("tap0123456789a") == await handler.ensure("0123456789abcdef", body, 1)
    assert {"0123456789abcdef": {}} == await handler.observe()
    await handler.ensure_gone("0123456789abcdef")
    assert {} == await handler.observe()


async def test_metadata_document_survives_fields_of_a_newer_controller() -> None:
    doors = FakeMetadataDoors()
    handler: Handler = MetadataHandler(doors)
    door = MetadataDoor(network="n", port="p", mac="fa:16:3e:00:00:01", cidrs=("10.0.0.0/24",))
    await handler.ensure("n", {**metadata_body(door), "colour": "red"}, 1)
    assert {"n": door} == doors.doors
    await handler.ensure_gone("n")
    assert set() == await doors.there()
