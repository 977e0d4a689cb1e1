"""Symlinks: an object that stands for another, as it is now or (with the target's tag) as it was when it was made."""

from urllib.parse import quote, unquote

import msgspec

from pileus.object_store.models.paths import Path, object_path
from pileus.object_store.proxy.asks import Answer, Ask, Handler, Refused, answered
from pileus.object_store.proxy.kept import LISTED

TARGET, ACCOUNT, ETAG = "x-symlink-target", "x-symlink-target-account", "x-symlink-target-etag"
KEPT = "x-object-sysmeta-symlink-target"
KEPT_ACCOUNT, KEPT_ETAG, KEPT_BYTES = f"{KEPT}-account", f"{KEPT}-etag", f"{KEPT}-bytes"
EXTRA = "x-object-sysmeta-allow-reserved-names"
MOST = 2  # how many are followed
TYPE = "application/symlink"


class Symlinks:
    """Makes symlinks, and follows them."""

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The target's answer in place of the link's, unless the link is asked for."""
        if ask.path.depth != 3:
            return await rest(ask)
        if ask.method == "PUT":
            return await rest(await self._made(ask, rest) if TARGET in ask.headers else ask)
        if ask.method == "POST":
            return await self._post(ask, rest)
        if ask.method in {"GET", "HEAD"}:
            return await self._get(ask, rest)
        return await rest(ask)

    async def _made(self, ask: Ask, rest: Handler) -> Ask:
        """The PUT of the link: an empty object that knows what it stands for."""
        if ask.body.length not in {0, None}:
            raise Refused(400, "Symlink requests require a zero byte body")
        account = unquote(ask.headers.get(ACCOUNT, ask.path.account))
        target = object_path(unquote(ask.headers[TARGET]), account)
        if target is None or "/" in account:
            raise Refused(412, "X-Symlink-Target header must be of the form <container name>/<object name>")
        if target == ask.path:
            raise Refused(400, "Symlink cannot target itself")
        headers = {name: value for name, value in ask.headers.items() if name not in {TARGET, ACCOUNT, ETAG}}
        headers[KEPT] = quote(f"{target.container}/{target.object}")
        listed = f"symlink_target=/v1{target.quoted}"
        if ACCOUNT in ask.headers:
            headers[KEPT_ACCOUNT] = account
        if ETAG in ask.headers:
            etag, size, kind = await self._fixed(ask, rest, target)
            headers |= {KEPT_ETAG: etag, KEPT_BYTES: size, "content-type": ask.headers.get("content-type") or kind}
            listed += f"; symlink_target_etag={etag}; symlink_target_bytes={size}"
        else:
            headers["content-type"] = TYPE if not ask.headers.get("content-type") else ask.headers["content-type"]
        headers.setdefault(f"{LISTED}etag", f"{EMPTY}; {listed}")
        return msgspec.structs.replace(ask, headers=headers)

    async def _fixed(self, ask: Ask, rest: Handler, target: Path) -> tuple[str, str, str]:
        """Tag, size and type of the target, which has to be as the link says."""
        wanted = ask.headers[ETAG].strip('"')
        asked = msgspec.structs.replace(ask.again("HEAD", target), hidden=ask.hidden)
        answer = await self._get(asked, rest)
        await answer.close()
        if not answer.ok:
            raise Refused(409, "X-Symlink-Target does not exist")
        etag = answer.headers.get("etag", "").strip('"')
        if wanted not in {etag, answer.headers.get("x-object-sysmeta-slo-etag")}:
            raise Refused(409, f"Object Etag {etag!r} does not match X-Symlink-Target-Etag header {wanted!r}")
        size = answer.headers.get("x-object-sysmeta-slo-size", answer.headers["content-length"])
        return wanted, size, answer.headers.get("content-type", TYPE)

    async def _post(self, ask: Ask, rest: Handler) -> Answer:
        """Metadata goes to the link itself, and the client is told where the target is."""
        head = await answered(rest, ask.again("HEAD", ask.path).by_cloud())
        await head.close()
        answer = await rest(ask)
        if not answer.ok or KEPT not in head.headers:
            return answer
        target = _target(ask.path, head.headers)
        text = "The requested POST was applied to a symlink. POST directly to the target to apply requested metadata."
        return Answer(
            status=307,
            headers={"location": f"{ask.base}/v1{target.quoted}", "content-type": "text/plain; charset=UTF-8"},
            body=text.encode(),
        )

    async def _get(self, ask: Ask, rest: Handler) -> Answer:
        if ask.query.get("symlink") == "get":
            answer = await rest(ask)
            return _shown(answer)
        followed: list[Path] = []
        now = ask
        wanted = ""
        while True:
            answer = await answered(rest, now)
            if followed:
                answer.headers.setdefault("content-location", _location(now.path, ask))
                if answer.ok and wanted and KEPT not in answer.headers and not _is(answer, wanted):
                    await answer.close()
                    raise Refused(409, f"Object Etag does not match X-Symlink-Target-Etag header {wanted!r}")
            if not answer.ok or KEPT not in answer.headers:
                return answer
            if len(followed) >= MOST:
                await answer.close()
                raise Refused(409, "Too many levels of symbolic links, maximum allowed is 2")
            target = _target(now.path, answer.headers)
            wanted = answer.headers.get(KEPT_ETAG, wanted)
            hidden = EXTRA in answer.headers
            await answer.close()
            followed.append(target)
            now = msgspec.structs.replace(now, path=target, hidden=now.hidden or hidden)


EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


def _is(answer: Answer, etag: str) -> bool:
    return etag in {answer.headers.get("etag", "").strip('"'), answer.headers.get("x-object-sysmeta-slo-etag")}


def _location(path: Path, ask: Ask) -> str:
    return f"/v1{path.quoted}" + (f"?version-id={ask.query['version-id']}" if "version-id" in ask.query else "")


def _target(path: Path, headers: dict[str, str]) -> Path:
    found = object_path(unquote(headers[KEPT]), headers.get(KEPT_ACCOUNT, path.account))
    assert found is not None  # it was when the link was made
    return found


def _shown(answer: Answer) -> Answer:
    """The link, with what it stands for in the headers a client made it by."""
    if KEPT in answer.headers:
        answer.headers[TARGET] = answer.headers[KEPT]
        for kept, name in ((KEPT_ACCOUNT, ACCOUNT), (KEPT_ETAG, ETAG), (KEPT_BYTES, f"{TARGET}-bytes")):
            if kept in answer.headers:
                answer.headers[name] = answer.headers[kept]
    return answer
