"""Web sites from containers: an index page, listings with links, error pages; for visitors without a token."""

from html import escape
from urllib.parse import quote

import msgspec

from pileus.kit.auth import NOBODY
from pileus.object_store.models.paths import Path
from pileus.object_store.proxy.asks import Answer, Ask, Bytes, Handler, answered, true, whole
from pileus.object_store.proxy.cluster import Cluster

WEB = "x-container-meta-web-"
DIRECTORY = "application/directory"


class Row(msgspec.Struct):
    """An entry of a listing."""

    name: str = ""
    subdir: str = ""
    bytes: int = 0
    last_modified: str = ""


class StaticWeb:
    """Shows containers as web sites to whoever has no token, or asks for it with X-Web-Mode."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def __call__(self, ask: Ask, rest: Handler) -> Answer:
        """The page, where the container is a web site."""
        if ask.method not in {"GET", "HEAD"} or ask.path.depth < 2:
            return await rest(ask)
        if ask.caller is not NOBODY and not ask.flag("x-web-mode"):
            return await rest(ask)
        facts = await self._cluster.container(ask.path)
        said = facts.metadata if facts is not None else {}
        if not any(name.startswith(WEB) for name in said):
            return await rest(ask)
        site = _Site(ask, rest, {name.removeprefix(WEB): value for name, value in said.items() if name.startswith(WEB)})
        return await (site.container() if ask.path.depth == 2 else site.object())


class _Site:
    def __init__(self, ask: Ask, rest: Handler, said: dict[str, str]) -> None:
        self._ask = ask
        self._rest = rest
        self._said = said

    async def container(self) -> Answer:
        """The index of the whole site."""
        ask = self._ask
        if "index" not in self._said and not true(self._said.get("listings", "")):
            return await self._wrong(await answered(self._rest, ask))
        if not ask.slash:
            return self._moved(f"/v1{ask.path.quoted}/")
        if "index" in self._said:
            answer = await self._page(Path(ask.path.account, ask.path.container, self._said["index"]))
            if answer.status != 404:
                return answer if answer.ok or answer.status < 400 else await self._wrong(answer)
            await answer.close()
        return await self._listed("")

    async def object(self) -> Answer:
        """A page, or the index of a directory."""
        ask = self._ask
        name = ask.path.object or ""
        answer = await answered(self._rest, ask)
        kind = self._said.get("directory-type", DIRECTORY)
        marker = answer.ok and answer.headers.get("content-type", "") == kind and _tiny(answer)
        if (answer.ok and not marker) or 300 <= answer.status < 400:
            return answer
        if answer.status not in {404} and not marker:
            return await self._wrong(answer)
        await answer.close()
        if name.endswith("/"):
            if "index" in self._said:
                index = await self._page(Path(ask.path.account, ask.path.container, name + self._said["index"]))
                if index.status != 404:
                    return index
                await index.close()
            return await self._listed(name)
        if await self._below(f"{name}/"):
            return self._moved(f"/v1{ask.path.quoted}/")
        return await self._wrong(answer)

    async def _page(self, path: Path) -> Answer:
        asked = msgspec.structs.replace(self._ask, path=path, body=Bytes())
        return await answered(self._rest, asked)

    async def _below(self, prefix: str) -> bool:
        query = {"format": "json", "prefix": prefix, "delimiter": "/", "limit": "1"}
        path = Path(self._ask.path.account, self._ask.path.container)
        answer, body = await whole(self._rest, self._ask.again("GET", path, query=query).by_cloud())
        return answer.status == 200 and body not in {b"", b"[]"}

    async def _listed(self, prefix: str) -> Answer:
        """The names below a prefix, with links."""
        ask = self._ask
        if not true(self._said.get("listings", "")):
            return await self._wrong(_missing())
        path = Path(ask.path.account, ask.path.container)
        query = {"format": "json", "prefix": prefix, "delimiter": "/"}
        answer, body = await whole(self._rest, ask.again("GET", path, headers=ask.headers, query=query))
        if answer.status not in {200, 204}:
            return await self._wrong(answer)
        rows = msgspec.json.decode(body, type=list[Row]) if body else []
        if prefix and not rows:
            return await self._wrong(_missing())
        label = self._said.get("listings-label", f"/v1/{path.account}/{path.container}".lstrip("/"))
        text = _html(f"{label}/{prefix}" if prefix else f"{label}/", prefix, rows, self._style(prefix))
        return Answer(headers={"content-type": "text/html; charset=UTF-8"}, body=text.encode("utf-8", "replace"))

    def _style(self, prefix: str) -> str:
        css = self._said.get("listings-css", "")
        if not css:
            return "<style>h1 {font-size: 1em;} th, td {text-align: left; padding: 0 1em;} .colsize {text-align: right;}</style>"
        place = css if css.startswith(("/", "http://", "https://")) else "../" * prefix.count("/") + css
        return f'<link rel="stylesheet" type="text/css" href="{escape(place, quote=True)}" />'

    def _moved(self, place: str) -> Answer:
        if self._ask.sent:
            headers = {"location": f"{self._ask.sent}/", "content-type": "text/html; charset=UTF-8"}
            return Answer(status=301, headers=headers)
        mount = "/" + self._ask.base.partition("://")[2].partition("/")[2]
        return Answer(status=301, headers={"location": f"{mount}{place}", "content-type": "text/html; charset=UTF-8"})

    async def _wrong(self, answer: Answer) -> Answer:
        """The site's own page for what went wrong, with the status that it has."""
        name = self._said.get("error", "")
        if not name or answer.status < 400:
            return answer
        page = await self._page(Path(self._ask.path.account, self._ask.path.container, f"{answer.status}{name}"))
        if not page.ok:
            await page.close()
            return answer
        await answer.close()
        return Answer(
            status=answer.status, headers={"content-type": page.headers["content-type"]}, body=await page.bytes()
        )


def _tiny(answer: Answer) -> bool:
    return int(answer.headers.get("content-length", "0")) <= 1


def _missing() -> Answer:
    from pileus.object_store.proxy.asks import refusal

    return refusal(404)


def _html(title: str, prefix: str, rows: list[Row], style: str) -> str:
    lines = []
    if prefix:
        lines.append(
            '<tr id="parent" class="item"><td class="colname"><a href="../">../</a></td><td></td><td></td></tr>'
        )
    for row in rows:
        full = row.subdir or row.name
        name = full.removeprefix(prefix)
        if not name:
            continue
        css = "subdir" if row.subdir else "type-file"
        size, date = (
            ("", "") if row.subdir else (_human(row.bytes), row.last_modified.partition(".")[0].replace("T", " "))
        )
        lines.append(
            f'<tr class="item {css}"><td class="colname"><a href="{quote(name)}">{escape(name)}</a></td>'
            f'<td class="colsize">{size}</td><td class="coldate">{date}</td></tr>'
        )
    return (
        f"<!DOCTYPE html>\n<html><head><title>Listing of {escape(title)}</title>{style}</head><body>"
        f'<h1 id="title">Listing of {escape(title)}</h1><table id="listing"><tr id="heading"><th class="colname">Name</th>'
        f'<th class="colsize">Size</th><th class="coldate">Date</th></tr>{"".join(lines)}</table></body></html>\n'
    )


def _human(size: int) -> str:
    number = float(size)
    for unit in ("", "KB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}".strip()
        number /= 1024
    return f"{number:.0f} TB"
