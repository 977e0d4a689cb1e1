"""Killed at every point, whatever is long ends where it ends undisturbed, and leaves nothing over."""

from typing import Any

import pytest
from tests.compute.fakes import IMAGE
from tests.compute.world import Answered, World, a_database, backends_of
from tests.postgres import close_opened

from pileus.block_storage import manifest as block_storage
from pileus.compute import manifest
from pileus.compute.config import ComputeConfig
from pileus.compute.drivers.interface import DiskError
from pileus.compute.store.migrations import migration_list
from pileus.kit.clock import FakeClock
from pileus.kit.flow.crash import Reaper, Scene, play, survives_crashes
from pileus.kit.flow.engine import Engine
from pileus.kit.flow.settle import TakesTurns
from pileus.kit.hosts.registry import UP_FOR

LIVE = {"host": None, "block_migration": "auto"}
# The last of each is what the process dies in.
ACTIONS: dict[str, list[dict[str, Any]]] = {
    "stop": [{"os-stop": None}],
    "start": [{"os-stop": None}, {"os-start": None}],
    "reboot": [{"reboot": {"type": "SOFT"}}],
    "reboot hard": [{"reboot": {"type": "HARD"}}],
    "pause": [{"pause": None}],
    "unpause": [{"pause": None}, {"unpause": None}],
    "suspend": [{"suspend": None}],
    "resume": [{"suspend": None}, {"resume": None}],
    "crash dump": [{"trigger_crash_dump": None}],
    "create image": [{"createImage": {"name": "s"}}],
    "create backup": [{"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}}] * 2,
    "rebuild": [{"rebuild": {"imageRef": IMAGE}}],
    "rescue": [{"rescue": None}],
    "unrescue": [{"rescue": None}, {"unrescue": None}],
    "resize": [{"resize": {"flavorRef": "big"}}],
    "confirm": [{"resize": {"flavorRef": "big"}}, {"confirmResize": None}],
    "shelve": [{"shelve": None}],
    "unshelve": [{"shelve": None}, {"unshelve": None}],
    "attach interface": [{"interfaceAttachment": {}}],
    "detach interface": [{"interfaceAttachment": {}}, {"detach": None}],
    "migrate": [{"migrate": None}],
    "migrate past a bad host": [{"migrate": None}],
    "confirm a move": [{"migrate": None}, {"confirmResize": None}],
    "revert a move": [{"migrate": None}, {"revertResize": None}],
    "delete what moved": [{"migrate": None}, {"delete": None}],
    "evacuate": [{"evacuate": {}}],
    "fetch images": [{"cache": [{"id": IMAGE}]}],
    "attach a volume": [{"volumeAttachment": {}}],
    "attach a volume in vain": [{"volumeAttachment": {}}],
    "detach a volume": [{"volumeAttachment": {}}, {"detach volume": None}],
    "delete with volumes": [{"volumeAttachment": {"delete_on_termination": True}}, {"delete": None}],
    "grow a volume": [{"volumeAttachment": {}}, {"grow": None}],
    "swap a volume": [{"volumeAttachment": {}}, {"swap": None}],
    "swap a volume in vain": [{"volumeAttachment": {}}, {"swap": None}],
    "delete while swapping a volume": [{"volumeAttachment": {}}, {"swap": None}, {"delete": None}],
    "move a volume": [{"volumeAttachment": {}}, {"move": None}],
    "migrate live": [{"os-migrateLive": LIVE}],
    "migrate live in vain": [{"os-migrateLive": LIVE}],
    "migrate live to nowhere": [{"os-migrateLive": LIVE}],
    "abort a live migration": [{"os-migrateLive": LIVE}, {"abort": None}],
    "delete while migrating live": [{"os-migrateLive": LIVE}, {"delete": None}],
    "migrate live with volumes": [{"volumeAttachment": {}}, {"os-migrateLive": LIVE}],
    "migrate live with volumes in vain": [{"volumeAttachment": {}}, {"os-migrateLive": LIVE}],
    "delete with volumes while migrating live": [{"volumeAttachment": {}}, {"os-migrateLive": LIVE}, {"delete": None}],
    "revert": [{"resize": {"flavorRef": "big"}}, {"revertResize": None}],
}


# The flow of which every step is passed; what is not named here goes wrong on the way, or is another way to the same.
PASSES = {
    "boot": "server.boot",
    "delete": "server.delete",
    "start": "server.start",
    "stop": "server.stop",
    "reboot": "server.reboot",
    "reboot hard": "server.reboot_hard",
    "pause": "server.pause",
    "unpause": "server.unpause",
    "suspend": "server.suspend",
    "resume": "server.resume",
    "crash dump": "server.crash_dump",
    "create image": "server.create_image",
    "create backup": "server.create_backup",
    "image from volumes": "server.snapshot_volumes",
    "rebuild": "server.rebuild",
    "rebuild from volumes": "server.rebuild_volume",
    "rescue": "server.rescue",
    "unrescue": "server.unrescue",
    "resize": "server.resize",
    "confirm": "server.resize_confirm",
    "revert": "server.resize_revert",
    "shelve": "server.shelve",
    "shelve from volumes": "server.shelve_volume",
    "unshelve": "server.unshelve",
    "attach interface": "server.attach_interface",
    "detach interface": "server.detach_interface",
    "migrate": "server.migrate",
    "evacuate": "server.evacuate",
    "fetch images": "image.prefetch",
    "attach a volume": "server.attach_volume",
    "detach a volume": "server.detach_volume",
    "grow a volume": "server.extend_volume",
    "swap a volume": "server.swap_volume",
    "migrate live": "server.live_migrate",
    "a disk is full": "server.disk_failed",
}
FROM_VOLUMES: dict[str, Any] = {
    "imageRef": "",
    "block_device_mapping_v2": [
        {"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": IMAGE, "volume_size": 1},
        {"source_type": "blank", "destination_type": "volume", "volume_size": 1},
    ],
}
OF_VOLUMES: dict[str, list[dict[str, Any]]] = {
    "image from volumes": [{"createImage": {"name": "s"}}],
    "shelve from volumes": [{"shelve": None}],
    "unshelve from volumes": [{"shelve": None}, {"unshelve": None}],
}
VERBS = (
    "boot",
    "boot from volumes",
    "rebuild from volumes",
    "boot from volumes fails",
    "boot fails",
    "delete",
    "delete while booting",
    "a disk is full",
    *OF_VOLUMES,
    *ACTIONS,
)
FLOWS = {flow.name: flow for flow in manifest.FLOWS}


class ServerScene:
    """A server that boots, or runs and is deleted; the process dies and another takes over."""

    def __init__(self, world: World, verb: str) -> None:
        self.first = self.now = world
        self.verb = verb
        self.id = ""
        self.lost = ""

    async def begin(self, engine: Engine) -> None:
        if self.verb.endswith("fails"):
            for driver in self.now.drivers.values():
                driver.fail_next("ensure", "no such CPU", times=1000)
        answered = await self.now.create(**(FROM_VOLUMES if "from volumes" in self.verb else {}))
        self.id = answered.body["server"]["id"]
        if self.verb == "delete while booting":
            assert 204 == (await self.now.ask("DELETE", f"/v2.1/servers/{self.id}")).status
        elif self.verb == "delete":
            await self.now.settle()
            await self.now.ask("DELETE", f"/v2.1/servers/{self.id}")
        elif self.verb == "rebuild from volumes":
            await self.now.settle()
            answered = await self.now.act(self.id, at="2.93", rebuild={"imageRef": IMAGE})
            assert 202 == answered.status, answered.body
        elif self.verb == "a disk is full":
            await self.now.settle()
            trouble = DiskError(disk="disk0", operation="write", why="no room", at=self.now.clock.now(), stopped=True)
            self.now.drivers["h1"].disks_fail(self.id, trouble)
            self.now.drivers["h2"].disks_fail(self.id, trouble)
        elif self.verb in OF_VOLUMES:
            for action in OF_VOLUMES[self.verb]:
                await self.now.settle()
                await self.act(action)
        elif self.verb in ACTIONS:
            if self.verb == "migrate past a bad host":
                self.now.drivers["h2"].fail_next("ensure", "no such CPU", times=1000)
            if self.verb == "migrate live to nowhere":
                self.now.drivers["h2"].fail_next("ensure", "no such CPU", times=1000)
            if self.verb in ("migrate live in vain", "migrate live with volumes in vain"):
                self.now.drivers["h1"].fail_next("depart", "no such memory", times=1000)
            for at, action in enumerate(ACTIONS[self.verb]):
                if "live" in self.verb and at == len(ACTIONS[self.verb]) - 1 > 0 and "os-migrateLive" not in action:
                    self.now.drivers["h1"].hold(self.id)
                    await self.now.settle(until_s=1)
                elif at < 2 or "live" in self.verb:
                    await self.now.settle()
                await self.act(action)

    async def act(self, action: dict[str, Any]) -> None:
        base = f"/v2.1/servers/{self.id}"
        if action.keys() & {"volumeAttachment", "grow", "move", "swap", "detach volume"}:
            answered = await self.act_on_volume(base, action)
        elif "detach" in action:
            card = (await self.now.ask("GET", f"{base}/os-interface")).body["interfaceAttachments"][-1]
            answered = await self.now.ask("DELETE", f"{base}/os-interface/{card['port_id']}")
        elif "abort" in action:
            (one,) = (await self.now.ask("GET", f"{base}/migrations", by="root", at="2.23")).body["migrations"]
            answered = await self.now.ask("DELETE", f"{base}/migrations/{one['id']}", by="root", at="2.24")
        elif "cache" in action:
            answered = await self.cache(action)
        elif "delete" in action:
            answered = await self.now.ask("DELETE", base)
        elif "evacuate" in action:
            await self.lose_host()
            answered = await self.now.ask("POST", f"{base}/action", action, at="2.60", by="root")
        elif "interfaceAttachment" in action:
            answered = await self.now.ask("POST", f"{base}/os-interface", action)
        else:
            by = "root" if action.keys() & {"migrate", "os-migrateLive"} else "alice"
            answered = await self.now.ask("POST", f"{base}/action", action, at="2.60", by=by)
        assert answered.status in (200, 202, 204), answered.body

    async def act_on_volume(self, base: str, action: dict[str, Any]) -> Answered:
        path = f"{base}/os-volume_attachments"
        if "volumeAttachment" in action:
            if self.verb == "attach a volume in vain":
                self.now.drivers["h1"].fail_next("ensure", "no such file", times=3)
            body = {"volumeAttachment": {"volumeId": await self.now.volume(), **action["volumeAttachment"]}}
            return await self.now.ask("POST", path, body, at="2.79")
        (one,) = (await self.now.ask("GET", path)).body["volumeAttachments"]
        own = f"/v3/volumes/{one['id']}"
        if "grow" in action:
            return await self.now.ask("POST", f"{own}/action", {"os-extend": {"new_size": 2}}, of="volume")
        if "move" in action:
            shown = (await self.now.ask("GET", own, by="root", of="volume")).body["volume"]
            (to,) = {"h1@file#file", "h1@fast#fast"} - {shown["os-vol-host-attr:host"]}
            move = {"os-migrate_volume": {"host": to}}
            return await self.now.ask("POST", f"{own}/action", move, by="root", of="volume")
        if "swap" in action:
            body = {"volumeAttachment": {"volumeId": await self.now.volume()}}
            if "in vain" in self.verb:
                self.now.drivers["h1"].fail_next("ensure", "no such file", times=3)
            return await self.now.ask("PUT", f"{path}/{one['id']}", body, by="root")
        return await self.now.ask("DELETE", f"{path}/{one['id']}")

    async def volumes(self) -> object:
        """Volumes, and who has them, as both sides tell it."""
        if not self.now.backends:
            return None
        shown = (await self.now.ask("GET", "/v3/volumes/detail", by="alice", of="volume")).body["volumes"]
        path = f"/v2.1/servers/{self.id}/os-volume_attachments"
        listed = (await self.now.ask("GET", path, by="root")).body.get("volumeAttachments", [])
        return (
            sorted((volume["status"], len(volume["attachments"])) for volume in shown),
            len(listed),
            len((await self.now.ask("GET", "/v3/attachments", by="alice", of="volume")).body["attachments"]),
            [len(seen.volumes) for driver in self.now.drivers.values() for seen in (await driver.observe()).values()],
        )

    async def lose_host(self) -> None:
        """Its agent is not heard any more, and what runs there runs on."""
        shown = await self.now.show(self.id, by="root")
        self.lost = shown["OS-EXT-SRV-ATTR:host"]
        self.now.clock.move(UP_FOR.total_seconds() + 1)
        for name in self.now.agents.keys() - {self.lost}:
            await self.now.hosts.heard(name)

    async def cache(self, action: dict[str, Any]) -> Answered:
        made = await self.now.ask("POST", "/v2.1/os-aggregates", {"aggregate": {"name": "all"}}, by="root")
        path = f"/v2.1/os-aggregates/{made.body['aggregate']['id']}"
        for host in ("h1", "h2"):
            await self.now.ask("POST", f"{path}/action", {"add_host": {"host": host}}, by="root")
        return await self.now.ask("POST", f"{path}/images", action, by="root", at="2.81")

    async def engine(self) -> Engine:
        self.now = World(self.first.db, self.first.clock, tuple(self.first.drivers), ComputeConfig(), self.first)
        return self.now.engine

    async def others(self) -> tuple[TakesTurns, ...]:
        agents = [agent for name, agent in self.now.agents.items() if name != self.lost]
        return (*agents, self.now.reconcilers)

    async def world(self) -> object:
        if self.lost:  # It comes back in the end.
            await self.now.agents[self.lost].turn()
        answered = await self.now.ask("GET", f"/v2.1/servers/{self.id}", by="root")
        server = answered.body.get("server", {})
        past = await self.now.engine.history(f"server:{self.id}")
        return (
            server.get("status"),
            server.get("OS-EXT-SRV-ATTR:host"),
            server.get("fault", {}).get("message"),
            sorted(claim.host for claim in self.now.placement.held.values()),
            [(port.host, port.up) for ports in self.now.networks.ports.values() for port in ports],
            {name: [seen.power for seen in (await d.observe()).values()] for name, d in self.now.drivers.items()},
            server.get("flavor", {}).get("id"),
            [(row.type, row.status, row.dest_host) for row in await migration_list(self.now.app, {})],
            len(self.now.placement.held),
            sorted(image.status for image in self.now.images.images.values()),
            [(one.operation.flow, one.operation.state) for one in past],
            [(seen.host, seen.present) for seen in await self.now.hosts.seen_list(kind="server")],
            {name: sorted(driver.images.here) for name, driver in self.now.drivers.items()},
            [seen.host for seen in await self.now.hosts.seen_list(kind="image_fetch")],
            await self.volumes(),
        )


def scene(verb: str):
    async def make(reaper: Reaper, clock: FakeClock) -> Scene:
        await close_opened()  # those of the play before: a server has only so many connections
        hosts = ("h1", "h2", "h3") if verb == "migrate past a bad host" else ("h1", "h2")
        # Volumes are kept by the host that the lone server will be on, unless it is to move.
        hosts = ("h1",) if "volume" in verb and "live" not in verb else hosts
        places = (*hosts, "h1/fast") if verb == "move a volume" else hosts
        backends = backends_of(*places) if "volume" in verb else None
        shared = dict.fromkeys(hosts, "store") if "live" in verb else None
        world = World(await a_database(), clock, hosts, ComputeConfig(), backends=backends, shared=shared)
        if backends:
            await block_storage.prepare(world.storage)
        await world.settle()
        await world.flavor()
        await world.flavor("big", vcpus=2, ram=1024, disk=2)
        return ServerScene(world, verb)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
async def test_killed_at_any_point_it_ends_as_if_undisturbed(verb: str, every: int) -> None:
    assert await survives_crashes(scene(verb), FLOWS[PASSES[verb]] if verb in PASSES else None, every=every) >= 3


async def test_the_undisturbed_ends_are_the_right_ones() -> None:
    ends = {verb: (await play(scene(verb), None)).world[0] for verb in ("boot", "boot fails", "delete", "stop")}
    passed = (await play(scene("migrate past a bad host"), None)).world
    assert ("VERIFY_RESIZE", "h3") == passed[:2]
    assert {"boot": "ACTIVE", "boot fails": "ERROR", "delete": None, "stop": "SHUTOFF"} == ends
