"""Rings: shares by weight, copies apart, and little moves when something changes."""

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pileus.object_store.ring.builder import Builder
from pileus.object_store.ring.places import Device

DEVICES = st.lists(
    st.builds(
        lambda zone, host, weight: (zone, f"h{zone}-{host}", weight),
        st.integers(1, 3),
        st.integers(1, 2),
        st.sampled_from([1.0, 2.0]),
    ),
    min_size=3,
    max_size=10,
)


def made(shape: list[tuple[int, str, float]], replicas: float = 3.0, part_power: int = 6) -> Builder:
    builder = Builder(part_power=part_power, replicas=replicas)
    for id, (zone, host, weight) in enumerate(shape):
        builder.set_device(Device(id=id, name=f"d{id}", zone=zone, host=host, weight=weight))
    return builder


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(DEVICES)
def test_no_device_has_two_copies_of_a_partition_and_zones_are_used(shape: list[tuple[int, str, float]]) -> None:
    builder = made(shape)
    assert 0 == builder.rebalance(0).close
    ring = builder.ring()
    zones = len({zone for zone, _, _ in shape})
    for partition in range(ring.partitions):
        places = ring.places(partition)
        assert 3 == len({place.device.id for place in places})
        assert min(3, zones) == len({place.device.zone for place in places})
        handoffs = [place.device.id for place in ring.handoffs(partition)]
        assert sorted(handoffs) == sorted(set(range(len(shape))) - {place.device.id for place in places})


def test_shares_follow_weights() -> None:
    builder = made([(1, "h", 1.0), (1, "h", 1.0), (1, "h", 2.0)], replicas=1.0, part_power=8)
    builder.rebalance(0)
    loads = [builder.rows[0].count(id) for id in range(3)]
    assert [64, 64, 128] == loads


def test_a_new_device_takes_its_share_and_nothing_else_moves() -> None:
    builder = made([(1, f"h{at}", 1.0) for at in range(4)], replicas=3.0, part_power=8)
    builder.rebalance(0)
    before = [list(row) for row in builder.rows]
    builder.set_device(Device(id=4, name="d4", host="h4"))
    balance = builder.rebalance(100)
    moved = [
        (partition, replica)
        for replica, row in enumerate(builder.rows)
        for partition, id in enumerate(row)
        if id != before[replica][partition]
    ]
    assert balance.moved == len(moved)
    assert all(builder.rows[replica][partition] == 4 for partition, replica in moved)
    share = 3 * 256 / 5
    assert abs(len(moved) - share) <= 2
    assert len(moved) == len({partition for partition, _ in moved})  # one copy of each at a time


def test_copies_move_apart_when_hosts_come_one_after_the_other() -> None:
    builder = made([], replicas=3.0, part_power=5)
    for hours, host in enumerate("abcd"):
        for disk in range(2):
            id = hours * 2 + disk
            builder.set_device(Device(id=id, name=f"d{id}", host=host))
        builder.replicas = min(3.0, len(builder.devices))
        builder.rebalance(hours * 100)
    for again in range(6):
        builder.rebalance(1000 + again * 100)
    assert 0 == builder.dispersed()
    loads = [sum(row.count(id) for row in builder.rows) for id in range(8)]
    assert max(loads) - min(loads) <= 3
    assert 0 == builder.rebalance(2000).moved


def test_nothing_moves_twice_within_the_hours_that_were_set() -> None:
    builder = made([(1, f"h{at}", 1.0) for at in range(3)], replicas=2.0)
    builder.rebalance(100)
    builder.set_device(Device(id=3, name="d3", host="h3"))
    assert 0 == builder.rebalance(100.5).moved
    assert 0 < builder.rebalance(101.1).moved


def test_a_removed_device_loses_only_its_own() -> None:
    builder = made([(1, f"h{at}", 1.0) for at in range(5)], replicas=3.0)
    builder.rebalance(0)
    held = sum(row.count(2) for row in builder.rows)
    builder.remove_device(2)
    assert held <= builder.rebalance(0.1).moved <= held + 2
    assert all(2 not in row for row in builder.rows)


def test_more_partitions_move_nothing_between_devices() -> None:
    builder = made([(1, f"h{at}", 1.0) for at in range(4)])
    builder.rebalance(0)
    before = builder.ring()
    builder.increase_part_power()
    after = builder.ring()
    for hash in (f"{at:08x}" + "0" * 24 for at in range(0, 1 << 32, 123_456_789)):
        old, new = (ring.places(ring.partition(hash)) for ring in (before, after))
        assert [place.device.id for place in old] == [place.device.id for place in new]


def test_a_fraction_of_a_copy_is_kept_of_a_fraction_of_partitions() -> None:
    builder = made([(1, f"h{at}", 1.0) for at in range(4)], replicas=2.25)
    builder.rebalance(0)
    ring = builder.ring()
    counts = [len(ring.places(partition)) for partition in range(ring.partitions)]
    assert (16, 48) == (counts.count(3), counts.count(2))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))
@given(DEVICES, st.sampled_from([1.0, 2.0, 2.5, 3.0, 3.25]), st.lists(st.sampled_from("arw"), min_size=1, max_size=6))
def test_whatever_changes_every_copy_stays_somewhere_and_little_moves_at_a_time(
    shape: list[tuple[int, str, float]], replicas: float, changes: list[str]
) -> None:
    builder = made(shape, min(replicas, float(len(shape))), 5)
    builder.rebalance(0)
    hours = 0.0
    for number, change in enumerate(changes):
        gone: set[int] = set()
        if change == "a":
            id = max(builder.devices) + 1
            builder.set_device(Device(id=id, name=f"d{id}", zone=1 + id % 3, host=f"h{id}"))
        elif change == "r" and len(builder.devices) > max(4, builder.replicas):
            gone = {min(builder.devices)}
            builder.remove_device(min(builder.devices))
        else:
            one = builder.devices[max(builder.devices)]
            builder.set_device(msgspec.structs.replace(one, weight=[0.5, 4.0][number % 2]))
        before = [list(row) for row in builder.rows]
        hours += 10
        balance = builder.rebalance(hours)
        moved: dict[int, int] = {}
        for row, old in zip(builder.rows, before, strict=True):
            for partition, (now, was) in enumerate(zip(row, old, strict=True)):
                assert now in builder.devices
                if now != was and was not in gone:
                    moved[partition] = moved.get(partition, 0) + 1
        assert 0 == balance.close
        assert max(moved.values(), default=0) <= 1  # a copy at a time; the others are where they were
        frozen = [list(row) for row in builder.rows]
        builder.rebalance(hours + 0.5)  # within min_part_hours what moved just now stays
        for row, old in zip(builder.rows, frozen, strict=True):
            for partition, (now, was) in enumerate(zip(row, old, strict=True)):
                assert now == was or builder.moved_at[partition] == hours + 0.5


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))
@given(st.integers(4, 9), st.floats(1.0, 3.9))
def test_fractions_of_copies_are_kept_to_the_partition(count: int, replicas: float) -> None:
    builder = made([(1, f"h{at}", 1.0) for at in range(count)], replicas, 6)
    builder.rebalance(0)
    ring = builder.ring()
    counts = [len(ring.places(partition)) for partition in range(ring.partitions)]
    assert {int(replicas), int(replicas) + 1} >= set(counts)
    assert int((replicas - int(replicas)) * 64) == sum(found > int(replicas) for found in counts)


def test_overload_lets_a_small_zone_hold_a_copy_of_everything() -> None:
    def held(overload: float) -> int:
        builder = made([(1, "a", 4.0), (2, "b", 4.0), (3, "c", 3.0)], 3.0, 6)
        builder.overload = overload
        builder.rebalance(0)
        assert 0 == builder.dispersed()
        return sum(row.count(2) for row in builder.rows)

    assert 64 == held(0.1)  # three disks, three copies: there is no other way
    builder = made([(1, "a", 1.0), (1, "b", 1.0), (2, "c", 0.8)], 2.0, 6)
    builder.overload = 0.3
    builder.rebalance(0)
    assert 0 == builder.dispersed()


def test_regions_come_before_zones_and_zones_before_hosts() -> None:
    builder = Builder(part_power=5, replicas=3.0)
    for id in range(12):
        builder.set_device(Device(id=id, name=f"d{id}", region=1 + id % 2, zone=1 + id % 3, host=f"h{id % 6}"))
    builder.rebalance(0)
    ring = builder.ring()
    for partition in range(ring.partitions):
        places = [place.device for place in ring.places(partition)]
        assert 2 == len({one.region for one in places})
        assert 3 == len({(one.region, one.zone) for one in places})
        first = next(iter(ring.handoffs(partition)))
        assert first.device.tiers[1] not in {one.tiers[1] for one in places}  # who stands in is elsewhere as well
