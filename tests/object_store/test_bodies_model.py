"""Bodies and manifests against a model: what is acknowledged is there as it was sent, what is refused left nothing (FUZ-23, FUZ-24)."""

import json
from hashlib import md5
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.object_store.world import Said, Service, run

QUIET = {"database": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One PUT: its bytes, how they come, and what its headers say of them."""

    name: str
    body: bytes
    pieces: int
    length: int | None  # what the header says, counted from the truth; None: it is chunked
    tag: str  # none, right, quoted, upper, wrong, nonsense
    first: bool  # only if it is not there
    hangs_up: bool

    @property
    def whole(self) -> bool:
        """Whether all came that was announced."""
        return not self.hangs_up and self.length in {None, 0}


UPLOADS = st.builds(
    Upload,
    name=st.sampled_from(["a", "b", "c"]),
    body=st.one_of(st.binary(max_size=40), st.sampled_from([bytes(70_000), b"x" * 200_000])),
    pieces=st.integers(1, 4),
    length=st.sampled_from([None, 0, 0, 0, 1, 7]),
    tag=st.sampled_from(["none", "none", "right", "quoted", "upper", "wrong", "nonsense"]),
    first=st.booleans(),
    hangs_up=st.sampled_from([False, False, False, True]),
)


def sent_as(upload: Upload) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Headers, and the messages in which the body comes."""
    digest = md5(upload.body).hexdigest()
    tags = {
        "none": {}, "right": {"etag": digest}, "quoted": {"etag": f'"{digest}"'}, "upper": {"etag": digest.upper()},
        "wrong": {"etag": "0" * 32}, "nonsense": {"etag": "W/\"\" \xff"},
    }  # fmt: skip
    headers = tags[upload.tag] | ({"if-none-match": "*"} if upload.first else {})
    step = max(len(upload.body) // upload.pieces, 1)
    parts = [upload.body[at : at + step] for at in range(0, len(upload.body), step)] or [b""]
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    cut = upload.hangs_up or bool(upload.length)
    last = {"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False}
    return headers, [*messages, last]


def due(upload: Upload, there: bool) -> set[int]:
    """What may be answered."""
    wrong = set()
    if upload.first and there:
        wrong.add(412)
    if not upload.whole:
        wrong.add(499)
    if upload.tag in {"wrong", "nonsense"}:
        wrong.add(422)
    return wrong or {201}


def test_bodies_are_kept_as_they_were_sent_or_not_at_all(tmp_path: Path) -> None:
    uploads: list[Upload] = []

    @settings(max_examples=150, **QUIET)  # type: ignore[arg-type]
    @given(UPLOADS)
    def think(upload: Upload) -> None:
        uploads.append(upload)

    think()

    async def story(service: Service) -> None:
        await service.put("box", b"")
        kept: dict[str, bytes] = {}
        for upload in uploads:
            headers, messages = sent_as(upload)
            length = None if upload.length is None else len(upload.body) + upload.length
            said = await service.ask("PUT", f"box/{upload.name}", headers=headers, messages=messages, length=length)
            assert said.status in due(upload, upload.name in kept), (upload, said)
            if said.status == 201:
                kept[upload.name] = upload.body
                assert md5(upload.body).hexdigest() == said.headers["etag"]
            for name in ("a", "b", "c"):
                got = await service.ask("GET", f"box/{name}")
                assert (kept.get(name), 200 if name in kept else 404) == (
                    got.body if name in kept else None,
                    got.status,
                )
        listed = (await service.ask("GET", "box", query="format=json")).json
        assert {name: len(body) for name, body in kept.items()} == {one["name"]: one["bytes"] for one in listed}
        assert [] == [name for name in service.files() if "/tmp/" in name]

    run(tmp_path, story)


SEGMENTS = {"s/one": b"first", "s/two": b"the second", "s/\u00e4 /3": b"3", "s/empty": b""}
NESTED = "s/nested"
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 20), st.floats(allow_nan=False), st.text(max_size=3), st.just([]), st.just({}),
    st.sampled_from(["\u00b2", "9" * 5000, "\u0665", " 5", "-1", "1e3", "bytes=0-1", "0-0", "1-", "-2", "5-1", "0-0,1-1", "99-"]),
)  # fmt: skip
SAYS = ("size_bytes", "etag", "range", "data", "more")
JUNK = st.sampled_from([None, True, 5, -1, 10**30, 5.0, "", "5", [], {}, "\u00b2", "9" * 5000]) | ODD
ONE_ODD = st.builds(lambda name, odd: [{"path": "/s/one", name: odd}], st.sampled_from(SAYS), JUNK)
PATHS = st.sampled_from(
    [*(f"/{name}" for name in SEGMENTS), "s/one", f"/{NESTED}", "/s/none", "/box/slo", "/s", "", "//", "/s/\0"]
)
ENTRY = st.one_of(
    st.fixed_dictionaries({"path": PATHS}),
    st.fixed_dictionaries({"path": PATHS}, optional={"size_bytes": JUNK}),
    st.fixed_dictionaries({"path": PATHS}, optional={"etag": JUNK}),
    st.fixed_dictionaries({"path": PATHS}, optional={"range": JUNK}),
    st.fixed_dictionaries({"data": st.one_of(JUNK, st.sampled_from(["YWI=", "YWJj", "===="]))}),
    st.fixed_dictionaries({"path": PATHS, "more": JUNK}),
    JUNK,
)
GOOD = st.fixed_dictionaries(
    {"path": st.sampled_from(["/s/one", "/s/two", "s/two", f"/{NESTED}"])},
    optional={"range": st.sampled_from(["0-0", "1-3", "-2", "2-", None])},
)
MANIFESTS = st.one_of(st.lists(GOOD, min_size=1, max_size=4), ONE_ODD, ONE_ODD, st.lists(ENTRY, max_size=4), JUNK)
RAW = st.sampled_from(
    [b"", b"[", b"[]", b"\xff", b"[" * 100_000, b'[{"path": "\\ud800/o"}]', b"null", b"[{}]" + b" " * 9_000_000]
)


def joined(manifest: Any) -> bytes | None:
    """What a manifest stands for; None when it is not one of those that surely do."""
    known = {**SEGMENTS, NESTED: SEGMENTS["s/one"] + SEGMENTS["s/two"]}
    found = b""
    for one in manifest if isinstance(manifest, list) else [None]:
        name = one.get("path", "").lstrip("/") if isinstance(one, dict) else ""
        if not known.get(name) or not set(one) <= {"path", "range"}:
            return None
        if one.get("range") not in (None, "0-0", "1-3", "-2", "2-"):
            return None
        low, _, high = (one.get("range") or "").partition("-")
        body = known[name]
        found += body[-int(high) :] if high and not low else body[int(low or 0) : int(high) + 1 if high else None]
    return found or None


def test_manifests_are_taken_whole_or_refused_with_reasons(tmp_path: Path) -> None:
    thought: list[tuple[bytes, bytes | None]] = []

    @settings(max_examples=250, **QUIET)  # type: ignore[arg-type]
    @given(st.one_of(MANIFESTS, MANIFESTS, MANIFESTS, RAW))
    def think(manifest: Any) -> None:
        raw = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        thought.append((raw, None if isinstance(manifest, bytes) else joined(manifest)))

    think()

    async def story(service: Service) -> None:
        await service.put("s", b"")
        await service.put("box", b"")
        for name, body in SEGMENTS.items():
            await service.put(name, body)
        manifest = json.dumps([{"path": "/s/one"}, {"path": "/s/two"}]).encode()
        assert 201 == (await service.ask("PUT", NESTED, manifest, query="multipart-manifest=put")).status
        before = b"what was there"
        await service.put("box/slo", before)
        taken = 0
        for raw, whole in thought:
            said = await service.ask("PUT", "box/slo", raw, query="multipart-manifest=put")
            got = await service.ask("GET", "box/slo")
            if whole is not None:
                assert 201 == said.status, (raw, said)
            assert said.status in {201, 400, 413, 422}, (raw[:200], said)
            if said.status == 201:
                taken += 1
                before = whole if whole is not None else got.body
                assert 200 == got.status, raw
            else:
                assert said.body, raw[:200]
            assert before == got.body, raw[:200]
        assert taken > 30

    run(tmp_path, story)


async def deep(service: Service, levels: int) -> Said:
    """An object that is made of one that is made of one, so many times."""
    await service.put("s/0", b"bottom")
    for level in range(1, levels + 1):
        manifest = json.dumps([{"path": f"/s/{level - 1}"}]).encode()
        await service.ask("PUT", f"s/{level}", manifest, query="multipart-manifest=put")
    return await service.ask("GET", f"s/{levels}")


def test_manifests_are_nested_so_deep_and_no_deeper(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("s", b"")
        assert (200, b"bottom") == ((said := await deep(service, 10)).status, said.body)
        assert 409 == (await deep(service, 12)).status

    run(tmp_path, story)


def test_manifests_have_so_many_segments_and_no_more(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("s", b"")
        await service.put("s/o", b"x")
        for count, status in ((1000, 201), (1001, 413)):
            manifest = json.dumps([{"path": "/s/o"}] * count).encode()
            assert status == (await service.ask("PUT", "s/slo", manifest, query="multipart-manifest=put")).status
        assert b"x" * 1000 == (await service.ask("GET", "s/slo")).body

    run(tmp_path, story)


def test_dynamic_manifests_never_go_in_circles(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("s", b"")
        await service.put("s/p/a", b"", x_object_manifest="s/p/")
        await service.put("s/p/b", b"", x_object_manifest="s/p/a")
        await service.put("s/p/c", b"bytes")
        assert (200, b"bytes") == ((said := await service.ask("GET", "s/p/a")).status, said.body)
        assert (200, b"") == ((said := await service.ask("GET", "s/p/b")).status, said.body)
        for wrong in ("s", "s/", "/", "s/a?b", "s/a&b"):
            assert 400 == (await service.ask("PUT", "s/x", headers={"x-object-manifest": wrong})).status, wrong

    run(tmp_path, story)
