"""Encrypted volumes: their keys are made, copied and sealed here, named in no document, and open what QEMU reads and writes."""

import json
import subprocess
import uuid
from pathlib import Path

import msgspec
import pytest
from tests.block_storage.drivers.contract import a_disk, of
from tests.block_storage.drivers.test_file import FileWorld, TestFile
from tests.block_storage.world import CALLERS, IMAGE, World, a_world

from pileus.block_storage.drivers import luks
from pileus.block_storage.drivers.interface import GIB, Backup, Disk, DriverError, Kind, Luks, Origin
from pileus.block_storage.port import VolumePort
from pileus.block_storage.store.volumes import volumes as rows
from pileus.kit.errors import NotFound, Unavailable
from pileus.kit.run import run

LUKS = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}


async def a_type(world: World, name: str = "secret", **changes: object) -> str:
    made = await world.got("POST", "/types", {"volume_type": {"name": name}}, by="root")
    id = str(made["volume_type"]["id"])
    await world.got("POST", f"/types/{id}/encryption", {"encryption": {**LUKS, **changes}}, by="root")
    return id


async def key_of(world: World, volume: str) -> bytes:
    return await VolumePort(world.app).keys.fetch(volume)


async def test_each_encrypted_volume_has_a_key_of_its_own_and_a_plain_one_has_none() -> None:
    async with a_world() as world:
        await a_type(world)
        one, other = [await world.volume(volume_type="secret") for _ in range(2)]
        assert (64, 64) == (len(await key_of(world, one)), len(await key_of(world, other)))
        assert await key_of(world, one) != await key_of(world, other)
        shown = await world.show(one)
        assert (True, 36) == (shown["encrypted"], len(shown["encryption_key_id"]))
        plain = await world.volume()
        assert (False, False) == (
            (await world.show(plain))["encrypted"],
            "encryption_key_id" in await world.show(plain),
        )
        with pytest.raises(NotFound):
            await key_of(world, plain)


async def test_what_is_copied_of_an_encrypted_volume_is_opened_by_its_key() -> None:
    async with a_world() as world:
        await a_type(world)
        volume = await world.volume(volume_type="secret")
        key = await key_of(world, volume)
        taken = await world.got("POST", "/snapshots", {"snapshot": {"volume_id": volume}})
        kept = await world.got("POST", "/backups", {"backup": {"volume_id": volume}})
        await world.settle()
        copies = [
            await world.volume(source_volid=volume),
            await world.volume(snapshot_id=taken["snapshot"]["id"]),
            await world.volume(backup_id=kept["backup"]["id"]),
        ]
        restored = await world.got("POST", f"/backups/{kept['backup']['id']}/restore", {"restore": {}})
        await world.settle()
        copies.append(restored["restore"]["volume_id"])
        for copy in copies:
            assert ("available", True) == ((await world.show(copy))["status"], (await world.show(copy))["encrypted"])
            assert key == await key_of(world, copy)
        names = [(await world.show(each))["encryption_key_id"] for each in (volume, *copies)]
        assert len(names) == len(set(names))


async def test_what_is_encrypted_stays_so_and_what_is_not_does_too() -> None:
    async with a_world() as world:
        await a_type(world)
        plain, secret = await world.volume(), await world.volume(volume_type="secret")
        for source, type in ((plain, "secret"), (secret, "__DEFAULT__")):
            answer = await world.ask(
                "POST", "/volumes", {"volume": {"size": 1, "source_volid": source, "volume_type": type}}
            )
            assert (400, True) == (answer.status, "encrypted stays so" in answer.body["badRequest"]["message"])
        answer = await world.act(secret, os__volume_upload_image={"image_name": "i"})
        assert (400, True) == (answer.status, "is encrypted" in answer.body["badRequest"]["message"])


async def test_no_document_names_a_key_and_no_row_shows_one() -> None:
    async with a_world() as world:
        await a_type(world)
        volume = await world.volume(volume_type="secret")
        key = (await key_of(world, volume)).decode()
        wanted = msgspec.json.encode(await world.hosts.wanted_list()).decode()
        assert (True, False) == (volume in wanted, key in wanted)
        row = await rows.find(world.app, volume)
        assert key not in str(row)
        for path in (f"/volumes/{volume}", f"/volumes/{volume}/encryption"):
            assert key not in json.dumps(await world.got("GET", path, by="root"))


async def test_a_host_is_told_to_open_what_it_is_given() -> None:
    async with a_world() as world:
        await a_type(world)
        volume, port = await world.volume(volume_type="secret"), VolumePort(world.app)
        await port.reserve(volume, volume, "s", CALLERS["alice"])
        how = await port.connect(volume, "h1")
        assert ("luks", "raw") == (how.format, how.within)


@pytest.mark.parametrize(("type", "format"), [("secret", "luks"), ("__DEFAULT__", "qcow2")])
async def test_a_host_is_told_what_the_file_is(type: str, format: str) -> None:
    async with a_world() as world:
        await a_type(world)
        world.backends["h1"].format = "qcow2"
        volume, port = await world.volume(volume_type=type), VolumePort(world.app)
        await port.reserve(volume, volume, "s", CALLERS["alice"])
        how = await port.connect(volume, "h1")
        assert (format, "qcow2") == (how.format, how.within)


async def test_a_key_that_was_sealed_with_a_lost_one_is_said_to_be_lost() -> None:
    async with a_world() as world:
        await a_type(world)
        volume = await world.volume(volume_type="secret")
        row = await rows.find(world.app, volume)
        assert row is not None
        await rows.change(world.app, row, sealed_key="by nobody")
        with pytest.raises(Unavailable, match=volume):
            await key_of(world, volume)


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({"provider": "plain"}, ("xts-plain64", 256)),
        ({"provider": "nova.volume.encryptors.cryptsetup.CryptsetupEncryptor", "key_size": 512}, ("xts-plain64", 512)),
        ({"provider": "luks2", "cipher": None, "key_size": None}, ("xts-plain64", 512)),
        ({"cipher": "aes-cbc-essiv:sha256", "key_size": None}, ("cbc-essiv:sha256", 256)),
    ],
)
async def test_whatever_the_provider_is_called_a_host_is_told_the_cipher_and_the_size_of_its_key(
    changes: dict[str, object], how: tuple[str, int]
) -> None:
    async with a_world() as world:
        await a_type(world, **changes)
        volume = await world.volume(volume_type="secret")
        wanted = await world.hosts.wanted("h1", Kind.VOLUME, volume)
        assert wanted is not None
        assert how == tuple(wanted.body["luks"]["how"].values())
        for name, value in {**LUKS, **changes}.items():
            assert value == (await world.got("GET", f"/volumes/{volume}/encryption", by="root")).get(name)


@pytest.mark.parametrize(
    "changes", [{"provider": "NoOpEncryptor"}, {"cipher": "serpent-cbc"}, {"key_size": 128}, {"cipher": "aes-ecb"}]
)
async def test_a_way_of_encryption_that_is_not_offered_is_refused_at_once(changes: dict[str, object]) -> None:
    async with a_world() as world:
        await a_type(world, **changes)
        answer = await world.ask("POST", "/volumes", {"volume": {"size": 1, "volume_type": "secret"}})
        assert (400, True) == (answer.status, "not offered" in answer.body["badRequest"]["message"])


# The bytes.


class OneKey:
    """Keeps pileus.ports.volume_keys.VolumeKeys."""

    async def fetch(self, volume_id: str) -> bytes:
        return b"a key of " + volume_id.encode()


class NoOthers:
    def reading(self, origin: Origin, spool: Path, *, live: bool) -> object:
        raise AssertionError


def a_secret_disk(**changes: object) -> Disk:
    disk = a_disk(**changes)
    return msgspec.structs.replace(disk, luks=Luks(volume_id=disk.id))


def a_file_world(root: Path, image: bytes = b"an image" * 512) -> FileWorld:
    world = FileWorld(root, image)
    world.backend.meet(NoOthers(), OneKey())  # type: ignore[arg-type]
    return world


async def test_an_encrypted_disk_begins_as_luks_and_is_as_long_as_it_has_to_be(tmp_path: Path) -> None:
    world, contract = a_file_world(tmp_path), TestFile()
    disk = a_secret_disk()
    assert 1 == (await contract.made(world, disk)).size_gib
    file = world.file(Kind.VOLUME, disk.id)
    assert (GIB + luks.PAYLOAD, True) == (
        file.stat().st_size,
        world.read(Kind.VOLUME, disk.id).startswith(b"LUKS\xba\xbe"),
    )
    assert 2 == (await contract.made(world, msgspec.structs.replace(disk, size_gib=2))).size_gib
    assert 2 * GIB + luks.PAYLOAD == file.stat().st_size
    assert [file.name] == [path.name for path in file.parent.iterdir()]
    await world.backend.close()


async def test_a_host_without_keys_makes_no_disk_that_is_not_encrypted_instead(tmp_path: Path) -> None:
    world, contract = FileWorld(tmp_path), TestFile()
    with pytest.raises(DriverError, match="cannot be encrypted"):
        await contract.made(world, a_secret_disk())
    assert {} == {id: seen for id, seen in (await world.backend.observe(Kind.VOLUME)).items() if seen.path}  # type: ignore[union-attr]


def test_no_two_headers_are_the_same() -> None:
    one, other = luks.header(b"k"), luks.header(b"k")
    assert (luks.PAYLOAD, luks.PAYLOAD) == (len(one), len(other))
    assert one[4096:8192] != other[4096:8192]


@pytest.mark.host
class TestWithQemu:
    async def io(
        self, file: Path, key: bytes, *commands: str, check: bool = True
    ) -> "subprocess.CompletedProcess[bytes]":
        options = f"driver=luks,key-secret=k,file.driver=file,file.filename={file}"
        words = [word for command in commands for word in ("-c", command)]
        argv = ["qemu-io", "--object", "secret,id=k,file=/dev/stdin", "--image-opts", options, *words]
        return subprocess.run(argv, input=key, capture_output=True, check=check)

    async def test_qemu_opens_it_with_its_key_and_no_other_and_copies_with_the_same(self, tmp_path: Path) -> None:
        world, contract = a_file_world(tmp_path), TestFile()
        disk = a_secret_disk()
        await contract.made(world, disk)
        key = b"a key of " + disk.id.encode()
        file = world.file(Kind.VOLUME, disk.id)
        await self.io(file, key, "write -P 7 0 64k", f"write -P 8 {GIB - 65536} 64k")
        assert b"Invalid password" in (await self.io(file, b"another", "read 0 512", check=False)).stderr
        assert bytes([7]) * 16 not in world.read(Kind.VOLUME, disk.id)

        snapshot = a_secret_disk(origin=of(Kind.VOLUME, disk.id))
        await contract.made(world, snapshot, Kind.SNAPSHOT)
        backup = Backup(id=str(uuid.uuid4()), backend="b", of=of(Kind.VOLUME, disk.id))
        await contract.backed_up(world, backup)
        for origin in (of(Kind.SNAPSHOT, snapshot.id), of(Kind.BACKUP, backup.id)):
            copy = a_secret_disk(origin=origin, size_gib=2)
            await contract.made(world, copy)
            kept = ("read -P 7 0 64k", f"read -P 8 {GIB - 65536} 64k", f"write -P 9 {2 * GIB - 512} 512")
            await self.io(world.file(Kind.VOLUME, copy.id), key, *kept)
        for chunk in (tmp_path / Kind.BACKUP).rglob("*"):
            assert chunk.is_dir() or bytes([7]) * 16 not in chunk.read_bytes()
        await world.backend.close()

    @pytest.mark.parametrize("how", [(mode, bits) for mode, known in luks.KEY_BITS.items() for bits in known])
    async def test_each_cipher_that_is_offered_is_what_qemu_finds_and_opens(
        self, tmp_path: Path, how: tuple[str, int]
    ) -> None:
        file, key = tmp_path / "disk", b"a key"
        file.write_bytes(luks.header(key, luks.Cipherment(*how)))
        with file.open("r+b") as disk:
            disk.truncate(luks.PAYLOAD + 2**20)
        await self.io(file, key, "write -P 7 0 64k", "read -P 7 0 64k")
        assert b"Invalid password" in (await self.io(file, b"another", "read 0 512", check=False)).stderr
        options = f"driver=luks,key-secret=k,file.driver=file,file.filename={file}"
        argv = ["qemu-img", "info", "--object", "secret,id=k,file=/dev/stdin", "--image-opts", options]
        told = subprocess.run(argv, input=key, capture_output=True, check=True).stdout.decode()
        said = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in told.splitlines()}
        mode, _, vector = how[0].partition("-")
        assert (mode, vector.partition(":")[0]) == (said["cipher mode"], said["ivgen alg"])
        # XTS takes two keys, of which QEMU names one by the cipher.
        assert f"aes-{how[1] // (2 if mode == 'xts' else 1)}" == said["cipher alg"]

    async def test_an_image_is_written_encrypted_and_its_plain_bytes_are_nowhere(self, tmp_path: Path) -> None:
        room = tmp_path / "work"
        room.mkdir()
        (room / "raw").write_bytes(b"an image" * 512)
        await run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "raw", "made"], cwd=room)
        for format, image in (("raw", b"an image" * 500), ("qcow2", (room / "made").read_bytes())):
            world, contract = a_file_world(tmp_path / format, image), TestFile()
            disk = a_secret_disk(origin=Origin(kind="image", id=IMAGE, format=format))
            await contract.made(world, disk)
            file = world.file(Kind.VOLUME, disk.id)
            assert [file.name] == [path.name for path in file.parent.iterdir()]
            with file.open("rb") as disk_file:
                assert b"an image" not in disk_file.read(luks.PAYLOAD + 8192)
            options = f"driver=luks,key-secret=k,file.driver=file,file.filename={file}"
            argv = ["qemu-img", "dd", "--object", "secret,id=k,file=/dev/stdin", "--image-opts", f"if={options}"]
            subprocess.run([*argv, "-O", "raw", "bs=4000", "count=1", f"of={room}/{format}"], input=b"a key of "
                           + disk.id.encode(), check=True, capture_output=True)  # fmt: skip
            assert (room / format).read_bytes().startswith(b"an image" * 500)
            await world.backend.close()
