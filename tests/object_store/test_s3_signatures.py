"""Signatures of S3 requests: the vendor's published examples, and what must not pass."""

import datetime as dt
import hashlib
import hmac
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError
from tests.object_store.s3_world import EXAMPLE, HOST, SECRETS, S3World, s3_world

DAY = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)
EMPTY = hashlib.sha256(b"").hexdigest()
PLACE = "http://examplebucket.s3.amazonaws.com"
DOMAIN = {"s3_domains": ("s3.amazonaws.com",)}
CREDENTIAL = f"{EXAMPLE}/20130524/us-east-1/s3/aws4_request"


def code(body: bytes) -> str:
    return ET.fromstring(body).findtext("Code") or ""


def header_4(signed: str, signature: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={signed},Signature={signature}"


def with_bucket(world: S3World, name: str = "examplebucket") -> None:
    world.run(world.service.put(name, b""))


def test_published_examples_of_version_4_headers(tmp_path: Path) -> None:
    with s3_world(tmp_path, at=DAY, **DOMAIN) as world:
        with_bucket(world)
        text = b"Welcome to Amazon S3."
        put = {
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-date": "20130524T000000Z",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "authorization": header_4(
                "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
        }
        status, headers, _ = world.ask("PUT", f"{PLACE}/test%24file.text", text, put)
        assert (200, f'"{hashlib.md5(text).hexdigest()}"') == (status, headers["ETag"])
        world.run(world.service.put("examplebucket/test.txt", b"0123456789abcdef"))
        about = {"x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY}
        signed = "host;x-amz-content-sha256;x-amz-date"
        ranged = header_4(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        )
        got = world.ask("GET", f"{PLACE}/test.txt", b"", {**about, "range": "bytes=0-9", "authorization": ranged})
        assert (206, b"0123456789") == (got[0], got[2])
        listed = header_4(signed, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
        assert 200 == world.ask("GET", f"{PLACE}/?max-keys=2&prefix=J", b"", {**about, "authorization": listed})[0]
        asked = header_4(signed, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        status, _, body = world.ask("GET", f"{PLACE}/?lifecycle", b"", {**about, "authorization": asked})
        assert (404, "NoSuchLifecycleConfiguration") == (status, code(body))


def test_published_example_of_a_version_4_query(tmp_path: Path) -> None:
    with s3_world(tmp_path, at=DAY, **DOMAIN) as world:
        with_bucket(world)
        world.run(world.service.put("examplebucket/test.txt", b"bytes"))
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={CREDENTIAL.replace('/', '%2F')}&X-Amz-Date=20130524T000000Z"
            "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        )
        assert b"bytes" == world.ask("GET", f"{PLACE}/test.txt?{query}")[2]
        assert 403 == world.ask("PUT", f"{PLACE}/test.txt?{query}", b"other")[0]
        assert 403 == world.ask("GET", f"{PLACE}/test.txt?{query}&versionId=null")[0]
        world.service.clock.move(86_401)
        status, _, body = world.ask("GET", f"{PLACE}/test.txt?{query}")
        assert (403, b"Request has expired") == (status, body[body.index(b"<Message>") + 9 : body.index(b"</Message>")])


CHUNKED = {
    "host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "content-length": "66824",
    "authorization": header_4(
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
}
SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)


def chunks(signatures: tuple[str, ...], pieces: tuple[bytes, ...]) -> bytes:
    return b"".join(
        f"{len(piece):x};chunk-signature={signature}\r\n".encode() + piece + b"\r\n"
        for signature, piece in zip(signatures, pieces, strict=True)
    )


def test_published_example_of_signed_chunks(tmp_path: Path) -> None:
    with s3_world(tmp_path, at=DAY, **DOMAIN) as world:
        with_bucket(world)
        url = "http://s3.amazonaws.com/examplebucket/chunkObject.txt"
        body = chunks(SIGNATURES, (b"a" * 65536, b"a" * 1024, b""))
        assert 66824 == len(body)
        damaged = body.replace(b"a" * 1024, b"a" * 1023 + b"b")
        status, _, said = world.ask("PUT", url, damaged, CHUNKED)
        assert (403, "SignatureDoesNotMatch") == (status, code(said))
        # Without its end nobody knows that it ended: the length of what is in it is told, and signed.
        short = chunks((SIGNATURES[0], SIGNATURES[2]), (b"a" * 65536, b""))
        assert world.ask("PUT", url, short, CHUNKED)[0] in {400, 403}
        assert [] == world.run(world.service.listing("examplebucket"))
        assert 200 == world.ask("PUT", url, body, CHUNKED)[0]
        got = world.run(world.service.ask("GET", "examplebucket/chunkObject.txt"))
        assert b"a" * 66560 == got.body
        assert "content-encoding" not in got.headers


def test_published_example_of_chunks_with_a_signed_trailer(tmp_path: Path) -> None:
    with s3_world(tmp_path, at=DAY, **DOMAIN) as world:
        with_bucket(world)
        url = "http://s3.amazonaws.com/examplebucket/chunkObject.txt"
        headers = {
            "host": "s3.amazonaws.com",
            "x-amz-date": "20130524T000000Z",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            "x-amz-trailer": "x-amz-checksum-crc32c",
            "authorization": header_4(
                "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
                "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
            ),
        }
        signatures = (
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        )
        top = chunks(signatures, (b"a" * 65536, b"a" * 1024, b"")).removesuffix(b"\r\n")
        trailer = b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
        signed = b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
        for wrong in (trailer.replace(b"sOO8", b"sOO9") + signed, trailer + signed.replace(b":d", b":e"), b"\r\n"):
            assert world.ask("PUT", url, top + wrong, headers)[0] in {400, 403}
        assert [] == world.run(world.service.listing("examplebucket"))
        status, _, said = world.ask("PUT", url, top + trailer + signed, headers)
        assert 200 == status, said
        assert ["chunkObject.txt"] == world.run(world.service.listing("examplebucket"))


@pytest.mark.parametrize(
    ("method", "url", "headers", "signature"),
    [
        ("GET", "/photos/puppy.jpg", {"date": "Tue, 27 Mar 2007 19:36:42 +0000"}, "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
        (
            "PUT",
            "/photos/puppy.jpg",
            {"date": "Tue, 27 Mar 2007 21:15:45 +0000", "content-type": "image/jpeg"},
            "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
        ),
        (
            "GET",
            "/?prefix=photos&max-keys=50&marker=puppy",
            {"date": "Tue, 27 Mar 2007 19:42:41 +0000"},
            "htDYFYduRNen8P9ZfE/s9SuKy0U=",
        ),
        ("GET", "/?acl", {"date": "Tue, 27 Mar 2007 19:44:46 +0000"}, "c2WLPFtWHVgbEmeEG93a4cG37dM="),
    ],
)
def test_published_examples_of_version_2(
    tmp_path: Path, method: str, url: str, headers: dict[str, str], signature: str
) -> None:
    at = (
        dt.datetime(2007, 3, 27, 19, 40, tzinfo=dt.UTC)
        if "21:15" not in headers["date"]
        else dt.datetime(2007, 3, 27, 21, 15, tzinfo=dt.UTC)
    )
    with s3_world(tmp_path, at=at, **DOMAIN) as world:
        with_bucket(world, "johnsmith")
        world.run(world.service.put("johnsmith/photos/puppy.jpg", b"x"))
        place = f"http://johnsmith.s3.amazonaws.com{url}"
        said = world.ask(method, place, b"", {**headers, "authorization": f"AWS {EXAMPLE}:{signature}"})
        assert 200 == said[0], said
        said = world.ask(method, place, b"", {**headers, "authorization": f"AWS {EXAMPLE}:{signature[:-2]}A="})
        assert (403, "SignatureDoesNotMatch") == (said[0], code(said[2]))


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as wrong:
        call(**arguments)
    return str(wrong.value.response["Error"]["Code"])


def test_the_clock_may_be_a_quarter_of_an_hour_away_and_no_more(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = world.client()
        client.create_bucket(Bucket="box")
        world.service.clock.move(800)
        client.list_objects_v2(Bucket="box")
        world.service.clock.move(200)
        assert "RequestTimeTooSkewed" == refused(client.list_objects_v2, Bucket="box")


def test_strangers_and_wrong_secrets_are_refused_alike(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        world.client().create_bucket(Bucket="box")
        assert "SignatureDoesNotMatch" == refused(world.client("mallory").list_buckets)
        assert "NoSuchBucket" == refused(world.client("bob").list_objects_v2, Bucket="box")
        status, _, body = world.ask("GET", f"http://{HOST}/s3/box")
        assert (403, "AccessDenied") == (status, code(body))
        status, _, body = world.ask("GET", f"http://{HOST}/s3/p1:box")
        assert (403, "AccessDenied") == (status, code(body))


def sign_4(method: str, path: str, headers: dict[str, str], stamp: str, secret: str, payload: str) -> str:
    """The signature, computed anew from the vendor's description."""
    scope = f"{stamp[:8]}/r/s3/aws4_request"
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{payload}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential=alice/{scope}, SignedHeaders={names}, Signature={signature}"


def test_every_header_of_the_vendor_must_be_signed_and_bodies_are_what_was_signed(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        with_bucket(world, "box")
        stamp = world.service.clock.now().strftime("%Y%m%dT%H%M%SZ")
        payload = hashlib.sha256(b"body").hexdigest()
        headers = {"host": HOST, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        signed = {
            **headers,
            "authorization": sign_4("PUT", "/s3/box/k%C3%A4/%20a", headers, stamp, SECRETS["alice"], payload),
        }
        url = f"http://{HOST}/s3/box/k%c3%a4/%20a"
        status, _, body = world.ask("PUT", url, b"body", {**signed, "x-amz-meta-a": "b"})
        assert (403, "AccessDenied") == (status, code(body))
        assert b"x-amz-meta-a" in body
        status, _, body = world.ask("PUT", url, b"BODY", signed)
        assert (400, "XAmzContentSHA256Mismatch") == (status, code(body))
        assert [] == world.run(world.service.listing("box"))
        assert 200 == world.ask("PUT", url, b"body", signed)[0]
        assert ["k\u00e4/ a"] == world.run(world.service.listing("box"))
        assert "InvalidArgument" == code(world.ask("PUT", f"{url}?X-Amz-Signature=1", b"body", signed)[2])
        for wrong in ("AWS4-HMAC-SHA256 Credential=alice", signed["authorization"].replace("/s3/", "/ec2/")):
            assert "AuthorizationHeaderMalformed" == code(
                world.ask("PUT", url, b"body", {**signed, "authorization": wrong})[2]
            )
        assert "InvalidArgument" == code(world.ask("PUT", url, b"body", {**signed, "authorization": "Basic abc"})[2])


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_addresses_work_in_both_versions(tmp_path: Path, version: str) -> None:
    with s3_world(tmp_path) as world:
        client = world.client(signature_version=version)
        client.create_bucket(Bucket="box")
        put = client.generate_presigned_url("put_object", Params={"Bucket": "box", "Key": "a b"}, ExpiresIn=60)
        assert 200 == world.ask("PUT", put, b"bytes")[0]
        got = client.generate_presigned_url(
            "get_object", Params={"Bucket": "box", "Key": "a b", "ResponseContentType": "image/png"}, ExpiresIn=60
        )
        status, headers, body = world.ask("GET", got)
        assert (200, "image/png", b"bytes") == (status, headers["Content-Type"], body)
        assert 403 == world.ask("GET", got.replace("image%2Fpng", "text%2Fplain"))[0]
        assert 403 == world.ask("DELETE", got)[0]
        world.service.clock.move(120)
        assert 403 == world.ask("GET", got)[0]


OF_4 = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-SignedHeaders=host"


@pytest.mark.parametrize(
    "query",
    [
        "AWSAccessKeyId=alice&Expires=9999999999&Signature=%FF%FE", "AWSAccessKeyId=%FF&Expires=9999999999&Signature=a",
        "AWSAccessKeyId=alice&Expires=nonsense&Signature=a", "X-Amz-Signature=a",
        f"{OF_4}&X-Amz-Credential=%FF%2F20130524%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Signature=%FF",
        f"{OF_4}&X-Amz-Credential=a%2F20139999%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20139999T000000Z&X-Amz-Signature=a",
    ],
)  # fmt: skip
def test_queries_that_are_no_signatures_are_refused(tmp_path: Path, query: str) -> None:
    with s3_world(tmp_path, at=DAY) as world:
        with_bucket(world, "box")
        status, _, body = world.ask("GET", f"http://{HOST}/s3/box?{query}")
        assert (True, True) == (status in {400, 403}, bool(code(body))), body


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with s3_world(tmp_path) as world:
        client = world.client(signature_version="s3")
        client.create_bucket(Bucket="box")
        url = client.generate_presigned_url("list_objects", Params={"Bucket": "box"})
        for query, expected in (("prefix=%FF", 400), ("marker=%00", 400), ("prefix=%C3%A4%0A", 200)):
            assert expected == world.ask("GET", f"{url}&{query}")[0]
        for path in ("%FF", "a%00b"):
            assert 400 == world.ask("GET", f"http://{HOST}/s3/box/{path}")[0]


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_buckets_are_named_by_path_or_host(tmp_path: Path, style: str, version: str) -> None:
    with s3_world(tmp_path, s3_domains=("cloud.example",)) as world:
        client = world.client(mount="", signature_version=version, s3={"addressing_style": style})
        client.create_bucket(Bucket="box.one")
        client.put_object(Bucket="box.one", Key="a/b+c d", Body=b"x")
        assert b"x" == client.get_object(Bucket="box.one", Key="a/b+c d")["Body"].read()
        assert ["box.one"] == [one["Name"] for one in client.list_buckets()["Buckets"]]
