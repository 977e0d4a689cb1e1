"""Tags of objects and buckets: kept as text, the way they come in a header."""

from urllib.parse import parse_qsl, urlencode

from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import LATER, Call, document_of
from pileus.object_store.s3.described import TAGS, version_asked, version_header
from pileus.object_store.s3.documents import kept_document, put_document
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.xml import Node, box, document, parsed, tag

MOST_OF_OBJECT, MOST_OF_BUCKET = 10, 50
MOST_KEY, MOST_VALUE = 128, 256
_KEPT = ("content-disposition", "content-encoding", "cache-control", "content-language", "expires", "x-robots-tag")


def tags_of_header(call: Call) -> dict[str, str]:
    """The tags that a write gives the object, as they are kept."""
    text = call.header("x-amz-tagging")
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise S3Error(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        ) from None
    return {TAGS: urlencode(checked(pairs, MOST_OF_OBJECT))}


def checked(pairs: list[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """The tags, if they can be; raises S3Error."""
    if len(pairs) > most:
        raise S3Error("InvalidTag", f"There can be no more than {most} tags, not {len(pairs)}.")
    for key, value in pairs:
        if not key or len(key) > MOST_KEY or key.lower().startswith("aws:"):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", about={"TagKey": key[:MOST_KEY]})
        if len(value) > MOST_VALUE:
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", about={"TagKey": key})
    if len({key for key, _ in pairs}) != len(pairs):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    return pairs


def tags_of_document(root: Node, most: int) -> list[tuple[str, str]]:
    """The tags that a document lists."""
    found = root.one("TagSet")
    if found is None:
        raise S3Error("MalformedXML")
    return checked([(one.key("Key"), one.key("Value")) for one in found.all("Tag")], most)


def tags_document(pairs: list[tuple[str, str]]) -> bytes:
    """The document that lists tags."""
    return document(
        "Tagging", box("TagSet", *(box("Tag", tag("Key", key), tag("Value", value)) for key, value in pairs))
    )


async def object_tagging_get(call: Call) -> Answer:
    """The object's tags."""
    now = await described_object(call)
    pairs = parse_qsl(now.headers.get(TAGS, ""), keep_blank_values=True)
    return Answer(headers={"content-type": "application/xml", **version_header(now.headers)}, body=tags_document(pairs))


async def object_tagging_put(call: Call) -> Answer:
    """The object has these tags and no others."""
    pairs = tags_of_document(parsed(await document_of(call), "Tagging"), MOST_OF_OBJECT)
    return Answer(headers=await described_anew(call, {TAGS: urlencode(pairs)}))


async def object_tagging_delete(call: Call) -> Answer:
    """The object has no tags."""
    return Answer(status=204, headers=await described_anew(call, {TAGS: ""}))


async def described_object(call: Call) -> Answer:
    """What is known of the object or version; raises NoSuchKey and the like."""
    version = version_asked(call)
    ask = call.ask("HEAD", call.object, query={"version-id": version} if version is not None else None)
    answer = await call.tell(ask)
    await answer.close()
    return answer


async def described_anew(call: Call, changes: dict[str, str]) -> dict[str, str]:
    """Something of what S3 keeps with the object is changed, and all else stays; return the headers that tell."""
    await call.writable()
    async with call.turns.of(call.object):
        now = await described_object(call)
        headers = {
            name: value
            for name, value in now.headers.items()
            if name.startswith(("x-object-meta-", LATER)) or name in _KEPT or name == "x-delete-at"
        }
        headers |= {"content-type": now.headers.get("content-type", ""), **changes}
        version = version_asked(call)
        ask = call.ask(
            "POST",
            call.object,
            headers={name: value for name, value in headers.items() if value} | {"x-backend-s3": "true"},
            query={"version-id": version} if version is not None else None,
        )
        await call.tell(ask)
    return version_header(now.headers)


async def bucket_tagging_get(call: Call) -> Answer:
    """The bucket's tags."""
    facts = await call.owned()
    text = kept_document(facts, "tags")
    if not text:
        raise S3Error("NoSuchTagSet", about={"BucketName": str(call.request.bucket)})
    return Answer(
        headers={"content-type": "application/xml"}, body=tags_document(parse_qsl(text, keep_blank_values=True))
    )


async def bucket_tagging_put(call: Call) -> Answer:
    """The bucket has these tags and no others."""
    await call.owned()
    pairs = tags_of_document(parsed(await document_of(call), "Tagging"), MOST_OF_BUCKET)
    await put_document(call, "tags", urlencode(pairs))
    return Answer(status=204)


async def bucket_tagging_delete(call: Call) -> Answer:
    """The bucket has no tags."""
    await call.owned()
    await put_document(call, "tags", "")
    return Answer(status=204)
