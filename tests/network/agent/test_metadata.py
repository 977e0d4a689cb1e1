"""Documents become doors, and what is there is told, wanted or not."""

from pileus.kit.hosts.agent import Handler
from pileus.network.agent.metadata import MetadataHandler, metadata_body
from pileus.network.drivers.fake import FakeMetadataDoors
from pileus.network.drivers.interface import MetadataDoor


async def test_metadata_document_survives_fields_of_a_newer_controller() -> None:
    doors = FakeMetadataDoors()
    handler: Handler = MetadataHandler(doors)
    door = MetadataDoor(network="n", port="p", mac="fa:16:3e:00:00:01", cidrs=("10.0.0.0/24",))
    await handler.ensure("n", {**metadata_body(door), "colour": "red"}, 1)
    assert {"n": door} == doors.doors
    await handler.ensure_gone("n")
    assert set() == await doors.there()
