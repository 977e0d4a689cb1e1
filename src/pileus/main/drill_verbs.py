"""What users ask for in a drill, verb by verb: the request, the state it ends in, the event that tells it, where it may be killed.

Verbs stand in chapters. A chapter is played again and again until each fault of its verbs has had its turn, and leaves the
things of the scene as it found them, so that the next one can begin.
"""

from collections.abc import Callable, Sequence

import msgspec

from pileus.kit.flow.step import Flow
from pileus.main.drill_scene import ABSENT, Json, Scene

WHERE = ("before", "after", "committed")
ANSWER = "http.answer"
FABRIC = ("ovn.transact@before", "ovn.sent@transact", "ovn.transact@after")
# Steps that wait for their host are passed more than once, and the last time is the one that counts.
WAITING = {
    "start on host", "remove from host", "power on", "power off", "reboot", "reshape", "go back", "start", "rebuild",
    "rescue", "unrescue", "await the copy", "plug", "unplug", "make", "grow", "copy there", "mirror", "copy", "write",
}  # fmt: skip


class Verb(msgspec.Struct, frozen=True):
    """Something a user asks for. `makes` is the kind of what is there only thanks to it."""

    name: str
    ask: Callable[[Scene], object]
    seen: Callable[[Scene], str]
    ends: str
    tells: str  # the kind of event
    places: tuple[str, ...] = ()  # where the cloud dies, whatever its drivers
    real: tuple[str, ...] = ()  # where it dies inside of a real driver
    makes: str | None = None


class Chapter(msgspec.Struct, frozen=True):
    """Verbs that bring one another about, and what has to be asked for before the first and after the last of them."""

    verbs: tuple[Verb, ...]
    opens: tuple[Verb, ...] = ()
    closes: tuple[Verb, ...] = ()


def faults_of(flow: Flow) -> tuple[str, ...]:
    """Every place of a flow where a process may die: around each step, and while a step that waits is asked again."""
    places = [f"flow.step.{where}@{flow.name}/{step.name}" for step in flow.steps for where in WHERE]
    again = [f"flow.step.committed@{flow.name}/{step.name}#2" for step in flow.steps if step.name in WAITING]
    return (*places, *again)


def faults(verb: Verb, *, real: bool) -> list[str]:
    """Where the cloud dies while it does what the verb says."""
    return [*verb.places, *(verb.real if real else ())]


def act(scene: Scene, action: Json) -> None:
    """An action is asked of the server."""
    scene.change("POST", "server", "/action", action)


def _action(
    name: str, flow: Flow, action: Json | Callable[[Scene], Json], ends: str, event: str, real: Sequence[str] = ()
) -> Verb:
    def ask(scene: Scene) -> None:
        act(scene, action(scene) if callable(action) else action)

    answered = f"{ANSWER}@POST */servers/*/action"
    return Verb(name, ask, Scene.server, ends, event, (*faults_of(flow), answered), tuple(real))


def _other_size(scene: Scene) -> Json:
    """The first flavor or the second, whichever the server has not."""
    shown = scene.show("server") or {}
    return {"resize": {"flavorRef": "2" if shown["flavor"]["original_name"] == "m1.nano" else "1"}}


def _lives() -> tuple[Verb, Verb]:
    from pileus.compute.flows.boot import BOOT
    from pileus.compute.flows.delete import DELETE

    boot = Verb(
        "boot", lambda scene: scene.make("server", scene.made_of), Scene.server, "ACTIVE", "server.created",
        (*faults_of(BOOT), f"{ANSWER}@POST */servers"),
        ("image.fetch@begun", "image.fetch@fetched", "image.fetch@kept", "qemu-img.after@create", "tap.plug@made",
         "tap.plug@switched", "qemu.start@started", "qemu.start@written", "qemu.start@greeted", *FABRIC),
        makes="server",
    )  # fmt: skip
    delete = Verb(
        "delete", lambda scene: scene.change("DELETE", "server"), Scene.server, ABSENT, "server.deleted",
        (*faults_of(DELETE), f"{ANSWER}@DELETE */servers/*"),
        ("qemu.remove@ended", "tap.unplug@switched", "tap.unplug@gone", "qemu.remove@unplugged", *FABRIC),
    )  # fmt: skip
    return boot, delete


def _turns() -> tuple[tuple[Verb, ...], ...]:
    from pileus.compute.flows.turn import (
        PAUSE,
        REBOOT,
        REBOOT_HARD,
        RESUME,
        START,
        STOP,
        SUSPEND,
        UNPAUSE,
    )  # fmt: skip

    started = ("qemu.start@started", "qemu.start@written", "qemu.start@greeted")
    powered = ("qmp.before@system_powerdown", "qmp.after@system_powerdown")
    return (
        (
            _action("stop", STOP, {"os-stop": None}, "SHUTOFF", "server.stopped", powered),
            _action("start", START, {"os-start": None}, "ACTIVE", "server.started", started),
        ),
        (
            _action("reboot", REBOOT, {"reboot": {"type": "SOFT"}}, "ACTIVE", "server.rebooted", powered),
            _action("reboot hard", REBOOT_HARD, {"reboot": {"type": "HARD"}}, "ACTIVE", "server.rebooted", started),
        ),
        (
            _action("pause", PAUSE, {"pause": None}, "PAUSED", "server.paused", ("qmp.before@stop", "qmp.after@stop")),
            _action(
                "unpause", UNPAUSE, {"unpause": None}, "ACTIVE", "server.unpaused", ("qmp.before@cont", "qmp.after@cont")
            ),
            _action(
                "suspend", SUSPEND, {"suspend": None}, "SUSPENDED", "server.suspended",
                ("qmp.before@migrate", "qmp.after@migrate"),
            ),
            _action("resume", RESUME, {"resume": None}, "ACTIVE", "server.resumed", started),
        ),
    )  # fmt: skip


def _cards() -> tuple[Verb, ...]:
    from pileus.compute.flows.cards import ATTACH, DETACH

    def cards(scene: Scene) -> str:
        shown = scene.client.get("compute", f"/servers/{scene.id('server')}/os-interface")["interfaceAttachments"]
        return f"{len(shown)} cards, {scene.server()}"

    def attach(scene: Scene) -> None:
        network = scene.made_of["networks"][0]["uuid"]
        scene.change("POST", "server", "/os-interface", {"interfaceAttachment": {"net_id": network}})

    def detach(scene: Scene) -> None:
        shown = scene.client.get("compute", f"/servers/{scene.id('server')}/os-interface")["interfaceAttachments"]
        if len(shown) > 1:
            scene.change("DELETE", "server", f"/os-interface/{shown[-1]['port_id']}")

    def commands(*names: str) -> tuple[str, ...]:
        return tuple(f"qmp.{where}@{name}" for name in names for where in ("before", "after"))

    return (
        Verb(
            "interface attach", attach, cards, "2 cards, ACTIVE", "server.interface_attached",
            (*faults_of(ATTACH), f"{ANSWER}@POST */servers/*/os-interface"),
            (*commands("getfd", "netdev_add", "device_add"), *FABRIC),
        ),
        Verb(
            "interface detach", detach, cards, "1 cards, ACTIVE", "server.interface_detached",
            (*faults_of(DETACH), f"{ANSWER}@DELETE */servers/*/os-interface/*"),
            (*commands("device_del", "netdev_del"), *FABRIC),
        ),
    )  # fmt: skip


def _rebuilt(how: str, image: str) -> Verb:
    from pileus.compute.flows.remake import REBUILD

    def action(scene: Scene) -> Json:
        return {"rebuild": {"imageRef": scene.images[image]}}

    return _action(f"rebuild {how}", REBUILD, action, "ACTIVE", "server.rebuilt")


def _sizes() -> tuple[Verb, ...]:
    from pileus.compute.flows.resize import CONFIRM, RESIZE, REVERT

    images = ("qemu-img.after@snapshot",)
    resize = _action("resize", RESIZE, _other_size, "VERIFY_RESIZE", "server.resized", images)
    confirm = _action(
        "confirm", CONFIRM, {"confirmResize": None}, "ACTIVE", "server.resize_confirmed",
        ("qmp.before@blockdev-snapshot-delete-internal-sync", "qmp.after@blockdev-snapshot-delete-internal-sync"),
    )  # fmt: skip
    revert = _action("revert", REVERT, {"revertResize": None}, "ACTIVE", "server.resize_reverted", images)
    return resize, confirm, resize, revert


def _disks() -> tuple[tuple[Verb, ...], ...]:
    from pileus.compute.flows.remake import REBUILD, RESCUE, UNRESCUE
    from pileus.compute.flows.shelve import SHELVE, UNSHELVE
    from pileus.compute.flows.snapshot import CREATE_IMAGE

    copied = tuple(f"qmp.{where}@{what}" for what in ("blockdev-add", "blockdev-backup", "job-dismiss", "blockdev-del")
                   for where in ("before", "after"))  # fmt: skip
    kept = tuple(f"image.keep@{where} rename" for where in ("before", "after"))
    snapshot = Verb(
        "snapshot", _snapshot, _snapped, "ACTIVE with an image", "server.image_created",
        (*faults_of(CREATE_IMAGE), f"{ANSWER}@POST */servers/*/action"), (*copied, *kept), makes="image",
    )  # fmt: skip
    return (
        (
            _action(
                "rebuild", REBUILD, lambda scene: {"rebuild": {"imageRef": scene.made_of["imageRef"]}}, "ACTIVE",
                "server.rebuilt", ("qemu-img.after@create",),
            ),
            snapshot,
        ),
        (
            _action("rescue", RESCUE, {"rescue": {}}, "RESCUE", "server.rescued"),
            _action("unrescue", UNRESCUE, {"unrescue": None}, "ACTIVE", "server.unrescued"),
        ),
        (
            _action("shelve", SHELVE, {"shelve": None}, "SHELVED_OFFLOADED", "server.shelved"),
            _action("unshelve", UNSHELVE, {"unshelve": None}, "ACTIVE", "server.unshelved"),
        ),
    )  # fmt: skip


def _snapshot(scene: Scene) -> None:
    act(scene, {"createImage": {"name": scene.name("image")}})


def _snapped(scene: Scene) -> str:
    image = scene.show("image")
    if image is None:
        return "without an image"
    return f"{scene.server()} with an image" if image["status"] == "active" else f"image {image['status']}"


def _fabric(kind: str) -> tuple[str, ...]:
    """Where OVN is told that such a thing comes or goes: not of floating IPs at no port, and of groups nobody is in."""
    return () if kind in {"floatingip", "security_group"} else FABRIC


def _made(kind: str, about: Callable[[Scene], Json]) -> Verb:
    its = {"security_group": "security-groups"}.get(kind, f"{kind}s")
    return Verb(
        f"{kind} create", lambda scene: scene.make(kind, about(scene)), lambda scene: scene.there(kind), "there",
        f"{kind}.created", (f"{ANSWER}@POST */{its}",), _fabric(kind), makes=kind,
    )  # fmt: skip


def _removed(kind: str) -> Verb:
    its = {"security_group": "security-groups"}.get(kind, f"{kind}s")
    return Verb(
        f"{kind} delete", lambda scene: scene.change("DELETE", kind), lambda scene: scene.there(kind), ABSENT,
        f"{kind}.deleted", (f"{ANSWER}@DELETE */{its}/*",), _fabric(kind),
    )  # fmt: skip


def _linked(scene: Scene) -> str:
    """Whether the router is the gateway of the servers' subnet."""
    ports = scene.client.get("network", "/v2.0/ports", device_id=scene.id("router") or "")["ports"]
    subnet = scene.subnet()
    return "linked" if any(ip["subnet_id"] == subnet for port in ports for ip in port["fixed_ips"]) else "apart"


def _gateway(scene: Scene) -> str:
    shown = scene.show("router") or {}
    return "outside" if shown.get("external_gateway_info") else "inside"


def _associated(scene: Scene) -> str:
    shown = scene.show("floatingip") or {}
    return "associated" if shown.get("port_id") else "free"


def _routed() -> tuple[Verb, ...]:
    def router(name: str, body: Callable[[Scene], Json], ends: str) -> Verb:
        return Verb(
            name, lambda scene: scene.change("PUT", "router", "", {"router": body(scene)}), _gateway, ends,
            "router.updated", (f"{ANSWER}@PUT */routers/*",), FABRIC,
        )  # fmt: skip

    def interface(name: str, path: str, ends: str, event: str) -> Verb:
        return Verb(
            name, lambda scene: scene.change("PUT", "router", path, {"subnet_id": scene.subnet()}), _linked, ends,
            event, (f"{ANSWER}@PUT */routers/*{path}",), FABRIC,
        )  # fmt: skip

    def floating(name: str, port: Callable[[Scene], str | None], ends: str) -> Verb:
        return Verb(
            name, lambda scene: scene.change("PUT", "floatingip", "", {"floatingip": {"port_id": port(scene)}}),
            _associated, ends, "floatingip.updated", (f"{ANSWER}@PUT */floatingips/*",), FABRIC,
        )  # fmt: skip

    return (
        _made("router", lambda _: {}),
        router("gateway set", lambda scene: {"external_gateway_info": {"network_id": scene.outside()}}, "outside"),
        interface("interface add", "/add_router_interface", "linked", "router.interface_added"),
        _made("floatingip", lambda scene: {"floating_network_id": scene.outside()}),
        floating("floating ip associate", Scene.port, "associated"),
        floating("floating ip disassociate", lambda _: None, "free"),
        _removed("floatingip"),
        interface("interface remove", "/remove_router_interface", "apart", "router.interface_removed"),
        router("gateway clear", lambda _: {"external_gateway_info": None}, "inside"),
        _removed("router"),
    )


def _grouped() -> tuple[Verb, ...]:
    def member(name: str, ends: str) -> Verb:
        def ask(scene: Scene) -> None:
            own = [scene.id("security_group")] if ends == "member" else []
            scene.client.ask("PUT", "network", f"/v2.0/ports/{scene.port()}", {"port": {"security_groups": own}})

        return Verb(name, ask, _member, ends, "port.updated", (f"{ANSWER}@PUT */ports/*",), FABRIC)

    return (
        _made("security_group", lambda _: {}),
        member("group join", "member"),
        Verb(
            "rule create", _rule, _ruled, "open", "security_group_rule.created",
            (f"{ANSWER}@POST */security-group-rules",), FABRIC,
        ),
        member("group leave", "stranger"),
        _removed("security_group"),
    )  # fmt: skip


def _member(scene: Scene) -> str:
    shown = scene.client.get("network", f"/v2.0/ports/{scene.port()}")["port"]
    return "member" if scene.id("security_group") in shown["security_groups"] else "stranger"


def _rule(scene: Scene) -> None:
    about = {"security_group_id": scene.id("security_group"), "direction": "ingress", "protocol": "tcp"}
    ports = {"port_range_min": 80, "port_range_max": 80}
    scene.client.post("network", "/v2.0/security-group-rules", {"security_group_rule": {**about, **ports}})


def _ruled(scene: Scene) -> str:
    shown = scene.show("security_group") or {"security_group_rules": []}
    return "open" if any(rule["port_range_min"] == 80 for rule in shown["security_group_rules"]) else "closed"


def _booted(scene: Scene) -> str:
    """How the server is; `booting` until its guest, if this cloud has one, lets people log in."""
    found = scene.server()
    if found != "ACTIVE" or scene.images["guest"] == scene.images["drill"]:
        return found
    said = scene.change("POST", "server", "/action", {"os-getConsoleOutput": {"length": 50}})["output"]
    return found if "login:" in said else "booting"


def with_a_guest(verbs: tuple[Verb, ...], opens: tuple[Verb, ...] = (), closes: tuple[Verb, ...] = ()) -> Chapter:
    """A chapter whose server runs a whole guest: only one that knows ACPI lets go of a card or a disk."""
    guest = msgspec.structs.replace(_rebuilt("with a guest", "guest"), seen=_booted)
    sector = _rebuilt("with a sector", "drill")
    return Chapter(verbs, (guest, *opens), (*closes, sector))


def life() -> Chapter:
    """A server's birth and death."""
    return Chapter(_lives())


def chapters() -> tuple[Chapter, ...]:
    """A server's life: what comes between its boot and its deletion, and those two last."""
    cards = with_a_guest(_cards())
    subnets = (
        _made("subnet", lambda scene: {
            "network_id": scene.made_of["networks"][0]["uuid"], "ip_version": 4, "cidr": "10.99.0.0/24",
        }),
        _removed("subnet"),
    )  # fmt: skip
    others = (*_turns(), _sizes(), *_disks(), _routed(), _grouped(), subnets)
    return (cards, *(Chapter(verbs) for verbs in others), life())


def verbs(chapters: Sequence[Chapter]) -> tuple[Verb, ...]:
    """Every verb, once."""
    return tuple({verb.name: verb for chapter in chapters for verb in chapter.verbs}.values())
