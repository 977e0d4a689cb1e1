"""Agents as Neutron's API has them: two on each host, made of what hosts say of themselves."""

import datetime as dt
import uuid

import msgspec

# Names agents' ids are made from: a host's agent has the same id wherever it is asked for.
_SPACE = uuid.UUID("8b1ac1e4-6c3f-4f3a-9d0a-0c5f5a2c7f11")
GATEWAY = "ovn-controller"
METADATA = "neutron-ovn-metadata-agent"


class AgentNote(msgspec.Struct, frozen=True):
    """What an operator said of an agent: a description, and that he deleted it when its host was not heard any more."""

    id: str
    description: str | None
    deleted_at: dt.datetime | None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One of a host's agents."""

    id: str
    binary: str
    host: str
    alive: bool
    joined: dt.datetime
    last_heard: dt.datetime
    external: bool  # whether the host reaches physical networks, and so may carry gateways
    description: str | None = None


def agent_id(host: str, binary: str) -> str:
    """The id of a host's agent."""
    return str(uuid.uuid5(_SPACE, f"{host} {binary}"))
