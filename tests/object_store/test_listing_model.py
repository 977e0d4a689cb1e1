"""Listings against a model: whatever the names and the question, what is listed is what a sorted set would say (FUZ-21, FUZ-22)."""

import tempfile
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.object_store.world import ACCOUNT, Service, run

from pileus.object_store.disk.containers import ContainerFacts, ContainerLedger
from pileus.object_store.models.listings import Entry, ObjectRow, Subdir, Wanted

FACTS = ContainerFacts(account="a", container="c", created="1", put_stamp="1")
LETTERS = st.sampled_from(["a", "b", "/", "-", ".", "é", "\U0001f600", "\x01", "\n", "%"])
NAMES = st.text(LETTERS, min_size=1, max_size=6)
MARKS = st.one_of(st.just(""), NAMES)


def modelled(names: set[str], wanted: Wanted) -> list[str]:
    """What a listing should be, by walking all names once."""
    prefix, delimiter = wanted.prefix, wanted.delimiter
    if wanted.path is not None:
        prefix, delimiter = (wanted.path.rstrip("/") + "/" if wanted.path else ""), "/"
    found: list[str] = []
    for name in sorted(names, reverse=wanted.reverse):
        low, high = (wanted.end_marker, wanted.marker) if wanted.reverse else (wanted.marker, wanted.end_marker)
        if (low and name <= low) or (high and name >= high) or not name.startswith(prefix):
            continue
        if wanted.path is not None and name == prefix:
            continue
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        told = name
        if end >= 0:
            told = name[: end + len(delimiter)]
            if wanted.path is not None and told != name:
                continue
            if wanted.path is None and told == wanted.marker:
                continue
            told = told if wanted.path is not None else f"{told}>"
        if not found or found[-1] != told:
            found.append(told)
    return found[: wanted.limit]


def listed(ledger: ContainerLedger, wanted: Wanted) -> list[Entry]:
    """What one ledger lists; nothing of it is in shards."""
    return [entry for _, here in ledger.listed(wanted)[1] for entry in here]


def told(entries: list[Entry]) -> list[str]:
    return [f"{one.name}>" if isinstance(one, Subdir) else one.name for one in entries]


WANTED = st.builds(
    Wanted,
    limit=st.integers(0, 12),
    marker=MARKS,
    end_marker=MARKS,
    prefix=st.one_of(st.just(""), st.text(LETTERS, max_size=3)),
    delimiter=st.one_of(st.just(""), st.sampled_from(["/", "-", "a/", "--"])),
    path=st.one_of(st.none(), st.sampled_from(["", "a", "a/", "a/b"])),
    reverse=st.booleans(),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(NAMES, max_size=25), st.lists(WANTED, min_size=5, max_size=25), st.sets(NAMES, max_size=5))
def test_listing_is_what_a_sorted_set_says(names: set[str], questions: list[Wanted], gone: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = ContainerLedger(f"{folder}/x/c.db")
        ledger.put(FACTS, {}, "1", 0)
        ledger.merge(ObjectRow(name=name, stamp="2", size=3) for name in names | gone)
        ledger.merge(ObjectRow(name=name, stamp="3", deleted=True) for name in gone)
        left = names - gone
        assert (len(left), 3 * len(left)) == (ledger.facts().count, ledger.facts().bytes)
        for wanted in questions:
            assert modelled(left, wanted) == told(listed(ledger, wanted)), wanted
        ledger.ledger.close()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.builds(
            ObjectRow,
            name=st.sampled_from(["a", "b"]),
            stamp=st.sampled_from("1234"),
            changed=st.sampled_from(["", "3", "5"]),
            size=st.integers(0, 9),
            deleted=st.booleans(),
        ),
        max_size=12,
    ),
    st.randoms(),
)
def test_order_of_news_does_not_matter(rows: list[ObjectRow], random: "object") -> None:
    # Of two rows with one order only one can be: the writer never makes two.
    unique = list({(row.name, row.order): row for row in rows}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        seen = []
        for at, order in enumerate((unique, shuffled)):
            ledger = ContainerLedger(f"{folder}/x/{at}.db")
            ledger.put(FACTS, {}, "1", 0)
            for row in order:
                ledger.merge([row])
            facts = ledger.facts()
            seen.append((told(listed(ledger, Wanted())), facts.count, facts.bytes))
            ledger.ledger.close()
        assert seen[0] == seen[1]


NASTY = [
    "/", "//", "/lead", "trail/", "a//b", ".", "..", "../up", "a/./b", "?", "#", "a?b#c", "%2F", "%", "+", "a b", " ", "\n", "\t", "\r\n",
    "\x01\x1f", "\x7f", "ü", "e\u0301", "日本", "\U0001f600", "\u202e", "\ufffe", "\u2028", "<&>\"'", "]]>", "a" * 1024, "é" * 512, "\\", ":", "null",
]  # fmt: skip


def test_every_name_is_listed_as_it_was_given(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        for name in NASTY:
            place = f"{ACCOUNT}/c/{quote(name, safe='')}"
            assert 201 == (await service.ask("PUT", place, name.encode())).status, name
            assert name.encode() == (await service.ask("GET", place)).body, name
        assert sorted(NASTY) == await service.listing("c")
        plain = (await service.ask("GET", "c", query="format=plain")).body.decode()
        assert "".join(f"{name}\n" for name in sorted(NASTY)) == plain
        xml = (await service.ask("GET", "c", query="format=xml")).body
        assert len(NASTY) == len(ET.fromstring(xml).findall("object"))
        for name, status in (("a" * 1025, 400), ("é" * 513, 400)):
            assert status == (await service.ask("PUT", f"{ACCOUNT}/c/{quote(name, safe='')}", b"x")).status
        for raw in ("%00", "a%00b", "%FF", "%ED%A0%80"):
            assert 412 == (await service.ask("PUT", f"{ACCOUNT}/c/{raw}", b"x")).status
        for name in NASTY:
            assert 204 == (await service.ask("DELETE", f"{ACCOUNT}/c/{quote(name, safe='')}")).status, name
        assert [] == await service.listing("c")

    run(tmp_path, story)


def test_nonsense_questions_are_answered_or_refused(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        await service.put("c/o")
        for path in ("", "c"):
            assert 412 == (await service.ask("GET", path, query="limit=10001")).status
            for query in ("limit=abc", "limit=-1", "format=what", "marker=%C3%A9", "reverse=maybe", "limit="):
                assert (await service.ask("GET", path, query=query)).status in {200, 204}, query
            for query in ("marker=%00", "prefix=%FF", "delimiter=%ED%A0%80", "end_marker=a%00"):
                assert 412 == (await service.ask("GET", path, query=query)).status, query
            assert 406 == (await service.ask("GET", path, headers={"accept": "image/png"})).status

    run(tmp_path, story)


def test_wrong_requests_leave_nothing(tmp_path: Path) -> None:
    async def story(service: Service) -> None:
        await service.put("c", b"")
        wrong = [
            ({"x-object-meta-" + "n" * 129: "v"}, 400),
            ({"x-object-meta-n": "v" * 257}, 400),
            ({f"x-object-meta-{at}": "v" for at in range(91)}, 400),
            ({"x-delete-at": "tomorrow"}, 400),
            ({"x-delete-after": "-1"}, 400),
            ({"if-none-match": "etag"}, 400),
            ({"x-copy-from": "nothing"}, 412),
            ({"x-copy-from": "/c/none", "content-length": "0"}, 404),
        ]
        for headers, status in wrong:
            assert status == (await service.ask("PUT", "c/o", headers=headers)).status, headers
        assert [] == await service.listing("c")

    run(tmp_path, story)
