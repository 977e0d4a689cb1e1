"""Whatever is claimed and given back in whatever order, the counts of the inventories are those of the allocations."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.placement.harness import build

from pileus.placement.commands.allocations import Write, release, replace
from pileus.placement.errors import NoRoom
from pileus.placement.port import PlacementPort
from pileus.ports.placement import Inventory

HOSTS = ("id-0", "id-1", "id-2")
CONSUMERS = ("c0", "c1", "c2", "c3")
ACTS = st.one_of(
    st.tuples(st.just("claim"), st.sampled_from(CONSUMERS), st.integers(1, 3), st.integers(1, 9)),
    st.tuples(st.just("write"), st.sampled_from(CONSUMERS), st.sampled_from(HOSTS), st.integers(1, 9)),
    st.tuples(st.just("release"), st.sampled_from(CONSUMERS), st.just(0), st.just(0)),
    st.tuples(st.just("hand over"), st.sampled_from(CONSUMERS), st.sampled_from(CONSUMERS), st.just(0)),
    st.tuples(st.just("resize host"), st.sampled_from(HOSTS), st.integers(1, 12), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=14))
def test_counts_never_drift(acts: list[tuple[str, str, object, int]]) -> None:
    async def whole() -> None:
        app = await build()
        port = PlacementPort(app)
        for number, id in enumerate(HOSTS):
            await port.ensure_provider(f"h{number}", id, {"VCPU": Inventory(total=8)})
        for kind, who, what, amount in acts:
            try:
                if kind == "claim":
                    await port.claim(who, {"VCPU": amount}, project_id="p", user_id="u")
                elif kind == "write":
                    write = Write(consumer=who, allocations={str(what): {"VCPU": amount}}, project_id="p", user_id="u")
                    await replace(app, [write])
                elif kind == "release":
                    await release(app, who)
                elif kind == "hand over" and who != what:
                    await port.hand_over(who, str(what))
                elif kind == "resize host":
                    assert isinstance(what, int)
                    await port.ensure_provider(f"h{who[-1]}", who, {"VCPU": Inventory(total=what)})
            except NoRoom:
                pass
        for room in await port.rooms():
            held = sum(claim.resources["VCPU"] for claim in await port.claimed_on(room.id))
            assert held == room.used["VCPU"]
        await app.db.close()

    asyncio.run(whole())
