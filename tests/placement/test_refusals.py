"""Who may not, must not: derived from the routes themselves."""

import re

from tests.placement.harness import Service, run

from pileus.placement.manifest import API

SOMETHING = "90000000-0000-0000-0000-000000000000"


def test_every_route_refuses_strangers_and_mere_members() -> None:
    async def test(cloud: Service) -> None:
        seen = 0
        for route in API.routes:
            path = re.sub(r"\{[a-z_]+\}", SOMETHING, route.path)
            at = str(max(route.since, API.microversions.lowest)) if API.microversions else "1.0"
            if route.rule is None:
                continue
            assert 401 == (await cloud.ask(route.method, path, token=None, at=at))[0]
            assert 401 == (await cloud.ask(route.method, path, token="nonsense", at=at))[0]
            assert 403 == (await cloud.ask(route.method, path, token="nobody", at=at))[0], path
            seen += 1
        assert seen > 30

    run(test)


def test_services_may_whatever_the_administrator_may() -> None:
    async def test(cloud: Service) -> None:
        assert 200 == (await cloud.ask("GET", "/resource_providers", token="service"))[0]

    run(test)


def test_before_their_version_routes_are_not_there() -> None:
    async def test(cloud: Service) -> None:
        assert 404 == (await cloud.ask("GET", "/traits", at="1.5"))[0]
        assert 404 == (await cloud.ask("GET", "/allocation_candidates", at="1.9"))[0]
        assert 406 == (await cloud.ask("GET", "/traits", at="1.40"))[0]
        assert 405 == (await cloud.ask("PATCH", "/traits"))[0]

    run(test)
