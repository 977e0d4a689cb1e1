"""Domains, projects, users, groups, roles, services and regions over the HTTP API."""

from typing import Any


async def test_users_keep_what_clients_add_but_never_show_a_password(cloud: Any) -> None:
    await cloud.start()
    user = await cloud.make("user", name="ann", password="p", email="a@b", description="d", id="forged", links=1)
    assert 32 == len(user["id"])
    assert ("a@b", "d", {}, None) == (user["email"], user["description"], user["options"], user["password_expires_at"])
    assert f"http://cloud:1/identity/v3/users/{user['id']}" == user["links"]["self"]
    assert not [name for name in user if "hash" in name or name == "password"]
    changed = await cloud.ask("PATCH", f"/v3/users/{user['id']}", {"user": {"email": "c@d", "password": "q"}})
    assert ("c@d", "d") == (changed.body["user"]["email"], changed.body["user"]["description"])
    assert "password" not in changed.body["user"]
    assert 204 == (await cloud.ask("DELETE", f"/v3/users/{user['id']}")).status
    assert 404 == (await cloud.ask("GET", f"/v3/users/{user['id']}")).status


async def test_names_are_unique_within_their_domain(cloud: Any) -> None:
    await cloud.start()
    other = (await cloud.make("domain", name="other"))["id"]
    for kind, words in (
        (
            "user",
            "Conflict occurred attempting to store user - Duplicate entry found with name n at domain ID default.",
        ),
        (
            "group",
            "Conflict occurred attempting to store group - Duplicate entry found with name n at domain ID default.",
        ),
        ("project", "it is not permitted to have two projects with the same name in the same domain : n."),
    ):
        first = await cloud.make(kind, name="n")
        await cloud.make(kind, name="n", domain_id=other)
        again = await cloud.ask("POST", f"/v3/{kind}s", {kind: {"name": "n"}})
        assert 409 == again.status
        assert words in again.body["error"]["message"]
        second = await cloud.make(kind, name="m")
        clash = await cloud.ask("PATCH", f"/v3/{kind}s/{second['id']}", {kind: {"name": "n"}})
        assert 409 == clash.status
        assert 200 == (await cloud.ask("PATCH", f"/v3/{kind}s/{first['id']}", {kind: {"name": "n"}})).status
    for kind in ("domain", "role"):
        await cloud.make(kind, name="same")
        assert 409 == (await cloud.ask("POST", f"/v3/{kind}s", {kind: {"name": "same"}})).status


async def test_lists_filter_and_page(cloud: Any) -> None:
    await cloud.start()
    for name in ("anna", "annika", "berta"):
        await cloud.make("user", name=name, enabled=name != "berta")

    async def names(query: str) -> list[str]:
        return sorted(one["name"] for one in (await cloud.ask("GET", f"/v3/users?{query}")).body["users"])

    assert ["anna"] == await names("name=anna")
    assert ["anna", "annika"] == await names("name__startswith=ann")
    assert ["annika", "berta"] == sorted(await names("name__contains=nik") + await names("name__endswith=TA"))
    assert ["berta"] == await names("enabled=False")
    assert [] == await names("domain_id=nowhere")
    seen: list[str] = []
    path = "/v3/users?limit=3&sort_key=name&sort_dir=asc"
    while path:
        page = (await cloud.ask("GET", path)).body
        seen += [one["name"] for one in page["users"]]
        path = (page["links"]["next"] or "").removeprefix("http://cloud:1/identity")
    assert ["admin", "anna", "annika", "berta"] == seen
    assert 400 == (await cloud.ask("GET", "/v3/users?marker=none")).status
    assert 400 == (await cloud.ask("GET", "/v3/users?enabled=maybe")).status


async def test_projects_form_a_tree(cloud: Any) -> None:
    await cloud.start()
    top = await cloud.make("project", name="top", description="d", tags=["b", "a"])
    assert ("default", "default", False, ["a", "b"]) == (
        top["domain_id"],
        top["parent_id"],
        top["is_domain"],
        top["tags"],
    )
    below = await cloud.make("project", name="below", parent_id=top["id"])
    path = f"/v3/projects/{top['id']}"
    assert 403 == (await cloud.ask("DELETE", path)).status
    assert 403 == (await cloud.ask("PATCH", path, {"project": {"enabled": False}})).status
    assert 400 == (await cloud.ask("PATCH", path, {"project": {"parent_id": below["id"]}})).status
    assert 404 == (await cloud.ask("POST", "/v3/projects", {"project": {"name": "x", "parent_id": "none"}})).status
    listed = (await cloud.ask("GET", f"/v3/projects?parent_id={top['id']}")).body["projects"]
    assert ["below"] == [one["name"] for one in listed]
    assert 204 == (await cloud.ask("DELETE", f"/v3/projects/{below['id']}")).status
    assert 204 == (await cloud.ask("DELETE", path)).status


async def test_projects_nest_only_so_deep(cloud: Any) -> None:
    await cloud.start()
    parent = None
    for depth in range(5):
        parent = (await cloud.make("project", name=f"p{depth}", **({"parent_id": parent} if parent else {})))["id"]
    body = {"project": {"name": "deeper", "parent_id": parent}}
    assert 403 == (await cloud.ask("POST", "/v3/projects", body)).status


async def test_projects_have_tags(cloud: Any) -> None:
    await cloud.start()
    path = f"/v3/projects/{cloud.account.project_id}/tags"
    assert 201 == (await cloud.ask("PUT", f"{path}/blue")).status
    assert 204 == (await cloud.ask("GET", f"{path}/blue")).status
    assert 404 == (await cloud.ask("GET", f"{path}/red")).status
    assert ["a", "c"] == (await cloud.ask("PUT", path, {"tags": ["c", "a"]})).body["tags"]
    assert 200 == (await cloud.ask("GET", "/v3/projects?tags=a,c")).status
    assert 1 == len((await cloud.ask("GET", "/v3/projects?tags=a,c")).body["projects"])
    assert [] == (await cloud.ask("GET", "/v3/projects?tags=a,blue")).body["projects"]
    assert 204 == (await cloud.ask("DELETE", f"{path}/a")).status
    assert 204 == (await cloud.ask("DELETE", path)).status
    assert [] == (await cloud.ask("GET", path)).body["tags"]
    assert 400 == (await cloud.ask("PUT", path, {"tags": ["a,b"]})).status


async def test_a_domain_goes_with_all_it_owns_once_disabled(cloud: Any) -> None:
    await cloud.start()
    domain = (await cloud.make("domain", name="d"))["id"]
    user = (await cloud.make("user", name="u", domain_id=domain))["id"]
    project = (await cloud.make("project", name="p", domain_id=domain))["id"]
    grant = f"/v3/projects/{cloud.account.project_id}/users/{user}/roles/{await cloud.role('reader')}"
    await cloud.ask("PUT", grant)
    refused = await cloud.ask("DELETE", f"/v3/domains/{domain}")
    assert (403, "Cannot delete a domain that is enabled, please disable it first.") == (
        refused.status,
        refused.body["error"]["message"],
    )
    await cloud.ask("PATCH", f"/v3/domains/{domain}", {"domain": {"enabled": False}})
    assert 204 == (await cloud.ask("DELETE", f"/v3/domains/{domain}")).status
    for path in (f"users/{user}", f"projects/{project}", f"domains/{domain}"):
        assert 404 == (await cloud.ask("GET", f"/v3/{path}")).status
    held = (await cloud.ask("GET", "/v3/role_assignments")).body["role_assignments"]
    assert user not in [one["user"]["id"] for one in held]
    await cloud.ask("PATCH", "/v3/domains/default", {"domain": {"enabled": True}})
    assert 403 == (await cloud.ask("DELETE", "/v3/domains/default")).status


async def test_deleting_a_user_or_project_takes_its_assignments(cloud: Any) -> None:
    await cloud.start()
    user, project = (await cloud.make("user", name="u"))["id"], (await cloud.make("project", name="p"))["id"]
    reader = await cloud.role("reader")

    async def count() -> int:
        return len((await cloud.ask("GET", "/v3/role_assignments")).body["role_assignments"])

    before = await count()
    await cloud.ask("PUT", f"/v3/projects/{project}/users/{user}/roles/{reader}")
    await cloud.ask("PUT", f"/v3/domains/default/users/{user}/roles/{reader}")
    assert before + 2 == await count()
    await cloud.ask("DELETE", f"/v3/projects/{project}")
    assert before + 1 == await count()
    await cloud.ask("DELETE", f"/v3/users/{user}")
    assert before == await count()


async def test_groups_give_their_roles_to_their_members(cloud: Any) -> None:
    await cloud.start()
    user = (await cloud.make("user", name="u", password="p"))["id"]
    group = (await cloud.make("group", name="g"))["id"]
    role, project = await cloud.role("member"), cloud.account.project_id
    assert 204 == (await cloud.ask("PUT", f"/v3/projects/{project}/groups/{group}/roles/{role}")).status
    member = f"/v3/groups/{group}/users/{user}"
    assert 404 == (await cloud.ask("HEAD", member)).status
    assert 204 == (await cloud.ask("PUT", member)).status
    assert 204 == (await cloud.ask("HEAD", member)).status
    assert ["u"] == [one["name"] for one in (await cloud.ask("GET", f"/v3/groups/{group}/users")).body["users"]]
    assert ["g"] == [one["name"] for one in (await cloud.ask("GET", f"/v3/users/{user}/groups")).body["groups"]]
    await cloud.login("u", "p", project="admin")
    held = await cloud.ask("GET", f"/v3/role_assignments?effective&include_names&user.id={user}")
    assert ["member", "reader"] == sorted(one["role"]["name"] for one in held.body["role_assignments"])
    assert all("membership" in one["links"] for one in held.body["role_assignments"])
    assert 204 == (await cloud.ask("DELETE", member)).status
    answer = await cloud.auth(cloud.by_password("u", "p"), {"project": {"id": project}})
    assert 401 == answer.status


async def test_inherited_roles_hold_in_the_projects_below(cloud: Any) -> None:
    await cloud.start()
    user = (await cloud.make("user", name="u", password="p"))["id"]
    grant = f"/v3/OS-INHERIT/domains/default/users/{user}/roles/{await cloud.role('reader')}/inherited_to_projects"
    assert 404 == (await cloud.ask("HEAD", grant)).status
    assert 204 == (await cloud.ask("PUT", grant)).status
    assert 204 == (await cloud.ask("HEAD", grant)).status
    await cloud.login("u", "p", project="admin")
    assert 401 == (await cloud.auth(cloud.by_password("u", "p"), {"domain": {"id": "default"}})).status
    projects = (await cloud.ask("GET", f"/v3/users/{user}/projects")).body["projects"]
    assert ["admin"] == [one["name"] for one in projects]
    (held,) = (await cloud.ask("GET", f"/v3/role_assignments?effective&user.id={user}")).body["role_assignments"]
    assert {"project": {"id": cloud.account.project_id}, "OS-INHERIT:inherited_to": "projects"} == held["scope"]
    assert 204 == (await cloud.ask("DELETE", grant)).status


async def test_role_assignments_are_listed_by_scope_user_and_role(cloud: Any) -> None:
    await cloud.start()
    await cloud.person("rita", "reader")
    project = (await cloud.ask("GET", "/v3/projects?name=rita")).body["projects"][0]["id"]

    async def count(query: str) -> int:
        return len((await cloud.ask("GET", f"/v3/role_assignments?{query}")).body["role_assignments"])

    assert 1 == await count(f"scope.project.id={project}")
    assert 1 == await count(f"scope.project.id={project}&include_subtree")
    assert 1 == await count("scope.system=all")
    assert 4 == await count("scope.system=all&effective")
    assert 1 == await count(f"role.id={await cloud.role('reader')}")
    assert 2 == await count(f"user.id={cloud.account.user_id}")
    for wrong in (
        "scope.system=all&scope.project.id=x",
        "user.id=a&group.id=b",
        "effective&group.id=b",
        "include_subtree",
    ):
        assert 400 == (await cloud.ask("GET", f"/v3/role_assignments?{wrong}")).status


async def test_roles_imply_others_but_never_themselves(cloud: Any) -> None:
    await cloud.start()
    admin, reader = await cloud.role("admin"), await cloud.role("reader")
    role = (await cloud.make("role", name="auditor"))["id"]
    path = f"/v3/roles/{role}/implies/{reader}"
    assert 404 == (await cloud.ask("GET", path)).status
    assert 201 == (await cloud.ask("PUT", path)).status
    assert 204 == (await cloud.ask("HEAD", path)).status
    assert "reader" == (await cloud.ask("GET", path)).body["role_inference"]["implies"]["name"]
    assert 409 == (await cloud.ask("PUT", f"/v3/roles/{reader}/implies/{admin}")).status
    assert 4 == len((await cloud.ask("GET", "/v3/role_inferences")).body["role_inferences"])
    token = await cloud.person("audrey", "auditor")
    shown = (await cloud.ask("GET", "/v3/auth/tokens", headers={"x-subject-token": token})).body["token"]
    assert ["auditor", "reader"] == [one["name"] for one in shown["roles"]]
    assert 204 == (await cloud.ask("DELETE", path)).status
    assert 403 == (await cloud.ask("DELETE", f"/v3/roles/{admin}")).status  # immutable
    assert 204 == (await cloud.ask("DELETE", f"/v3/roles/{role}")).status


async def test_roles_of_a_domain_work_only_by_what_they_imply(cloud: Any) -> None:
    await cloud.start()
    role = (await cloud.make("role", name="local", domain_id="default"))["id"]
    await cloud.ask("PUT", f"/v3/roles/{role}/implies/{await cloud.role('reader')}")
    assert "local" not in [one["name"] for one in (await cloud.ask("GET", "/v3/roles")).body["roles"]]
    assert ["local"] == [one["name"] for one in (await cloud.ask("GET", "/v3/roles?domain_id=default")).body["roles"]]
    user = (await cloud.make("user", name="u", password="p"))["id"]
    grant = f"/v3/projects/{cloud.account.project_id}/users/{user}/roles/{role}"
    assert 204 == (await cloud.ask("PUT", grant)).status
    token = await cloud.auth(cloud.by_password("u", "p"), {"project": {"id": cloud.account.project_id}})
    assert ["reader"] == [one["name"] for one in token.body["token"]["roles"]]


async def test_the_catalog_is_made_of_services_endpoints_and_regions(cloud: Any) -> None:
    await cloud.start()
    service = await cloud.make("service", type="volumev3", name="cinder")
    assert 201 == (await cloud.ask("POST", "/v3/regions", {"region": {"id": "R2", "description": "d"}})).status
    assert 201 == (await cloud.ask("PUT", "/v3/regions/R3", {"region": {"parent_region_id": "R2"}})).status
    endpoint = await cloud.make(
        "endpoint", service_id=service["id"], interface="public", url="http://v/%(tenant_id)s", region_id="R3"
    )
    catalog = (await cloud.ask("GET", "/v3/auth/catalog")).body["catalog"]
    (entry,) = [one for one in catalog if one["type"] == "volumev3"]
    assert f"http://v/{cloud.account.project_id}" == entry["endpoints"][0]["url"]
    assert "R3" == entry["endpoints"][0]["region"]
    assert 403 == (await cloud.ask("DELETE", "/v3/regions/R2")).status
    bad = {"endpoint": {"service_id": "none", "interface": "public", "url": "http://v"}}
    assert 400 == (await cloud.ask("POST", "/v3/endpoints", bad)).status
    changed = await cloud.ask("PATCH", f"/v3/endpoints/{endpoint['id']}", {"endpoint": {"enabled": False}})
    assert changed.body["endpoint"]["enabled"] is False
    catalog = (await cloud.ask("GET", "/v3/auth/catalog")).body["catalog"]
    assert [] == next(one for one in catalog if one["type"] == "volumev3")["endpoints"]
    assert 204 == (await cloud.ask("DELETE", f"/v3/services/{service['id']}")).status
    assert 404 == (await cloud.ask("GET", f"/v3/endpoints/{endpoint['id']}")).status
    assert 204 == (await cloud.ask("DELETE", "/v3/regions/R2")).status
    assert 404 == (await cloud.ask("GET", "/v3/regions/R3")).status


async def test_bad_bodies_name_the_field(cloud: Any) -> None:
    await cloud.start()
    for path, body, words in (
        ("users", {"user": {}}, "name"),
        ("users", {"user": {"name": ""}}, "user.name"),
        ("users", {"user": {"name": "x", "enabled": "perhaps"}}, "user.enabled"),
        ("users", {"name": "x"}, "user"),
        ("projects", {"project": {"name": "x", "tags": "a"}}, "project.tags"),
        ("endpoints", {"endpoint": {"service_id": "x", "interface": "odd", "url": "u"}}, "endpoint.interface"),
    ):
        answer = await cloud.ask("POST", f"/v3/{path}", body)
        assert 400 == answer.status
        assert words in answer.body["error"]["message"]


async def test_versions_lead_clients_to_v3(cloud: Any) -> None:
    await cloud.start()
    answer = await cloud.ask("GET", "/", None, None)
    assert (300, "http://cloud:1/identity/v3/") == (answer.status, answer.headers["location"])
    (only,) = answer.body["versions"]["values"]
    assert ("v3.14", "stable") == (only["id"], only["status"])
    assert only == (await cloud.ask("GET", "/v3/", None, None)).body["version"]


async def test_options_are_those_that_have_an_effect(cloud: Any) -> None:
    await cloud.start()
    locked = await cloud.make("user", name="kiosk", password="p", options={"lock_password": True})
    assert {"lock_password": True} == locked["options"]
    body = {"user": {"password": "q", "original_password": "p"}}
    assert 403 == (await cloud.ask("POST", f"/v3/users/{locked['id']}/password", body, None)).status
    asked = {"user": {"options": {"lock_password": None}}}
    assert {} == (await cloud.ask("PATCH", f"/v3/users/{locked['id']}", asked)).body["user"]["options"]
    assert 204 == (await cloud.ask("POST", f"/v3/users/{locked['id']}/password", body, None)).status
    unknown = {"user": {"name": "x", "options": {"colour": "red"}}}
    answer = await cloud.ask("POST", "/v3/users", unknown)
    assert 400 == answer.status
    assert "colour" in answer.body["error"]["message"]

    project = await cloud.make("project", name="kept", options={"immutable": True})
    path = f"/v3/projects/{project['id']}"
    assert 403 == (await cloud.ask("DELETE", path)).status
    assert 403 == (await cloud.ask("PATCH", path, {"project": {"name": "y"}})).status
    assert 200 == (await cloud.ask("PATCH", path, {"project": {"options": {"immutable": False}}})).status
    assert 204 == (await cloud.ask("DELETE", path)).status


async def test_booleans_are_booleans_and_names_of_places_are_short(cloud: Any) -> None:
    await cloud.start()
    service = await cloud.make("service", type="t", name="n")
    endpoint = {"service_id": service["id"], "interface": "public", "url": "http://x", "enabled": "True"}
    assert 400 == (await cloud.ask("POST", "/v3/endpoints", {"endpoint": endpoint})).status
    for kind in ("domain", "project"):
        assert 400 == (await cloud.ask("POST", f"/v3/{kind}s", {kind: {"name": "x" * 65}})).status


async def test_an_update_makes_the_region_its_old_name_names(cloud: Any) -> None:
    await cloud.start()
    service = await cloud.make("service", type="t", name="n")
    endpoint = await cloud.make("endpoint", service_id=service["id"], interface="public", url="http://x")
    answer = await cloud.ask("PATCH", f"/v3/endpoints/{endpoint['id']}", {"endpoint": {"region": "new"}})
    assert (200, "new") == (answer.status, answer.body["endpoint"]["region_id"])
    answer = await cloud.ask("PATCH", f"/v3/endpoints/{endpoint['id']}", {"endpoint": {"region_id": "newer"}})
    assert 400 == answer.status


async def test_a_global_role_implies_no_role_of_a_domain(cloud: Any) -> None:
    await cloud.start()
    mine = await cloud.make("role", name="mine", domain_id="default")
    of_all = await cloud.make("role", name="of all")
    assert 201 == (await cloud.ask("PUT", f"/v3/roles/{mine['id']}/implies/{of_all['id']}")).status
    assert 403 == (await cloud.ask("PUT", f"/v3/roles/{of_all['id']}/implies/{mine['id']}")).status
