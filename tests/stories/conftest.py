"""One cloud with fakes for all stories that leave it as they find it."""

from collections.abc import Iterator

import pytest
from tests.clients.cloud import RunningCloud, running_cloud
from tests.stories.world import World, furnish


@pytest.fixture(scope="session")
def cloud() -> Iterator[RunningCloud]:
    """A cloud with fakes, in which demo has something of everything."""
    with running_cloud() as made:
        yield made


@pytest.fixture(scope="session")
def world(cloud: RunningCloud) -> World:
    """What demo has."""
    return furnish(cloud)
