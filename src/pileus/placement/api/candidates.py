"""Allocation candidates: the ways a request for resources could be satisfied now."""

from typing import Annotated

from pileus.kit.http import Call, F, Version, Wire
from pileus.placement.api.candidates_query import request_of
from pileus.placement.api.service import api, ruled, stamp
from pileus.placement.app import PlacementApp
from pileus.placement.commands import search
from pileus.placement.models.candidates import Candidate
from pileus.placement.models.providers import Supply


class CandidateReference(Wire):
    uuid: str


class ListedCandidatePart(Wire):
    resource_provider: CandidateReference
    resources: dict[str, int]


class CandidatePart(Wire):
    resources: dict[str, int]


class AllocationRequest(Wire):
    """One candidate, in the shape allocations are written in."""

    listed: Annotated[list[ListedCandidatePart], F("allocations", until="1.11")]
    allocations: Annotated[dict[str, CandidatePart], F(since="1.12")]
    mappings: Annotated[dict[str, list[str]], F(since="1.34")]


class SummaryPart(Wire):
    capacity: int
    used: int


class Summary(Wire):
    """What a provider has and how much of it is claimed."""

    resources: dict[str, SummaryPart]
    traits: Annotated[list[str], F(since="1.17")]
    parent_provider_uuid: Annotated[str | None, F(since="1.29")]
    root_provider_uuid: Annotated[str, F(since="1.29")]


class CandidatesView(Wire):
    allocation_requests: list[AllocationRequest]
    provider_summaries: dict[str, Summary]


def asked(candidate: Candidate) -> AllocationRequest:
    parts = {id: CandidatePart(resources=dict(part)) for id, part in candidate.allocations.items()}
    return AllocationRequest(
        listed=[
            ListedCandidatePart(resource_provider=CandidateReference(uuid=id), resources=part.resources)
            for id, part in parts.items()
        ],
        allocations=parts,
        mappings={suffix: list(providers) for suffix, providers in candidate.mappings.items()},
    )


def summary(supply: Supply, at: Version, wanted: set[str]) -> Summary:
    return Summary(
        resources={
            name: SummaryPart(capacity=stock.capacity, used=stock.used)
            for name, stock in supply.stocks.items()
            if at >= (1, 27) or name in wanted
        },
        traits=sorted(supply.traits),
        parent_provider_uuid=supply.parent,
        root_provider_uuid=supply.root,
    )


@api.get("/allocation_candidates", ruled("allocation_candidates:list"), since="1.10")
async def index(call: Call[PlacementApp]) -> CandidatesView:
    """List allocation candidates."""
    request = request_of(call.query, call.version)
    found = await search.candidates(call.app, request)
    taking = {id for candidate in found.candidates for id in candidate.allocations}
    wanted = {name for group in request.groups for name in group.resources}
    # Since 1.29 all of a tree is summed up, before only those who give something.
    shown = [supply for supply in found.supplies if call.version >= (1, 29) or supply.id in taking]
    stamp(call)
    return CandidatesView(
        allocation_requests=[asked(candidate) for candidate in found.candidates],
        provider_summaries={supply.id: summary(supply, call.version, wanted) for supply in shown},
    )
