"""Servers join security groups and leave them."""

from tests.compute.world import a_world


async def test_all_ports_join_and_leave() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 202 == (await world.act(id, addSecurityGroup={"name": "web"})).status
        assert ["default", "web"] == [group["name"] for group in (await world.show(id))["security_groups"]]
        assert 202 == (await world.act(id, removeSecurityGroup={"name": "web"})).status
        assert ["default"] == [group["name"] for group in (await world.show(id))["security_groups"]]
        await world.act(id, removeSecurityGroup={"name": "default"})
        assert "security_groups" not in await world.show(id)


async def test_what_does_not_fit_is_refused() -> None:
    async with a_world() as world:
        id = await world.boot()
        assert 404 == (await world.act(id, addSecurityGroup={"name": "nothing"})).status
        answered = await world.act(id, removeSecurityGroup={"name": "web"})
        said = f"Security group web not associated with the instance {id}"
        assert (404, said) == (answered.status, answered.body["itemNotFound"]["message"])
        await world.act(id, lock=None)
        assert 409 == (await world.act(id, addSecurityGroup={"name": "web"})).status
