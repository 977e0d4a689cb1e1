"""Cross-origin requests: which web pages may ask a bucket what, as its configuration says."""

import msgspec

from pileus.object_store.disk.containers import ContainerFacts
from pileus.object_store.proxy.asks import Answer
from pileus.object_store.s3.call import Call, document_of
from pileus.object_store.s3.documents import kept_document, put_document
from pileus.object_store.s3.errors import S3Error
from pileus.object_store.s3.requests import Request
from pileus.object_store.s3.xml import Node, box, document, given, parsed, tag

METHODS = {"GET", "PUT", "POST", "DELETE", "HEAD"}
MOST_RULES = 100
XML = {"content-type": "application/xml"}


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who may ask what; `*` stands for anything, once in a text."""

    origins: list[str]
    methods: list[str]
    headers: list[str] = []
    exposed: list[str] = []
    max_age: int | None = None
    id: str = ""

    def fits(self, origin: str, method: str) -> bool:
        """Whether it is about such a request."""
        return method in self.methods and any(_like(origin, one) for one in self.origins)


def _like(text: str, pattern: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return text == pattern
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)


async def cors_get(call: Call) -> Answer:
    """Which pages may ask."""
    rules = rules_of(await call.owned())
    if not rules:
        raise S3Error("NoSuchCORSConfiguration", about={"BucketName": str(call.request.bucket)})
    return Answer(headers=dict(XML), body=document("CORSConfiguration", *(_xml(rule) for rule in rules)))


def _xml(rule: Rule) -> str:
    return box(
        "CORSRule",
        given("ID", rule.id),
        *(tag("AllowedOrigin", one) for one in rule.origins),
        *(tag("AllowedMethod", one) for one in rule.methods),
        *(tag("AllowedHeader", one) for one in rule.headers),
        *(tag("ExposeHeader", one) for one in rule.exposed),
        given("MaxAgeSeconds", rule.max_age),
    )


async def cors_put(call: Call) -> Answer:
    """These pages may ask."""
    await call.owned()
    root = parsed(await document_of(call), "CORSConfiguration")
    rules = [_rule(one) for one in root.all("CORSRule")]
    if not 1 <= len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML", f"There must be 1 to {MOST_RULES} rules.")
    await put_document(call, "cors", msgspec.json.encode(rules).decode())
    return Answer()


def _rule(node: Node) -> Rule:
    origins, methods, headers, exposed = (
        [one.text.strip() for one in node.all(name)]
        for name in ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
    )
    if not origins or not methods or any("*" in one for one in exposed):
        raise S3Error("MalformedXML")
    for method in methods:
        if method not in METHODS:
            raise S3Error(
                "InvalidRequest", f"Found unsupported HTTP method in CORS config. Unsupported method is {method[:20]}"
            )
    if any(one.count("*") > 1 for one in (*origins, *headers)):
        raise S3Error("InvalidRequest", "AllowedOrigin and AllowedHeader can not have more than one wildcard.")
    age = node.said("MaxAgeSeconds")
    if age and not (age.isascii() and age.isdigit() and len(age) < 10):
        raise S3Error("MalformedXML")
    return Rule(origins, methods, [one.lower() for one in headers], exposed, int(age) if age else None, node.said("ID"))


async def cors_delete(call: Call) -> Answer:
    """No page may ask."""
    await call.owned()
    await put_document(call, "cors", "")
    return Answer(status=204)


def rules_of(facts: ContainerFacts) -> list[Rule]:
    """The rules that are kept with a bucket."""
    text = kept_document(facts, "cors")
    return msgspec.json.decode(text, type=list[Rule]) if text else []


def told(facts: ContainerFacts, request: Request) -> dict[str, str]:
    """What a browser is told with an answer."""
    origin = request.headers["origin"]
    rule = next((one for one in rules_of(facts) if one.fits(origin, request.method)), None)
    return {} if rule is None else _allowed(rule, origin)


def _allowed(rule: Rule, origin: str) -> dict[str, str]:
    found = {
        "access-control-allow-origin": "*" if rule.origins == ["*"] else origin,
        "access-control-allow-methods": ", ".join(rule.methods),
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if rule.origins != ["*"]:
        found["access-control-allow-credentials"] = "true"
    if rule.exposed:
        found["access-control-expose-headers"] = ", ".join(rule.exposed)
    if rule.max_age is not None:
        found["access-control-max-age"] = str(rule.max_age)
    return found


def preflight(facts: ContainerFacts, request: Request) -> Answer:
    """Whether a page may ask what its browser is about to; raises AccessDenied."""
    origin = request.headers.get("origin", "")
    method = request.headers.get("access-control-request-method", "")
    if not origin or not method:
        raise S3Error(
            "InvalidRequest", "Insufficient information. Origin and Access-Control-Request-Method headers needed."
        )
    asked = request.headers.get("access-control-request-headers", "").lower()
    wanted = [one.strip() for one in asked.split(",") if one.strip()]
    for rule in rules_of(facts):
        if rule.fits(origin, method) and all(any(_like(one, allowed) for allowed in rule.headers) for one in wanted):
            headers = _allowed(rule, origin)
            return Answer(headers=headers | ({"access-control-allow-headers": ", ".join(wanted)} if wanted else {}))
    raise S3Error("AccessDenied", "CORSResponse: This CORS request is not allowed.")
