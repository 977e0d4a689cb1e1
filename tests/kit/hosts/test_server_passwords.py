"""A host is told the password of a server of its own, while its document names that one; and of no other."""

import pytest
from tests.kit.hosts.test_remote import Cloud

from pileus.compute.agent import KIND
from pileus.kit.hosts.channel import Channel
from pileus.kit.hosts.dial import Refused
from pileus.main.server_passwords import FarPasswords, PasswordRoutes


class Given:
    """GivenPasswords that tell what they were asked."""

    async def fetch(self, server_id: str, reference: str) -> str:
        return f"{reference} of {server_id}"


async def test_only_what_its_document_names_is_told_to_a_host(kit, tmp_path) -> None:
    async with kit() as k:
        cloud = Cloud(k, tmp_path)
        cloud.channel = Channel(PasswordRoutes(k.hosts, Given()).routes(), cloud.members.admits)
        await cloud.listen()
        try:
            mine, other = FarPasswords(await cloud.join("h1")), FarPasswords(await cloud.join("h2"))
            await k.hosts.want("h1", KIND, "s1", {"password": "now"})
            assert "now of s1" == await mine.fetch("s1", "now")
            for who, server, reference in ((mine, "s1", "before"), (other, "s1", "now"), (mine, "s2", "now")):
                with pytest.raises(Refused):
                    await who.fetch(server, reference)
            await k.hosts.unwant("h1", KIND, "s1")
            with pytest.raises(Refused):
                await mine.fetch("s1", "now")
        finally:
            await cloud.close()
