"""XMP packets: RDF/XML into a flat list of properties with their path, bounded.

A document type is refused before an entity can be declared; what stood before a break in a packet
is kept. The names of properties are those of the packet; ingest.readers.xmp_names has ExifTool's.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

MOST_PACKET = 8 << 20  # bytes
MOST_ELEMENTS = 20_000
MOST_DEPTH = 40
MOST_PROPERTIES = 3_000

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XML = "http://www.w3.org/XML/1998/namespace}"
_META = "adobe:ns:meta/}"
_CONTAINERS = frozenset({f"{_RDF}Bag", f"{_RDF}Seq", f"{_RDF}Alt"})
_NOT_PROPERTIES = frozenset(
    f"{_RDF}{name}" for name in ("ID", "nodeID", "parseType", "datatype", "resource")
)
_ABOUT = (f"{_RDF}about", "about")  # some programs write it without its namespace


@dataclass(frozen=True, slots=True)
class Property:
    """One leaf: its path of (namespace, name), its text, and its language if it has one."""

    path: tuple[tuple[str, str], ...]
    text: str
    where: str  # "xmpMM:History[2]/stEvt:action": the path as people write it
    language: str = ""


@dataclass(slots=True)
class Packet:
    """What was read of a packet: its properties, its prefixes, and what went wrong."""

    properties: list[Property] = field(default_factory=list)
    prefixes: dict[str, str] = field(default_factory=dict)  # by namespace
    problem: str = ""


def parse(data: bytes) -> Packet:
    """Return the properties of a packet, those before a break if it is broken."""
    packet = Packet()
    tree = _Tree(packet.prefixes)
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartNamespaceDeclHandler = tree.prefix
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = tree.doctype
    parser.EntityDeclHandler = tree.doctype
    try:
        parser.Parse(_trimmed(data[:MOST_PACKET]), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        packet.problem = f"XMP: {type(error).__name__}: {error}"[:200]
    if len(data) > MOST_PACKET:
        packet.problem = f"XMP: a packet of more than {MOST_PACKET} bytes"
    for rdf in tree.found(f"{_RDF}RDF"):
        _read_descriptions(rdf, packet)
    for meta in tree.found(f"{_META}xmpmeta"):
        toolkit = meta.attributes.get(f"{_META}xmptk")
        if toolkit:
            _add(packet, (("adobe:ns:meta/", "xmptk"),), "x:xmptk", toolkit, "")
    return packet


def packets(data: bytes) -> Iterator[bytes]:
    """Yield the packets in any text or bytes, found by the elements that begin and end them."""
    for name in (rb"x:xmpmeta", rb"x:xapmeta", rb"rdf:RDF"):
        found = False
        for match in re.finditer(rb"<" + name + rb"[\s>]", data):
            end = data.find(b"</" + name + b">", match.start())
            found = True
            yield data[match.start() : end + len(name) + 3 if end >= 0 else len(data)]
        if found:
            return


def joined(parts: list[bytes]) -> tuple[list[bytes], list[str]]:
    """Return extended packets put together from their parts, and what is wrong with them.

    A part = MD5 of the whole (32 hexadecimal digits) | length of the whole | place | bytes.
    """
    wholes: dict[bytes, dict[int, bytes]] = {}
    lengths: dict[bytes, int] = {}
    for part in parts:
        if len(part) > 40:
            lengths[part[:32]] = int.from_bytes(part[32:36], "big")
            wholes.setdefault(part[:32], {})[int.from_bytes(part[36:40], "big")] = part[40:]
    found, problems = [], []
    for digest, pieces in wholes.items():
        data = b"".join(pieces[place] for place in sorted(pieces))
        found.append(data)
        if len(data) != lengths[digest]:
            problems.append("extended XMP: parts are missing")
        elif hashlib.md5(data, usedforsecurity=False).hexdigest().encode() != digest.lower():
            problems.append("extended XMP: its MD5 does not match")
    return found, problems


def _trimmed(data: bytes) -> bytes:
    """Return the XML of a packet: padding, wrapper and trailing bytes make strict parsers fail."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in data[:8]:
        return data.strip(b"\0") if data[:2] not in {b"\xff\xfe", b"\xfe\xff"} else data
    start = max(0, data.find(b"<"))
    end = data.rfind(b">")
    return data[start : end + 1]


@dataclass(slots=True)
class _Node:
    tag: str
    attributes: dict[str, str]
    children: "list[_Node]" = field(default_factory=list)
    text: str = ""


class _Tree:
    """Builds nodes from the parser's events: what is there when it breaks stays."""

    def __init__(self, prefixes: dict[str, str]) -> None:
        self.root = _Node("", {})
        self._open = [self.root]
        self._count = 0
        self._prefixes = prefixes

    def prefix(self, prefix: str | None, uri: str | None) -> None:
        self._prefixes.setdefault(uri or "", prefix or "")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise ValueError(f"more than {MOST_ELEMENTS} elements")
        if len(self._open) > MOST_DEPTH:
            raise ValueError(f"more than {MOST_DEPTH} elements deep")
        node = _Node(tag, attributes)
        self._open[-1].children.append(node)
        self._open.append(node)

    def end(self, _: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def doctype(self, *_: object) -> None:
        raise ValueError("a document type: entities could be declared in it")

    def found(self, tag: str) -> Iterator[_Node]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop(0)
            if node.tag == tag:
                yield node
            else:
                waiting += node.children


def _read_descriptions(rdf: _Node, packet: Packet) -> None:
    for description in rdf.children:
        if description.tag == f"{_RDF}Description":
            for name in _ABOUT:
                about = description.attributes.pop(name, "")
                _add(packet, ((_RDF[:-1], "about"),), "rdf:about", about, "")
            _read_fields(description, packet, (), "")


def _read_fields(
    node: _Node, packet: Packet, path: tuple[tuple[str, str], ...], where: str
) -> None:
    """Take the fields of a description or structure: its attributes and its elements."""
    for name, text in node.attributes.items():
        if name not in _NOT_PROPERTIES and not name.startswith(_XML):
            step, shown = _step(name, packet)
            _add(packet, (*path, step), where + shown, text, "")
    for child in node.children:
        step, shown = _step(child.tag, packet)
        _read_value(child, packet, (*path, step), where + shown)


def _read_value(node: _Node, packet: Packet, path: tuple[tuple[str, str], ...], where: str) -> None:
    """Take a value: a text, a list, a structure, or a structure as attributes."""
    language = node.attributes.get(f"{_XML}lang", "")
    language = "" if language == "x-default" else language
    inner = [child for child in node.children if child.tag in _CONTAINERS]
    if inner:
        for number, item in enumerate(inner[0].children, 1):
            if item.tag == f"{_RDF}li":
                _read_value(item, packet, path, f"{where}[{number}]")
    elif node.children and node.children[0].tag == f"{_RDF}Description":
        _read_described(node.children[0], packet, path, where, language)
    elif node.children or node.attributes.get(f"{_RDF}parseType") == "Resource":
        _read_described(node, packet, path, where, language)
    elif f"{_RDF}resource" in node.attributes:
        _add(packet, path, where, node.attributes[f"{_RDF}resource"], language)
    elif any(not n.startswith(_XML) and n not in _NOT_PROPERTIES for n in node.attributes):
        _read_fields(node, packet, path, f"{where}/")
    else:
        _add(packet, path, where, node.text, language)


def _read_described(
    node: _Node, packet: Packet, path: tuple[tuple[str, str], ...], where: str, language: str
) -> None:
    """Take a structure; or a text with qualifiers beside it, which are left out."""
    plain = next((child for child in node.children if child.tag == f"{_RDF}value"), None)
    if plain is not None:
        _read_value(plain, packet, path, where)
    elif f"{_RDF}value" in node.attributes:
        _add(packet, path, where, node.attributes[f"{_RDF}value"], language)
    else:
        _read_fields(node, packet, path, f"{where}/")


def _step(name: str, packet: Packet) -> tuple[tuple[str, str], str]:
    namespace, _, local = name.rpartition("}")
    prefix = packet.prefixes.get(namespace, "")
    return (namespace, local), f"{prefix}:{local}" if prefix else local


def _add(
    packet: Packet, path: tuple[tuple[str, str], ...], where: str, text: str, language: str
) -> None:
    text = text.strip()
    if not text:
        return
    if len(packet.properties) >= MOST_PROPERTIES:
        packet.problem = packet.problem or f"XMP: more than {MOST_PROPERTIES} properties"
        return
    packet.properties.append(Property(path, text, where, language))
