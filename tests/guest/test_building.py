"""How the guest's parts are made, without a network and without booting."""

import argparse
import struct
import subprocess
from pathlib import Path

import pytest

from pileus.guest import CannotBuildGuest, cpio, disk, ensure, initrd, make, modules
from pileus.guest.build import recipe
from pileus.main.commands import image

RELEASE = "6.1.0-0-cloud-amd64"


def a_module(*needs: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"


def modules_tree(root: Path, **needs: tuple[str, ...]) -> Path:
    folder = root / "lib/modules" / RELEASE
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    for name, names in needs.items():
        (folder / f"{name}.ko").write_bytes(a_module(*names))
    return root


def test_an_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    parts = [cpio.file("bin/a", b"hello", 0o755), cpio.folder("bin"), cpio.link("b", "bin/a")]
    subprocess.run(["cpio", "-idm", "--quiet"], input=cpio.archive(parts), cwd=tmp_path, check=True)

    assert b"hello" == (tmp_path / "b").read_bytes()
    assert 0o755 == (tmp_path / "bin/a").stat().st_mode & 0o777


def test_equal_trees_give_equal_archives() -> None:
    parts = [cpio.folder("a"), cpio.file("a/b", b"1"), cpio.character_device("c", 5, 1)]
    assert cpio.archive(parts) == cpio.archive(reversed(parts))


def test_a_module_brings_all_it_needs(tmp_path: Path) -> None:
    tree = modules_tree(tmp_path, virtio=(), ring=("virtio",), net=("ring", "fail"), fail=(), other=())
    found = {entry.path: entry.content for entry in modules.entries(tree, RELEASE, ["net"])}
    home = f"lib/modules/{RELEASE}"

    assert {f"{home}/{name}.ko" for name in ("virtio", "ring", "net", "fail")} < found.keys()
    assert f"{home}/other.ko" not in found
    assert b"net.ko: fail.ko ring.ko virtio.ko\n" in found[f"{home}/modules.dep"]


def test_a_dash_in_a_file_name_is_an_underscore_in_a_dependency(tmp_path: Path) -> None:
    tree = modules_tree(tmp_path, **{"virtio-rng": (), "user": ("virtio_rng",)})
    assert any(entry.path.endswith("/virtio-rng.ko") for entry in modules.entries(tree, RELEASE, ["user"]))


def test_what_is_built_in_needs_no_file_and_what_is_nowhere_is_an_error(tmp_path: Path) -> None:
    tree = modules_tree(tmp_path, a=())
    assert 2 == len(modules.entries(tree, RELEASE, ["ext4"]))
    with pytest.raises(KeyError, match="missing"):
        modules.entries(tree, RELEASE, ["missing"])


def test_the_boot_record_names_both_partitions() -> None:
    record = disk.boot_record(b"\xeb" * 440, 20 * disk.MIB)
    active, first = record[446], struct.unpack("<II", record[454:462])
    second = struct.unpack("<II", record[470:478])

    assert (512, b"\x55\xaa", disk.ACTIVE) == (len(record), record[-2:], active)
    assert (2048, 20 * 2048) == first
    assert (21 * 2048, 16 * 2048) == second


async def test_a_guest_that_is_there_is_used_without_asking_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / f"guest-{RELEASE}+{recipe()}").mkdir()
    heard: list[str] = []

    found = await ensure(tmp_path, heard.append)

    assert RELEASE == found.version
    assert not heard


async def test_without_apt_the_error_says_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotBuildGuest, match="apt-"):
        await make(tmp_path / "cache", print)


def test_scripts_are_executable_wherever_they_were_unpacked_from() -> None:
    own = {entry.path: entry.mode & 0o7777 for entry in initrd.own_files()}
    assert 0o755 == own["usr/lib/guest/boot"]
    assert 0o600 == own["etc/shadow"]
    assert 0o644 == own["etc/inittab"]


def test_the_command_takes_where_to_and_whether_anew() -> None:
    parser = argparse.ArgumentParser()
    image.configure(parser)
    args = parser.parse_args(["build", "--output", "x", "--force"])

    assert (Path("x"), True) == (args.output, args.force)


@pytest.mark.host
@pytest.mark.parametrize(
    ("document", "leaves"),
    [
        ('{"a": {"b": 1}, "c": [true, {"d": null}]}', "a.b\t1\nc.0\ttrue\nc.1.d\tnull\n"),
        (r'{"keys": {"my.key": "ssh-rsa A\u003d\/B me\n"}}', "keys.my.key\tssh-rsa A=/B me\n"),
        (r'{"a": "say \"hi\" {[,:]}", "e": "", "f": {}, "g": []}', 'a\tsay "hi" {[,:]}\n'),
        ('{"a": [1, 2', "a.0\t1\na.1\t2\n"),
    ],
)
def test_the_guest_reads_json(document: str, leaves: str) -> None:
    script = initrd.OURS / "usr/lib/guest/json-leaves"
    done = subprocess.run(
        ["busybox", "awk", "-f", str(script)], check=True, input=document, capture_output=True, text=True, timeout=10
    )
    assert leaves == done.stdout


@pytest.mark.host
@pytest.mark.parametrize("script", sorted((initrd.OURS / "usr/lib/guest").iterdir()), ids=lambda path: path.name)
def test_every_script_parses(script: Path) -> None:
    if "awk" not in script.read_text().splitlines()[0]:
        subprocess.run(["busybox", "sh", "-n", str(script)], check=True, timeout=10)
