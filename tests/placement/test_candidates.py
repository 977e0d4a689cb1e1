"""Candidates are a pure function of providers and request."""

from pileus.placement.models.candidates import Group, Request, candidates
from pileus.placement.models.providers import Stock, Supply


def supply(id: str, parent: str | None = None, root: str | None = None, **rest: object) -> Supply:
    stocks = rest.pop("stocks", {"VCPU": 4})
    assert isinstance(stocks, dict)
    return Supply(
        id=id,
        name=id,
        parent=parent,
        root=root or id,
        stocks={name: Stock(total=total) for name, total in stocks.items()},
        traits=frozenset(rest.pop("traits", ())),  # type: ignore[call-overload]
        aggregates=frozenset(rest.pop("aggregates", ())),  # type: ignore[call-overload]
    )


def found(providers: list[Supply], *groups: Group, **rest: object) -> list[dict[str, dict[str, int]]]:
    request = Request(groups=groups, **rest)  # type: ignore[arg-type]
    return [{id: dict(part) for id, part in one.allocations.items()} for one in candidates(providers, request)]


NUMA = [
    supply("h", stocks={"MEMORY_MB": 100}, traits=["HW_CPU_X86_AVX"]),
    supply("n0", "h", "h", stocks={"VCPU": 2, "VGPU": 1}),
    supply("n1", "h", "h", stocks={"VCPU": 2, "VGPU": 1}, traits=["CUSTOM_FAST"]),
]


def test_a_plain_request_takes_every_host_with_room() -> None:
    hosts = [supply("a"), supply("b", stocks={"VCPU": 1})]
    assert [{"a": {"VCPU": 2}}] == found(hosts, Group(resources={"VCPU": 2}))


def test_an_unnumbered_group_may_spread_over_a_tree() -> None:
    group = Group(resources={"VCPU": 2, "MEMORY_MB": 10})
    assert [
        {"n0": {"VCPU": 2}, "h": {"MEMORY_MB": 10}},
        {"n1": {"VCPU": 2}, "h": {"MEMORY_MB": 10}},
    ] == found(NUMA, group)
    assert [] == found(NUMA, group, nested=False)


def test_a_numbered_group_takes_one_provider() -> None:
    assert [] == found(NUMA, Group(suffix="1", resources={"VCPU": 2, "MEMORY_MB": 10}))
    assert 2 == len(found(NUMA, Group(suffix="1", resources={"VCPU": 2, "VGPU": 1})))


def test_isolated_groups_stay_apart() -> None:
    groups = (Group(suffix="1", resources={"VCPU": 1}), Group(suffix="2", resources={"VCPU": 1}))
    assert 4 == len(found(NUMA, *groups))  # both on n0, both on n1, one on each in either order
    # The same resources, but what is given for which group is another question.
    assert [{"n0": {"VCPU": 1}, "n1": {"VCPU": 1}}] * 2 == found(NUMA, *groups, isolate=True)
    bare = Group(suffix="3", required=(frozenset({"CUSTOM_FAST"}),))
    together = (frozenset({"1", "3"}),)
    assert [{"n1": {"VCPU": 1}}] == found(NUMA, groups[0], bare, same_subtree=together)
    assert [] == found(NUMA, groups[0], bare, same_subtree=together, isolate=True)


def test_groups_never_take_more_together_than_there_is() -> None:
    groups = (Group(suffix="1", resources={"VCPU": 2}), Group(suffix="2", resources={"VCPU": 2}))
    assert [{"n0": {"VCPU": 2}, "n1": {"VCPU": 2}}] * 2 == found(NUMA, *groups)


def test_groups_in_the_same_subtree() -> None:
    groups = (Group(suffix="1", resources={"VCPU": 1}), Group(suffix="2", resources={"VGPU": 1}))
    together = (frozenset({"1", "2"}),)
    assert [{"n0": {"VCPU": 1, "VGPU": 1}}, {"n1": {"VCPU": 1, "VGPU": 1}}] == found(
        NUMA, *groups, same_subtree=together
    )


def test_traits_are_required_and_forbidden() -> None:
    fast, avx = frozenset({"CUSTOM_FAST"}), frozenset({"HW_CPU_X86_AVX"})
    assert [{"n1": {"VCPU": 1}}] == found(NUMA, Group(resources={"VCPU": 1}, required=(fast,)))
    assert [{"n0": {"VCPU": 1}}] == found(NUMA, Group(resources={"VCPU": 1}, forbidden=fast))
    assert 2 == len(found(NUMA, Group(resources={"VCPU": 1}), root_required=avx))
    assert [] == found(NUMA, Group(resources={"VCPU": 1}), root_forbidden=avx)


def test_an_aggregate_of_the_root_counts_for_its_tree() -> None:
    tree = [supply("h", stocks={}, aggregates=["A"]), supply("n", "h", "h")]
    assert [{"n": {"VCPU": 1}}] == found(tree, Group(resources={"VCPU": 1}, member_of=(frozenset({"A", "B"}),)))
    assert [] == found(tree, Group(resources={"VCPU": 1}, not_member_of=frozenset({"A"})))


def test_a_sharing_provider_serves_its_aggregate() -> None:
    disk = supply("disk", stocks={"DISK_GB": 9}, aggregates=["A"], traits=["MISC_SHARES_VIA_AGGREGATE"])
    hosts = [supply("a", aggregates=["A"]), supply("b"), disk]
    assert [{"a": {"VCPU": 1}, "disk": {"DISK_GB": 5}}] == found(hosts, Group(resources={"VCPU": 1, "DISK_GB": 5}))


def test_a_limit_cuts_the_answer() -> None:
    assert 1 == len(found([supply("a"), supply("b")], Group(resources={"VCPU": 1}), limit=1))


def test_an_aggregate_of_the_root_is_not_a_numbered_groups() -> None:
    tree = [supply("h", stocks={}, aggregates=["A"]), supply("n", "h", "h")]
    assert [] == found(tree, Group(suffix="1", resources={"VCPU": 1}, member_of=(frozenset({"A"}),)))
    assert [{"n": {"VCPU": 1}}] == found(tree, Group(suffix="1", resources={"VCPU": 1}, not_member_of=frozenset({"A"})))


def test_in_tree_is_asked_of_who_gives() -> None:
    disk = supply("disk", stocks={"DISK_GB": 9}, aggregates=["A"], traits=["MISC_SHARES_VIA_AGGREGATE"])
    hosts = [supply("a", aggregates=["A"], stocks={"VCPU": 4, "DISK_GB": 9}), disk]
    cpu = Group(suffix="1", resources={"VCPU": 1})
    assert [{"a": {"VCPU": 1}, "disk": {"DISK_GB": 5}}] == found(
        hosts, cpu, Group(suffix="2", resources={"DISK_GB": 5}, in_tree="disk")
    )
    assert [{"a": {"VCPU": 1, "DISK_GB": 5}}] == found(
        hosts, cpu, Group(suffix="2", resources={"DISK_GB": 5}, in_tree="a")
    )
    assert [] == found(hosts, Group(resources={"DISK_GB": 5}, in_tree="nobody"))


def test_before_trees_were_spanned_each_provider_stood_alone() -> None:
    assert [{"n0": {"VCPU": 2}}, {"n1": {"VCPU": 2}}] == found(NUMA, Group(resources={"VCPU": 2}), nested=False)


def test_two_that_share_with_one_tree_may_give_all_of_it() -> None:
    shares = ["MISC_SHARES_VIA_AGGREGATE"]
    disk = supply("disk", stocks={"DISK_GB": 9}, aggregates=["A"], traits=shares)
    addresses = supply("pool", stocks={"IPV4_ADDRESS": 9}, aggregates=["B"], traits=shares)
    hosts = [supply("h", aggregates=["A", "B"]), disk, addresses]
    assert [{"disk": {"DISK_GB": 1}, "pool": {"IPV4_ADDRESS": 1}}] == found(
        hosts, Group(resources={"DISK_GB": 1, "IPV4_ADDRESS": 1})
    )
