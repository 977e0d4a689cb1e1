"""Whatever takes several steps is killed between them: every flow of every service stands in the crash list of its service."""

from tests.block_storage import test_crash as of_volumes
from tests.compute import test_crash as of_servers
from tests.every.services import manifests
from tests.image import test_import_crash as of_images

# What each list plays, undisturbed, to the end: survives_crashes() holds them to it.
LISTS = {"block_storage": of_volumes.PASSES, "compute": of_servers.PASSES, "image": of_images.PASSES}


def test_every_flow_is_killed_at_every_point() -> None:
    flows = {name: {flow.name for flow in manifest.FLOWS} for name, manifest in manifests().items()}
    spared = {name: sorted(own - set(LISTS.get(name, {}).values())) for name, own in flows.items()}
    assert {} == {name: own for name, own in spared.items() if own}
    assert {name for name, own in flows.items() if own} == LISTS.keys()


def test_what_a_list_says_it_plays_is_played() -> None:
    assert of_volumes.PASSES.keys() <= of_volumes.SCENES.keys()
    assert of_servers.PASSES.keys() <= set(of_servers.VERBS)
    assert of_images.PASSES.keys() <= set(of_images.VERBS)
