"""The screen of a server that is only pretended: as much of a VNC server as it takes to be let in (RFC 6143, section 7)."""

import asyncio
import struct

VERSION = b"RFB 003.008\n"
NO_PASSWORD = b"\x01"
WIDTH, HEIGHT = 640, 400
# Bits of a pixel, depth, big-endian, true colour, most of each colour, shifts, padding.
PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    """Whoever speaks the protocol knows the screen's size and name; raises IncompleteReadError if he goes before."""
    writer.write(VERSION)
    await reader.readexactly(len(VERSION))
    writer.write(b"\x01" + NO_PASSWORD)
    await reader.readexactly(1)  # the kind of security he chose: there is but one
    writer.write(struct.pack(">I", 0))
    await reader.readexactly(1)  # whether he shares the screen
    title = name.encode()
    writer.write(struct.pack(">HH", WIDTH, HEIGHT) + PIXELS + struct.pack(">I", len(title)) + title)
    await writer.drain()
