"""QEMU's guest agent, spoken to over the channel that leads to it: one JSON object a line, each way.

What was said before we came may still lie in the channel, from us or from the agent; so every talk begins with a byte that
ends whatever was half said, and with a number that the agent says back (guest-sync-delimited).
"""

import asyncio
import base64
import json
import secrets

import msgspec

from pileus.compute.drivers.interface import DriverError

MARK = b"\xff"  # no byte of JSON
MOST_ANSWER = 1 << 16


class Refusal(msgspec.Struct, frozen=True):
    """Why the agent did not do it."""

    desc: str = "it does not say why"


class Answer(msgspec.Struct, frozen=True, rename={"returned": "return"}):
    """What the agent says to a command."""

    returned: object = None
    error: Refusal | None = None


class Refused(DriverError):
    """The agent was asked, and says no."""


class GuestAgent:
    """A talk with one guest's agent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def greet(self) -> None:
        """The agent listens, and what it says from now on answers us; waits until it does."""
        number = secrets.randbelow(2**31)
        self._writer.write(MARK)
        self._say("guest-sync-delimited", id=number)
        while True:
            await self._reader.readuntil(MARK)
            if (await self._heard()).returned == number:
                return

    async def set_password(self, user: str, password: str) -> None:
        """The user of the guest has the password; raises Refused with the agent's words."""
        encoded = base64.b64encode(password.encode()).decode()
        self._say("guest-set-user-password", username=user, password=encoded, crypted=False)  # codespell:ignore crypted
        answer = await self._heard()
        if answer.error is not None:
            raise Refused("The guest refuses the password", answer.error.desc)

    async def freeze(self) -> int:
        """The guest's file systems are consistent on their disks, and stay so; returns how many. Raises Refused."""
        return await self._count("guest-fsfreeze-freeze", "The guest's file systems cannot be frozen")

    async def thaw(self) -> int:
        """The guest's file systems are written to again; returns how many were not. Raises Refused."""
        return await self._count("guest-fsfreeze-thaw", "The guest's file systems cannot be thawed")

    async def _count(self, command: str, otherwise: str) -> int:
        self._say(command)
        answer = await self._heard()
        if answer.error is not None:
            raise Refused(otherwise, answer.error.desc)
        return answer.returned if isinstance(answer.returned, int) else 0

    def _say(self, command: str, **arguments: object) -> None:
        self._writer.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")

    async def _heard(self) -> Answer:
        line = await self._reader.readline()
        if not line.endswith(b"\n") or len(line) > MOST_ANSWER:
            raise DriverError("The guest's agent breaks off", "the channel to it is closed")
        try:
            return msgspec.json.decode(line, type=Answer)
        except msgspec.DecodeError as bad:
            raise DriverError("The guest's agent makes no sense", str(bad)) from bad
