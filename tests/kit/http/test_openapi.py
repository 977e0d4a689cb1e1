"""The document derived from declarations."""

import importlib.util
from pathlib import Path

from pileus.kit.http.openapi import document

_spec = importlib.util.spec_from_file_location("things_kernel", Path(__file__).with_name("test_kernel.py"))
assert _spec and _spec.loader
things = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(things)


def test_every_operation_is_in_the_document_with_its_policy() -> None:
    found = document(things.api, mount="things", release="1")
    assert {"get", "post"} == set(found["paths"]["/v2.1/things"])
    shown = found["paths"]["/v2.1/things/{thing_id}"]["get"]
    assert "things:show" == shown["x-openstack-policy"]["rule"]
    assert ["os-lock", "os-seal"] == found["paths"]["/v2.1/things/{thing_id}/action"]["post"]["x-actions"]
    body = found["paths"]["/v2.1/things"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = body["properties"]["thing"]["$ref"].rpartition("/")[2]
    assert 5 == found["components"]["schemas"][name]["properties"]["name"]["maxLength"]
    assert {"min": "2.1", "max": "2.9"} == found["x-openstack-microversions"]


def test_a_token_can_be_carried_in_either_header() -> None:
    found = document(things.api, mount="things", release="1")
    ways = found["components"]["securitySchemes"]
    assert ("header", "X-Auth-Token", "bearer") == (
        *(ways["token"][key] for key in ("in", "name")),
        ways["bearer"]["scheme"],
    )
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    assert {(), ("token", "bearer")} >= {tuple(name for way in one["security"] for name in way) for one in operations}
    assert any(one["security"] for one in operations)
