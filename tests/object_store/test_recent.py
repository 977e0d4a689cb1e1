"""Small objects that were used a moment ago are read without a thread; what they are is never taken from memory when it has changed."""

from pathlib import Path

from tests.object_store.world import Service, run

from pileus.object_store.disk.objects import ObjectFiles, open_at_once
from pileus.object_store.models.paths import Path as Name


def held(service: Service, name: str) -> tuple[ObjectFiles, int, str]:
    """The files of an object of container c: whose, which partition and which hash."""
    rings = service.app.cluster.rings
    path = Name("AUTH_p1", "c", name)
    hash = rings.hash(path)
    device = next(iter(service.app.server.devices))
    return device.objects(0), rings.objects[0].partition(hash), hash


def file_of(service: Service, name: str) -> Path:
    objects, partition, hash = held(service, name)
    (found,) = (one for one in Path(objects.folder(partition, hash)).iterdir() if one.name.startswith(hash))
    return found


def test_what_was_written_is_read_at_once(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"small")
        known = held(service, "o")[0].recent.of(held(service, "o")[2])
        assert known is not None
        assert str(file_of(service, "o")) == known.path
        opened = open_at_once(held(service, "o")[0], held(service, "o")[2])
        assert opened is None or (b"small", 5) == (
            opened.first,
            opened.size,
        )  # not every filesystem tells what is in memory
        assert b"small" == (await service.ask("GET", "c/o")).body

    run(tmp_path, story)


def test_whatever_changes_an_object_is_seen_at_once(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        for number in range(3):
            body = b"%d" % number
            await service.put("c/o", body)
            assert body == (await service.ask("GET", "c/o")).body
        await service.ask("POST", "c/o", headers={"X-Object-Meta-Colour": "red"})
        said = await service.ask("GET", "c/o")
        assert (b"2", "red") == (said.body, said.headers["x-object-meta-colour"])
        await service.ask("DELETE", "c/o")
        assert 404 == (await service.ask("GET", "c/o")).status

    run(tmp_path, story)


def test_what_is_damaged_or_gone_on_the_disk_is_not_told_from_memory(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        for name in ("damaged", "gone"):
            await service.put(f"c/{name}", b"small")
        with file_of(service, "damaged").open("r+b") as file:
            file.write(b"S")
        file_of(service, "gone").unlink()
        assert 404 == (await service.ask("GET", "c/damaged")).status
        assert 404 == (await service.ask("GET", "c/gone")).status

    run(tmp_path, story)


def test_what_is_learned_while_an_object_changes_is_not_believed(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o", b"old")
        objects, _, hash = held(service, "o")
        turn, path = objects.recent.turn(hash), str(file_of(service, "o"))
        await service.put("c/o", b"new")
        objects.recent.learn(path, {}, 3, turn)
        assert b"new" == (await service.ask("GET", "c/o")).body

    run(tmp_path, story)
