"""The catalog of metadata definitions that a new cloud is given."""

from pathlib import Path
from typing import Any

from tests.image.harness import Service, run

from pileus.main.metadefs import catalog
from pileus.main.seed import metadefs

SPACES = "/v2/metadefs/namespaces"
TYPES = {"string", "integer", "number", "boolean", "array"}
EVERYWHERE = {
    "CIM::ProcessorAllocationSettingData", "CIM::VirtualSystemSettingData", "OS::Compute::CPUPinning",
    "OS::Compute::LibvirtImage", "OS::Compute::Quota", "OS::Compute::Watchdog", "OS::Glance::CommonImageProperties",
    "OS::Glance::Signatures", "OS::OperatingSystem", "OS::Software::DBMS",
}  # fmt: skip


def properties_of(space: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = dict(space.get("properties", {}))
    for one in space.get("objects", ()):
        found |= one["properties"]
    return found


def test_the_catalog_is_whole_and_says_of_everything_what_it_is() -> None:
    spaces = {space["namespace"]: space for space in catalog()}
    assert 32 == len(spaces)
    assert spaces.keys() >= EVERYWHERE
    assert 197 == sum(len(properties_of(space)) for space in spaces.values())
    for space in spaces.values():
        assert 10 < len(space["description"]) <= 500
        for name, one in properties_of(space).items():
            assert one["type"] in TYPES, name
            assert one["title"], name
            assert one["description"].endswith("."), name
            assert one.get("default") in {None, *one.get("enum", [one.get("default")])}, name
    pinning = spaces["OS::Compute::CPUPinning"]
    assert ["shared", "dedicated"] == pinning["properties"]["cpu_policy"]["enum"]
    ties = {
        (tie["name"], tie.get("prefix"), tie.get("properties_target")) for tie in pinning["resource_type_associations"]
    }
    assert {
        ("OS::Glance::Image", "hw_", None),
        ("OS::Cinder::Volume", "hw_", "image"),
        ("OS::Nova::Flavor", "hw:", None),
    } == ties


class Kept:
    """An administrator who posts to nothing but a list."""

    def __init__(self, *known: str) -> None:
        self.spaces: list[dict[str, Any]] = [{"namespace": name} for name in known]

    def get(self, _service: str, _path: str, **_query: object) -> dict[str, Any]:
        return {"namespaces": list(self.spaces)}

    def post(self, _service: str, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.spaces.append(body)
        return body


def test_what_is_there_already_is_left_alone() -> None:
    admin = Kept("OS::Compute::Watchdog")
    metadefs(admin)  # type: ignore[arg-type]  # as much of a client as this takes
    assert 32 == len(admin.spaces)
    assert {"namespace": "OS::Compute::Watchdog"} == admin.spaces[0]


def test_the_image_service_takes_and_shows_all_of_it(tmp_path: Path) -> None:
    async def test(cloud: Service) -> None:
        for space in catalog():
            status, made, _ = await cloud.ask("POST", SPACES, space, token="root")
            assert 201 == status, made
            shown = (await cloud.ask("GET", f"{SPACES}/{space['namespace']}"))[1]
            assert space.get("properties", {}) == shown.get("properties", {})
            assert ("public", space["protected"]) == (shown["visibility"], shown["protected"])
            assert properties_of(space) == properties_of(shown)
        listed = (await cloud.ask("GET", f"{SPACES}?resource_types=OS::Nova::Flavor&limit=100"))[1]["namespaces"]
        assert {"OS::Compute::Watchdog", "OS::Compute::Quota"} <= {space["namespace"] for space in listed}
        prefixed = (await cloud.ask("GET", f"{SPACES}/OS::Compute::Watchdog?resource_type=OS::Nova::Flavor"))[1]
        assert ["hw:watchdog_action"] == list(prefixed["properties"])

    run(tmp_path, test)
