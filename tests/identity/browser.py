"""What a browser does of its own accord: it follows redirects, keeps cookies for whom they are meant, and sends forms.

As strict as browsers are: cookies marked Secure go over https only, other sites' forms bring only those marked
`SameSite=None`, and scripts and forms are held to the page's Content-Security-Policy.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from html.parser import HTMLParser
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import msgspec

FORM = "application/x-www-form-urlencoded"
MOST_STEPS = 10


class Seen(msgspec.Struct, frozen=True):
    """What a site answers."""

    status: int
    text: str
    headers: Mapping[str, str]


Site = Callable[[str, str, Mapping[str, str], str], Awaitable[Seen]]  # method, path with query, headers, body


class Cookie(msgspec.Struct, frozen=True):
    """What a site has asked to be told again."""

    value: str
    secure: bool
    same_site: str


class Form(msgspec.Struct):
    """A form of a page: where it goes, and what is filled in already."""

    action: str
    method: str
    id: str
    fields: dict[str, str]


class Page(msgspec.Struct, frozen=True):
    """Where the browser is, and what it shows."""

    url: str
    seen: Seen

    @property
    def forms(self) -> list[Form]:
        """The forms on the page."""
        reader = _Forms()
        reader.feed(self.seen.text)
        return reader.found

    @property
    def policy(self) -> dict[str, list[str]]:
        """The directives of the page's Content-Security-Policy."""
        said = self.seen.headers.get("content-security-policy", "")
        parts = [part.split() for part in said.split(";") if part.strip()]
        return {part[0]: part[1:] for part in parts}


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given["action"], given.get("method", "get").upper(), given.get("id", ""), {}))
        if tag == "input" and given.get("name"):
            self.found[-1].fields[given["name"]] = given.get("value", "")


class Browser:
    """One person's browser, in a world of these sites, each known by scheme and host."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._sites = sites
        self.cookies: dict[tuple[str, str], Cookie] = {}
        self.visited: list[str] = []

    async def open(self, url: str) -> Page:
        """The page that somebody sees who types in the address."""
        return await self._go("GET", url, "", None)

    async def send(self, page: Page, **typed: str) -> Page:
        """The page that follows when the only form of the page has been filled in and sent."""
        (form,) = page.forms
        return await self._send(page, form, typed)

    async def _send(self, page: Page, form: Form, typed: Mapping[str, str]) -> Page:
        target = urljoin(page.url, form.action)
        allowed = page.policy.get("form-action")
        assert allowed is None or target in allowed, f"the page's policy lets no form go to {target}"
        body = urlencode({**form.fields, **typed})
        return await self._go(form.method, target, body, _origin(page.url))

    async def _go(self, method: str, url: str, body: str, came_from: str | None) -> Page:
        for _ in range(MOST_STEPS):
            seen = await self._asked(method, url, body, came_from)
            if seen.status in {302, 303}:
                # Whoever is redirected comes from where they were before; a form that was sent is not sent again.
                method, url, body = "GET", urljoin(url, seen.headers["location"]), ""
                continue
            page = Page(url, seen)
            form = self._sent_by_script(page)
            return page if form is None else await self._send(page, form, {})
        raise AssertionError(f"redirected without end, at last to {url}")

    async def _asked(self, method: str, url: str, body: str, came_from: str | None) -> Seen:
        self.visited.append(url)
        parts = urlsplit(url)
        headers = {"host": parts.netloc}
        told = self._told(parts, method, came_from)
        if told:
            headers["cookie"] = told
        if method == "POST":
            headers |= {"content-type": FORM, "origin": came_from or "null"}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        seen = await self._sites[_origin(url)](method, path, headers, body)
        if "set-cookie" in seen.headers:
            self._keep(parts, seen.headers["set-cookie"])
        return seen

    def _told(self, parts: SplitResult, method: str, came_from: str | None) -> str:
        from_elsewhere = came_from is not None and came_from != f"{parts.scheme}://{parts.netloc}"
        found = []
        for (host, name), cookie in self.cookies.items():
            fits = host == parts.netloc and (parts.scheme == "https" or not cookie.secure)
            reaches = (
                not from_elsewhere or cookie.same_site == "none" or (cookie.same_site == "lax" and method == "GET")
            )
            if fits and reaches:
                found.append(f"{name}={cookie.value}")
        return "; ".join(found)

    def _keep(self, parts: SplitResult, said: str) -> None:
        pair, *marks = [part.strip() for part in said.split(";")]
        name, _, value = pair.partition("=")
        marked = dict(mark.lower().partition("=")[::2] for mark in marks)
        secure, same_site = "secure" in marked, marked.get("samesite", "lax")
        if (secure and parts.scheme != "https") or (same_site == "none" and not secure):
            return  # browsers do not take such
        self.cookies.pop((parts.netloc, name), None)
        if marked.get("max-age") != "0":
            self.cookies[parts.netloc, name] = Cookie(value, secure, same_site)

    @staticmethod
    def _sent_by_script(page: Page) -> Form | None:
        """The form that a script of the page sends, where the page's policy lets it run."""
        found = re.search(r"<script([^>]*)>(.*?)</script>", page.seen.text, re.DOTALL)
        sends = re.search(r'getElementById\("(\w+)"\)\.submit\(\)', found[2]) if found else None
        if found is None or sends is None:
            return None
        nonce = re.search(r'nonce="([^"]+)"', found[1])
        allowed = page.policy.get("script-src", page.policy.get("default-src"))
        if allowed is not None and (nonce is None or f"'nonce-{nonce[1]}'" not in allowed):
            return None
        return next(form for form in page.forms if form.id == sends[1])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
