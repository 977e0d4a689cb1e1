"""Schemathesis asks every operation of every service, at the microversions where anything changes, for what its document
promises and for what it forbids: no answer is ever a failure of the server.

Seeded: a run asks what the run before it asked. The long run asks more: each operation at every microversion where its own
part of the document differs from what it was before. SCHEMATHESIS_EXAMPLES says how many examples of each kind one gets there.
"""

import functools
import json
import operator
import os
import random
import re
from collections.abc import Container, Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from tests.main.assembled import Answered

from pileus.kit.http.openapi import document, versions
from pileus.kit.http.version import Version

from .services import manifests
from .survey import Surveyed

MANIFESTS = manifests()
SAMPLE = 20  # operations of a service at a microversion that the short run asks
SHORT, LONG = 1, int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))  # examples of each kind an operation gets
NOT_THERE = "00000000-0000-4000-8000-000000000000"
# What a request may take away that the next ones need: the admin who asks, and what he asks with.
LEFT_ALONE = re.compile(r"/v3/(users|projects|domains|roles|auth|services|endpoints|regions)\b.*")
WAYS = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surveyed]:
    with Surveyed(tmp_path_factory.mktemp("surveyed")) as made:
        yield made


def at_ends(service: str) -> list[Version | None]:
    found = versions(MANIFESTS[service].API)
    return [found[0], found[-1]] if found else [None]


def at_each(service: str) -> list[Version | None]:
    return [*versions(MANIFESTS[service].API)] or [None]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", MANIFESTS)
def test_no_request_makes_a_service_fail(service: str, cloud: Surveyed) -> None:
    assert [] == [failed for at in at_ends(service) for failed in surveyed(cloud, service, at, SHORT, SAMPLE)]


@pytest.mark.scale
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("service", MANIFESTS)
def test_no_request_makes_a_service_fail_at_any_microversion(service: str, cloud: Surveyed) -> None:
    declared: dict[str, str] = {}
    before, shapes = cloud.asked, 0
    failed = []
    cloud.not_offered.clear()
    for at in at_each(service):
        failed += surveyed(cloud, service, at, LONG, among=(news := changed(service, at, declared)))
        shapes += len(news)
    print(f"{service}: {cloud.asked - before} requests of {len(declared)} operations in {shapes} shapes")
    for operation, why in sorted(cloud.not_offered.items()):
        print(f"    not offered here: {operation}: {why}")
    assert [] == failed


def changed(service: str, at: Version | None, declared: dict[str, str]) -> set[str]:
    """The operations that are declared otherwise at this microversion than when they were last declared, which they are now."""
    manifest = MANIFESTS[service]
    made = document(manifest.API, mount=manifest.MOUNT, release="1", at=at)
    found = set()
    for path, operations in made["paths"].items():
        for method, about in operations.items():
            told = json.dumps(whole(about, made), sort_keys=True)
            label = f"{method.upper()} {path}"
            if declared.get(label) != told:
                found.add(label)
                declared[label] = told
    return found


def whole(part: Any, made: dict[str, Any], within: tuple[str, ...] = ()) -> Any:
    """A part of a document with all it refers to written out; what refers to itself is left as it is."""
    if isinstance(part, list):
        return [whole(one, made, within) for one in part]
    if not isinstance(part, dict):
        return part
    name = part.get("$ref")
    if isinstance(name, str) and name not in within:
        target = functools.reduce(operator.getitem, name.removeprefix("#/").split("/"), made)
        return whole(target, made, (*within, name))
    return {key: whole(one, made, within) for key, one in part.items()}


def surveyed(
    cloud: Surveyed,
    service: str,
    at: Version | None,
    examples: int,
    sample: int | None = None,
    among: Container[str] | None = None,
) -> list[str]:
    """A line for each operation that failed the server: of all, of those named, or of some that are drawn by the service's name."""
    manifest = MANIFESTS[service]
    made = document(manifest.API, mount=manifest.MOUNT, release="1", at=at)
    spoken = manifest.API.microversions
    version = {"openstack_api_version": f"{spoken.service_type} {at}"} if at is not None and spoken else {}
    found = []
    cloud.renew()
    operations = [result.ok() for result in schemathesis.openapi.from_dict(made).get_all_operations()]
    if among is not None:
        operations = [operation for operation in operations if operation.label in among]
    if sample is not None and sample < len(operations):
        operations = random.Random(f"{service} {at}").sample(operations, sample)
    for operation in operations:
        for way in WAYS:
            failed = first_failure(cloud, f"/{manifest.MOUNT}", operation, way, version, examples)
            if failed:
                found.append(f"{service} {at} {failed}")
        if operation.method.upper() != "GET":
            cloud.renew()
    return found


def first_failure(
    cloud: Surveyed, mount: str, operation: Any, way: GenerationMode, version: dict[str, str], examples: int
) -> str:
    """What went wrong with the operation, or nothing."""
    failures: list[str] = []

    @hypothesis.seed(20)
    @hypothesis.settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy(generation_mode=way))
    def one(case: Any) -> None:
        path = mount + located(cloud, operation)
        body = case.body if isinstance(case.body, bytes) else encoded(case.body)
        headers = {**version, "content_type": case.media_type or "application/json"}
        answer: Answered = cloud.ask(operation.method.upper(), f"{path}?{query(case.query)}", body, headers)
        # What is not offered yet, or not configured, says so, as services do whose driver cannot do a thing.
        told = next((why for why in (b"does not offer", b"is not set up here") if why in answer.body), b"")
        offered = not (answer.status == 501 and told)
        if not offered:
            cloud.not_offered[f"{operation.method.upper()} {mount}{operation.path}"] = answer.json
        if answer.status >= 500 and offered and not failures:
            failures.append(f"{operation.method.upper()} {path}?{query(case.query)} {body[:300]!r}: {answer}")

    try:
        one()
    except (hypothesis.errors.Unsatisfiable, schemathesis.errors.SchemathesisError):
        return ""  # a schema without wrong bodies, such as one that takes anything
    return failures[0] if failures else ""


def located(cloud: Surveyed, operation: Any) -> str:
    """The path with the ids of things that are there, unless it is to take them away."""
    keep = operation.method == "delete" or LEFT_ALONE.fullmatch(operation.path)

    def id_of(found: re.Match[str]) -> str:
        if found[1] == "v2.1":
            return f"/v2.1/{cloud.ids['project_id']}"
        return f"/{found[1]}/{NOT_THERE if keep else cloud.ids.get(found[1], NOT_THERE)}"

    return re.sub(r"\{[^}]+\}", "x", re.sub(r"/([a-z0-9_.-]+)/\{[^}]+\}", id_of, operation.path))


def encoded(body: Any) -> bytes:
    if type(body).__name__ == "NotSet" or body is None:
        return b""
    return json.dumps(body, default=lambda odd: f"{random.Random(0).random()}{odd}").encode(errors="surrogatepass")


def query(parameters: Any) -> str:
    from urllib.parse import urlencode

    try:
        return urlencode(dict(parameters or {}), doseq=True, errors="replace")
    except (TypeError, ValueError):
        return ""
