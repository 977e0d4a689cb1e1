"""The document of the API can be made: every shape in it has a schema."""

from pileus.compute.manifest import API
from pileus.kit.http.openapi import document


def test_every_operation_is_in_the_document() -> None:
    paths = document(API, mount="/compute", release="1")["paths"]
    assert any(path.endswith("/os-simple-tenant-usage/{project_id}") for path in paths)
