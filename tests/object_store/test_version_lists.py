"""Listings of versions against a model, and that a page of them reads a page's worth."""

from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.object_store.world import Service, run

from pileus.object_store.features.version_lists import MARKER
from pileus.object_store.models.paths import Path as Name
from pileus.object_store.proxy.asks import Answer, Ask

NAMES = ["a", "a!", "a/", "a/b", "a/b/c", "a1", "b", "b/1", "é", "\U0001f600/x", "\x01"]


class Entry(msgspec.Struct, frozen=True):
    """A version, as the model knows it: its object, its id, whether it is the newest and a marker."""

    name: str
    id: str
    latest: bool
    marker: bool = False


async def filled(service: Service) -> list[Entry]:
    """A container with everything that can be of an object; return what a listing of it should say, in its order."""
    await service.put("c", b"")
    for name in ("a", "b/1"):
        await service.put(f"c/{name}", b"before there were versions")
    await service.ask("POST", "c", headers={"x-versions-enabled": "true"})
    made: dict[str, list[Entry]] = {"b/1": [Entry("b/1", "null", latest=True)]}
    for at, name in enumerate(NAMES):
        if name == "b/1":
            continue
        kept = []
        for body in range(1 + at % 3):
            said = await service.put(f"c/{name}", bytes([body]))
            kept.append(Entry(name, said.headers["x-object-version-id"], latest=False))
        if at % 4 == 1:
            said = await service.ask("DELETE", f"c/{name}")
            kept.append(Entry(name, said.headers["x-object-version-id"], latest=False, marker=True))
        made[name] = [msgspec.structs.replace(kept[-1], latest=True), *reversed(kept[:-1])]
    old = [one for one in (await service.ask("GET", "c", query="versions")).json if one["name"] == "a"][-1]
    made["a"].append(Entry("a", old["version_id"], latest=False))  # it got an id when it was written over
    await service.put("c/b", b"newest")
    back = made["b"][-1].id
    newest = (await service.ask("HEAD", "c/b")).headers["x-object-version-id"]
    assert 201 == (await service.ask("PUT", "c/b", query=f"version-id={back}")).status
    made["b"] = [Entry("b", newest, latest=False), *(_latest(one, back) for one in made["b"])]
    return [one for name in sorted(made) for one in made[name]]


def _latest(entry: Entry, id: str) -> Entry:
    return msgspec.structs.replace(entry, latest=entry.id == id)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    prefix: str
    delimiter: str
    after: int  # how many entries of the whole listing come before; with the version or only by name
    by_version: bool
    end: str
    reverse: bool
    limit: int


ASKED = st.builds(
    Asked,
    prefix=st.sampled_from(["", "", "a", "a/", "b", "x"]),
    delimiter=st.sampled_from(["", "", "/", "1", "b/"]),
    after=st.integers(0, 25),
    by_version=st.booleans(),
    end=st.sampled_from(["", "", "", "a/b", "b", "c"]),
    reverse=st.booleans(),
    limit=st.integers(1, 8),
)


def query_of(asked: Asked, order: list[Entry]) -> str:
    from urllib.parse import urlencode

    wanted = {
        "versions": "", "prefix": asked.prefix, "delimiter": asked.delimiter, "end_marker": asked.end,
        "limit": str(asked.limit), "reverse": str(asked.reverse),
    }  # fmt: skip
    if 0 < asked.after <= len(order):
        wanted["marker"] = order[asked.after - 1].name
        if asked.by_version:
            wanted["version_marker"] = order[asked.after - 1].id
    return urlencode(wanted)


def modelled(asked: Asked, order: list[Entry]) -> list[object]:
    """The page, by walking the whole listing once."""
    mark = order[asked.after - 1] if 0 < asked.after <= len(order) else None
    found: list[object] = []
    for at, one in enumerate(order):
        if mark is not None and (at < asked.after if asked.by_version else not _beyond(one.name, mark.name, asked)):
            continue
        if asked.end and not _beyond(asked.end, one.name, asked):
            continue
        if not one.name.startswith(asked.prefix):
            continue
        end = one.name.find(asked.delimiter, len(asked.prefix)) if asked.delimiter else -1
        told: object = one.name[: end + len(asked.delimiter)] if end >= 0 else one
        if told == (mark.name if mark is not None else None) or (isinstance(told, str) and found[-1:] == [told]):
            continue
        found.append(told)
    return found[: asked.limit]


def _beyond(name: str, mark: str, asked: Asked) -> bool:
    return name < mark if asked.reverse else name > mark


def shown(entries: list[dict[str, object]]) -> list[object]:
    return [
        one["subdir"]
        if "subdir" in one
        else Entry(
            str(one["name"]),
            str(one["version_id"]),
            latest=bool(one["is_latest"]),
            marker=one["content_type"] == MARKER,
        )
        for one in entries
    ]


def test_listings_of_versions_are_what_a_walk_says(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        order = await filled(service)
        whole = await service.ask("GET", "c", query="versions")
        assert order == shown(whole.json)
        backwards = list(reversed(order))
        assert backwards == shown((await service.ask("GET", "c", query="versions&reverse=on")).json)
        questions: list[Asked] = []

        @settings(max_examples=150, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(ASKED)
        def think(asked: Asked) -> None:
            questions.append(asked)

        think()
        for asked in questions:
            said = await service.ask("GET", "c", query=query_of(asked, backwards if asked.reverse else order))
            assert 200 == said.status
            assert modelled(asked, backwards if asked.reverse else order) == shown(said.json), asked

    run(tmp_path, story)


def test_a_page_of_versions_reads_no_more_than_a_page(tmp_path: Path) -> None:
    read: list[int] = []

    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.ask("POST", "c", headers={"x-versions-enabled": "true"})
        for at in range(60):
            await service.put(f"c/{at // 3:02}", bytes([at]))

        class Counted:
            """The pipeline below versions, which counts the entries it lists."""

            def __init__(self) -> None:
                self.rows = 0

            async def __call__(self, ask: Ask) -> Answer:
                answer = await service.app.pipeline(ask)
                if ask.method == "GET":
                    body = await answer.bytes()
                    self.rows += len(msgspec.json.decode(body)) if body else 0
                    answer.body = body
                return answer

        from pileus.object_store.features.version_lists import versions_listed

        marker, version, found = "", "", []
        while True:
            counted = Counted()
            query = {"limit": "10", "marker": marker, **({"version_marker": version} if version else {})}
            ask = Ask(method="GET", path=Name("AUTH_p1", "c"), query=query).by_cloud()
            answer = await versions_listed(service.app.cluster, ask, counted)
            page = msgspec.json.decode(await answer.bytes())
            read.append(counted.rows)
            if not page:
                break
            found += [(one["name"], one["version_id"]) for one in page]
            marker, version = page[-1]["name"], page[-1]["version_id"]
        assert (60, 60) == (len(found), len(set(found)))
        assert max(read) < 40

    run(tmp_path, story)
