"""Access lists: S3's grants are the container's own access list, said in other words, so that both APIs mean the same.

    everybody READ        <->  .r:*,.rlistings       in X-Container-Read
    everybody with a key  <->  *:*                   in X-Container-Read or -Write
    a project             <->  PROJECT:*
    a user of a project   <->  PROJECT:USER

The owner, the bucket's project, always has FULL_CONTROL. What cannot be said so is refused, not forgotten.
"""

from collections.abc import Iterable

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.models.acls import parsed as acl_parsed
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import Call, document_of, own_name, segments_of
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.tags import described_object
from pileus.object_store.s3.xml import XSI, Node, box, document, parsed, tag

READ, WRITE = "x-container-read", "x-container-write"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
ANY_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
PUBLIC = ".r:*,.rlistings"
CANNED = {
    "private": ("", ""),
    "public-read": (PUBLIC, ""),
    "authenticated-read": ("*:*", ""),
    "bucket-owner-read": ("", ""),
    "bucket-owner-full-control": ("", ""),
}
OF_OWNER = {"private", "bucket-owner-read", "bucket-owner-full-control"}
GRANTS = {
    "x-amz-grant-read": "READ",
    "x-amz-grant-write": "WRITE",
    "x-amz-grant-full-control": "FULL_CONTROL",
    "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write-acp": "WRITE_ACP",
}
Grant = tuple[str, str]  # a grantee: an id, or the address of a group; and what they may


def lists_of(call: Call) -> dict[str, str] | None:
    """The container's access lists as the headers of a request say them; None when they say nothing."""
    canned = call.header("x-amz-acl")
    grants = [(grantee, permission) for name, permission in GRANTS.items() for grantee in _grantees(call.header(name))]
    if canned and grants:
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if canned:
        if canned == "public-read-write":
            raise S3Error("NotImplemented", "Nobody may write without a key; grant AuthenticatedUsers WRITE instead.")
        if canned not in CANNED:
            raise S3Error("InvalidArgument", about={"ArgumentName": "x-amz-acl", "ArgumentValue": canned[:100]})
        read, write = CANNED[canned]
        return {READ: read, WRITE: write}
    return lists_of_grants(call, grants) if grants else None


def _grantees(text: str) -> Iterable[str]:
    for part in text.split(","):
        kind, _, value = part.strip().partition("=")
        value = value.strip().strip('"')
        if not part.strip():
            continue
        if kind.strip() not in {"id", "uri"} or not value:
            raise S3Error("InvalidArgument", "Grantees are named by id or uri.")
        yield value


def lists_of_grants(call: Call, grants: Iterable[Grant]) -> dict[str, str]:
    """The lists that mean the same as the grants; raises S3Error where none do."""
    owner = own_name(call.bucket)
    read: list[str] = []
    write: list[str] = []
    for grantee, permission in grants:
        if grantee == owner:
            continue
        if (
            permission not in {"READ", "WRITE", "FULL_CONTROL"}
            or grantee.startswith("http")
            and permission == "FULL_CONTROL"
        ):
            raise S3Error(
                "NotImplemented", f"{permission} cannot be granted here: only the bucket's project administers it."
            )
        if permission in {"READ", "FULL_CONTROL"}:
            read.append(_entry(grantee, permission))
        if permission in {"WRITE", "FULL_CONTROL"}:
            write.append(_entry(grantee, "WRITE"))
    return {READ: ",".join(dict.fromkeys(read)), WRITE: ",".join(dict.fromkeys(write))}


def _entry(grantee: str, permission: str) -> str:
    if grantee == ALL_USERS:
        if permission != "READ":
            raise S3Error("NotImplemented", "Nobody may write without a key; grant AuthenticatedUsers WRITE instead.")
        return PUBLIC
    if grantee == ANY_USERS:
        return "*:*"
    if grantee.startswith(("http", ".")) or "," in grantee:
        raise S3Error("InvalidArgument", "Invalid group uri or id", about={"ArgumentValue": grantee[:200]})
    return grantee if ":" in grantee else f"{grantee}:*"


def grants_of(facts: ContainerFacts, owner: str) -> list[Grant]:
    """What the container's lists grant, as S3 says it."""
    found: list[Grant] = [(owner, "FULL_CONTROL")]
    for header, permission in ((READ, "READ"), (WRITE, "WRITE")):
        referrers, groups = acl_parsed(facts.metadata.get(header, ""))
        if "*" in referrers:
            found.append((ALL_USERS, permission))
        for group in groups:
            if group == "*:*":
                found.append((ANY_USERS, permission))
            elif ":" in group:
                found.append((group.removesuffix(":*"), permission))
    return found


def acl_document(owner: str, grants: Iterable[Grant]) -> bytes:
    """The document that lists grants."""
    return document(
        "AccessControlPolicy", owner_xml(owner), box("AccessControlList", *(_grant_xml(one) for one in grants))
    )


def owner_xml(project: str, name: str = "Owner") -> str:
    """The element that says whose something is."""
    return box(name, tag("ID", project), tag("DisplayName", project))


def _grant_xml(grant: Grant) -> str:
    grantee, permission = grant
    kind = "Group" if grantee.startswith("http") else "CanonicalUser"
    inner = tag("URI", grantee) if kind == "Group" else tag("ID", grantee) + tag("DisplayName", grantee)
    return box(
        "Grant", f'<Grantee xmlns:xsi="{XSI}" xsi:type="{kind}">{inner}</Grantee>', tag("Permission", permission)
    )


def grants_of_document(root: Node) -> list[Grant]:
    """The grants that a document lists; raises MalformedACLError."""
    found = root.one("AccessControlList")
    if found is None:
        raise S3Error("MalformedACLError")
    grants = []
    for one in found.all("Grant"):
        grantee = one.one("Grantee")
        permission = one.said("Permission")
        if grantee is None or permission not in {*GRANTS.values()}:
            raise S3Error("MalformedACLError")
        name = grantee.said("URI") or grantee.said("ID")
        if not name:
            raise S3Error("NotImplemented" if grantee.one("EmailAddress") else "MalformedACLError")
        grants.append((name, permission))
    return grants


def require_plain_acl(call: Call) -> None:
    """A write of an object asks for no access list of its own: access is granted by bucket."""
    canned = call.header("x-amz-acl")
    if (canned and canned not in OF_OWNER) or any(call.header(name) for name in GRANTS):
        raise S3Error("AccessControlListNotSupported")


async def bucket_acl_get(call: Call) -> Answer:
    """Who may what with the bucket."""
    facts = await call.owned()
    owner = own_name(call.bucket)
    return Answer(headers={"content-type": "application/xml"}, body=acl_document(owner, grants_of(facts, owner)))


async def bucket_acl_put(call: Call) -> Answer:
    """So it is granted."""
    await call.owned()
    raw = await document_of(call)
    lists = lists_of(call)
    if lists is None:
        root = parsed(raw, "AccessControlPolicy")
        lists = lists_of_grants(call, grants_of_document(root))
    await call.tell(call.ask("POST", call.bucket, headers=lists))
    segments = segments_of(call.bucket)
    if await call.app.cluster.container(segments) is not None:  # who may read an object may read its parts
        await call.tell(call.ask("POST", segments, headers=lists))
    return Answer()


async def object_acl_get(call: Call) -> Answer:
    """Who may what with the object: what the bucket grants."""
    await described_object(call)
    facts = await call.facts()
    owner = own_name(call.bucket)
    grants = [(grantee, "READ") for grantee, permission in grants_of(facts, owner)[1:] if permission == "READ"]
    body = acl_document(owner, [(owner, "FULL_CONTROL"), *grants])
    return Answer(headers={"content-type": "application/xml"}, body=body)


async def object_acl_put(call: Call) -> Answer:
    """Refused, unless it says what holds anyway: that the object is the owner's."""
    await call.owned()
    await described_object(call)
    raw = await document_of(call)
    require_plain_acl(call)
    if not call.header("x-amz-acl"):
        grants = grants_of_document(parsed(raw, "AccessControlPolicy"))
        if any(grantee != own_name(call.bucket) for grantee, _ in grants):
            raise S3Error("AccessControlListNotSupported")
    return Answer()
