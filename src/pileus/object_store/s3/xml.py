"""XML as S3 speaks it: small documents, read without entities and within bounds, and written as text."""

from collections.abc import Iterable
from xml.parsers import expat
from xml.sax.saxutils import escape

from pileus.object_store.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
DEEPEST = 12
MOST_ELEMENTS = 100_000  # 10,000 parts with a checksum each are 40,000
XSI = "http://www.w3.org/2001/XMLSchema-instance"


class Node:
    """An element: its name without namespace, its text, its attributes, what is in it."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] = []

    def all(self, name: str) -> list["Node"]:
        """The elements of this name directly in it."""
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> "Node | None":
        """The first element of this name directly in it."""
        return next((child for child in self.children if child.name == name), None)

    def said(self, name: str, default: str = "") -> str:
        """The text of the first element of this name."""
        found = self.one(name)
        return default if found is None else found.text.strip()

    def key(self, name: str) -> str:
        """The text of the first element of this name as it stands: spaces are part of names."""
        found = self.one(name)
        return "" if found is None else found.text

    def needs(self, name: str) -> str:
        """The text of an element that must be there."""
        found = self.one(name)
        if found is None or found.children or not found.text.strip():
            raise S3Error("MalformedXML", f"{self.name} needs {name}.")
        return found.text.strip()


class _Reader:
    """Builds nodes while expat reads; what no client of S3 sends is refused on sight."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, plain = name.rpartition(" ")
        self._count += 1
        if space not in {"", NAMESPACE, XSI} or self._count > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            raise S3Error("MalformedXML")
        node = Node(plain, {key.rpartition(" ")[2]: value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def refuse(self, *_: object) -> int:
        raise S3Error("MalformedXML", "Documents with a DOCTYPE or entities are not read.")


def parsed(raw: bytes, root: str) -> Node:
    """The document's root, which must have this name; raises MalformedXML."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ExternalEntityRefHandler = reader.refuse
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, LookupError, ValueError) as bad:
        raise S3Error("MalformedXML") from bad
    if reader.root is None or reader.root.name != root:
        raise S3Error("MalformedXML", f"The document must be a {root}.")
    return reader.root


def tag(name: str, text: object) -> str:
    """An element with a text."""
    return f"<{name}>{escape(_possible(str(text)))}</{name}>"


def box(name: str, *inner: str) -> str:
    """An element with elements in it."""
    return f"<{name}>{''.join(inner)}</{name}>"


def given(name: str, text: object) -> str:
    """An element, unless there is nothing to say."""
    return "" if text is None or text == "" else tag(name, text)


def document(root: str, *inner: str) -> bytes:
    """A whole document."""
    return f'{HEAD}<{root} xmlns="{NAMESPACE}">{"".join(inner)}</{root}>'.encode("utf-8", "surrogateescape")


def error(code: str, message: str, elements: Iterable[tuple[str, str]]) -> bytes:
    """The document that says what went wrong."""
    rest = "".join(tag(name, value) for name, value in elements)
    return f"{HEAD}{box('Error', tag('Code', code), tag('Message', message), rest)}".encode("utf-8", "surrogateescape")


def _possible(text: str) -> str:
    # XML 1.0 cannot say these at all; who has such keys asks for encoding-type=url.
    return (
        "".join(
            "\N{REPLACEMENT CHARACTER}"
            if (char < " " and char not in "\t\n\r") or char in "\ufffe\uffff" or "\ud800" <= char <= "\udfff"
            else char
            for char in text
        )
        if not text.isprintable()
        else text
    )
