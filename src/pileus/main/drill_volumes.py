"""What a drill asks of volumes: where the cloud dies meanwhile, and what must be true of each volume's bytes in the end.

Volumes begin with noise that an image brought, or with nothing. After each fault the file of each must hold that, a server's volume is
open in its QEMU and nowhere else, and no file is left of what is gone or of work that was broken off.
"""

from collections.abc import Callable

import msgspec

from pileus.main.drill_files import BACKUP, SNAPSHOT, VOLUME
from pileus.main.drill_scene import ABSENT, Json, Scene
from pileus.main.drill_verbs import ANSWER, Chapter, Verb, faults_of, life, with_a_guest

HERE, THERE = "drill-here", "drill-there"  # volume types: one back end each
KEPT = ("volume.keep@before rename", "volume.keep@after rename")
FORGOTTEN = ("volume.forget@before", "volume.forget@after")
AVAILABLE = "available"


def volume_chapters() -> tuple[Chapter, ...]:
    """A volume's life in several ways, and a server's around them."""
    blank, grown, gone = _created("volume create", _blank, blank=True), _grown(), _gone("volume")
    made = _created("volume of an image", _of_image)
    there, back = _retyped("volume retype", THERE), _retyped("volume retype back", HERE)
    move, return_ = _moved("attached volume retype", THERE), _moved("attached volume retype back", HERE)
    attach, detach = _attached(), _detached()
    return (
        with_a_guest((attach, move, return_, detach), (made,), (gone,)),
        Chapter((blank, grown, gone)),
        Chapter((made, there, back, gone)),
        Chapter(_copies(), (made,), (gone,)),
        Chapter(_backups(), (made,), (gone,)),
        _life(),
    )


def _life() -> Chapter:
    """A server's birth and death, undisturbed: the drill of servers is about those."""
    return Chapter(tuple(msgspec.structs.replace(verb, places=(), real=()) for verb in life().verbs))


def _qmp(*names: str) -> tuple[str, ...]:
    return tuple(f"qmp.{where}@{name}" for name in names for where in ("before", "after"))


def _left(scene: Scene) -> str:
    """What is over, for the end of a sentence; nothing if nothing is."""
    ids = {
        kind: {str(each["id"]) for each in scene.client.get("block-storage", path, all_tenants="1")[many]}
        for kind, path, many in (
            (VOLUME, "/volumes", "volumes"), (SNAPSHOT, "/snapshots", "snapshots"), (BACKUP, "/backups", "backups"),
        )
    }  # fmt: skip
    over = scene.folders.over(ids)
    return f", left over: {' '.join(over)}" if over else ""


def _disk(kind: str, folder: str = VOLUME, *, blank: bool = False) -> Callable[[Scene], str]:
    """How a volume or a snapshot is, and its bytes are."""

    def seen(scene: Scene) -> str:
        shown = scene.show(kind)
        if shown is None:
            return ABSENT + _left(scene)
        if shown["status"] != AVAILABLE:
            return str(shown["status"])
        return f"{shown['size']} GiB, {scene.folders.state(folder, str(shown['id']), blank=blank)}{_left(scene)}"

    return seen


def _created(name: str, about: Callable[[Scene], Json], *, blank: bool = False, kind: str = "volume") -> Verb:
    from pileus.block_storage.flows.create import CREATE

    inside = () if blank else ("volume.fill@begun",)
    return Verb(
        name, lambda scene: scene.make(kind, {"size": 1, **about(scene)}), _disk(kind, blank=blank), "1 GiB, whole",
        "volume.created", (*faults_of(CREATE), f"{ANSWER}@POST */volumes"), (*inside, *KEPT), makes=kind,
    )  # fmt: skip


def _blank(scene: Scene) -> Json:
    return {"volume_type": HERE}


def _of_image(scene: Scene) -> Json:
    return {"volume_type": HERE, "imageRef": scene.images["noise"]}


def _gone(kind: str) -> Verb:
    from pileus.block_storage.flows.delete import DELETE

    return Verb(
        f"{kind} delete", lambda scene: scene.change("DELETE", kind), _disk(kind), ABSENT, "volume.deleted",
        (*faults_of(DELETE), f"{ANSWER}@DELETE */volumes/*"), FORGOTTEN,
    )  # fmt: skip


def _act(name: str, **about: object) -> Callable[[Scene], object]:
    return lambda scene: scene.change("POST", "volume", "/action", {name: about})


def _grown() -> Verb:
    from pileus.block_storage.flows.change import EXTEND

    return Verb(
        "volume extend", _act("os-extend", new_size=2), _disk("volume", blank=True), "2 GiB, whole", "volume.extended",
        (*faults_of(EXTEND), f"{ANSWER}@POST */volumes/*/action"), tuple(f"volume.grow@{where}" for where in ("before", "before sync", "after")),
    )  # fmt: skip


def _retyped(name: str, type: str) -> Verb:
    from pileus.block_storage.flows.move import MOVE

    disk = _disk("volume")

    def seen(scene: Scene) -> str:
        shown = scene.show("volume") or {}
        return f"{shown.get('volume_type')}: {disk(scene)}"

    steps = (*faults_of(MOVE), f"{ANSWER}@POST */volumes/*/action")
    # A pretended volume is forgotten by a process that dies, and its host told of the new place only: nothing is there to copy.
    return Verb(
        name, _act("os-retype", new_type=type, migration_policy="on-demand"), seen, f"{type}: 1 GiB, whole",
        "volume.retyped", real=(*steps, "volume.fill@begun", *KEPT, *FORGOTTEN),
    )  # fmt: skip


# With a server.


def _with_server(scene: Scene) -> str:
    """Who has the volume, as block storage, the server and the machine say."""
    shown = scene.show("volume") or {"status": ABSENT, "attachments": []}
    path = f"/servers/{scene.id('server')}/os-volume_attachments"
    had = [each["volumeId"] for each in scene.client.get("compute", path)["volumeAttachments"]]
    kept = [each["server_id"] for each in shown["attachments"]]
    open_ = scene.folders.holders(str(shown.get("id")))
    if scene.server() != "ACTIVE" or shown["status"] not in {AVAILABLE, "in-use"}:
        return f"{shown['status']}, server {scene.server()}"
    state = scene.folders.state(VOLUME, str(shown["id"]), blank=False) + _left(scene)
    if (shown["status"], had, kept) == ("in-use", [shown["id"]], [scene.id("server")]) and open_ in {None, 1}:
        return f"attached, {state}"
    if (shown["status"], had, kept) == (AVAILABLE, [], []) and open_ in {None, 0}:
        return f"free, {state}"
    return f"{shown['status']}, had as {had}, kept for {kept}, open in {open_} processes, {state}"


def _attached() -> Verb:
    from pileus.compute.flows.volumes import ATTACH_VOLUME

    def ask(scene: Scene) -> None:
        body = {"volumeAttachment": {"volumeId": scene.id("volume")}}
        scene.change("POST", "server", "/os-volume_attachments", body)

    return Verb(
        "volume attach", ask, _with_server, "attached, whole", "server.volume_attached",
        (*faults_of(ATTACH_VOLUME), f"{ANSWER}@POST */servers/*/os-volume_attachments"),
        _qmp("add-fd", "blockdev-add", "device_add"),
    )  # fmt: skip


def _detached() -> Verb:
    from pileus.compute.flows.volumes import DETACH_VOLUME

    def ask(scene: Scene) -> None:
        scene.change("DELETE", "server", f"/os-volume_attachments/{scene.id('volume')}")

    return Verb(
        "volume detach", ask, _with_server, "free, whole", "server.volume_detached",
        (*faults_of(DETACH_VOLUME), f"{ANSWER}@DELETE */servers/*/os-volume_attachments/*"),
        _qmp("device_del", "blockdev-del"),
    )  # fmt: skip


def _moved(name: str, type: str) -> Verb:
    from pileus.block_storage.flows.move import MOVE
    from pileus.compute.flows.volume_changes import SWAP_VOLUME

    def seen(scene: Scene) -> str:
        shown = scene.show("volume") or {}
        return f"{shown.get('volume_type')}: {_with_server(scene)}"

    swapped = tuple(f"qemu.swap@{place}" for place in ("opened", "begun", "ready", "stopped", "noted", "finalized"))
    steps = (*faults_of(MOVE), *faults_of(SWAP_VOLUME), f"{ANSWER}@POST */volumes/*/action")
    # A pretended server dies with the process, and nobody else can copy what it has: the volume then stays where it is.
    return Verb(
        name, _act("os-retype", new_type=type, migration_policy="on-demand"), seen, f"{type}: attached, whole",
        "volume.retyped", real=(*steps, *swapped),
    )  # fmt: skip


# Copies.


def _copies() -> tuple[Verb, ...]:
    from pileus.block_storage.flows.copies import SNAPSHOT as TAKE
    from pileus.block_storage.flows.delete import SNAPSHOT_DELETE

    seen = _disk("volume snapshot", SNAPSHOT)
    take = Verb(
        "volume snapshot", lambda scene: scene.make("volume snapshot", {"volume_id": scene.id("volume")}), seen,
        "1 GiB, whole", "snapshot.created", (*faults_of(TAKE), f"{ANSWER}@POST */snapshots"),
        ("volume.fill@begun", *KEPT), makes="volume snapshot",
    )  # fmt: skip
    remove = Verb(
        "volume snapshot delete", lambda scene: scene.change("DELETE", "volume snapshot"), seen, ABSENT,
        "snapshot.deleted", (*faults_of(SNAPSHOT_DELETE), f"{ANSWER}@DELETE */snapshots/*"), FORGOTTEN,
    )  # fmt: skip

    def of(origin: str, kind: str) -> Callable[[Scene], Json]:
        return lambda scene: {origin: scene.id(kind)}

    gone = _gone("clone")
    return (
        take, _created("volume of a snapshot", of("snapshot_id", "volume snapshot"), kind="clone"), gone,
        remove, _created("volume of a volume", of("source_volid", "volume"), kind="clone"), gone,
    )  # fmt: skip


def _backups() -> tuple[Verb, ...]:
    from pileus.block_storage.flows.copies import BACKUP as WRITE
    from pileus.block_storage.flows.create import CREATE
    from pileus.block_storage.flows.delete import BACKUP_DELETE

    def kept(scene: Scene) -> str:
        shown = scene.show("backup")
        volume = str((scene.show("volume") or {}).get("status"))
        return f"{ABSENT if shown is None else shown['status']}, volume {volume}{_left(scene)}"

    def restore(scene: Scene) -> None:
        scene.change("POST", "backup", "/restore", {"restore": {"name": scene.name("clone")}})

    return (
        Verb(
            "volume backup", lambda scene: scene.make("backup", {"volume_id": scene.id("volume")}), kept,
            f"{AVAILABLE}, volume {AVAILABLE}", "backup.created", (*faults_of(WRITE), f"{ANSWER}@POST */backups"),
            ("backup.write@begun", "backup.write@chunks", "backup.write@index"), makes="backup",
        ),
        Verb(
            "backup restore", restore, _disk("clone"), "1 GiB, whole", "volume.created",
            (*faults_of(CREATE), f"{ANSWER}@POST */backups/*/restore"),
            ("volume.fill@begun", "backup.restore@written", *KEPT), makes="clone",
        ),
        _gone("clone"),
        Verb(
            "backup delete", lambda scene: scene.change("DELETE", "backup"), kept, f"{ABSENT}, volume {AVAILABLE}",
            "backup.deleted", (*faults_of(BACKUP_DELETE), f"{ANSWER}@DELETE */backups/*"),
            ("backup.remove@index", "backup.remove@chunks"),
        ),
    )  # fmt: skip
