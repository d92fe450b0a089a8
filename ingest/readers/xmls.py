"""XML as a stream of starts, texts and ends, without a tree: no document type, no entities.

A report of a telephone has gigabytes of it, so nothing is kept but the path of open elements. A
document type is refused before an entity can be declared, depth and texts are bounded.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.parsers import expat

from ingest.readers.members import Budget, Unreadable

MOST_DEPTH = 200
MOST_TEXT = 65_536  # characters of one text that are kept


@dataclass(frozen=True, slots=True)
class Node:
    """An element that began or ended; names are without namespaces."""

    path: tuple[str, ...]  # with its own name last
    attributes: Mapping[str, str]
    text: str | None = None  # of an element that ended: its own text; None: it began

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]


class _Handler:
    """Takes expat's calls and keeps what is to be given out."""

    def __init__(self, parser: expat.XMLParserType, shallow: Mapping[str, int]) -> None:
        self.nodes: list[Node] = []
        self._parser = parser
        self._shallow = shallow
        self._depth = 0
        self._limit = MOST_DEPTH  # deeper elements are passed over
        self._path: list[str] = []
        self._attributes: list[dict[str, str]] = []
        self._texts: list[list[str]] = []
        self._lengths: list[int] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > self._limit:
            if self._depth > MOST_DEPTH:
                raise Unreadable(f"XML nested deeper than {MOST_DEPTH}")
            if self._depth == self._limit + 1:
                self._parser.CharacterDataHandler = None
            return
        self._path.append(name.rpartition(" ")[2])
        if self._path[-1] in self._shallow and self._limit == MOST_DEPTH:
            self._limit = self._depth + self._shallow[self._path[-1]]
        self._attributes.append(attributes)
        self._texts.append([])
        self._lengths.append(0)
        self.nodes.append(Node(tuple(self._path), attributes))

    def text(self, data: str) -> None:
        if self._lengths and self._lengths[-1] < MOST_TEXT:
            self._texts[-1].append(data)
            self._lengths[-1] += len(data)

    def end(self, _: str) -> None:
        self._depth -= 1
        if self._depth >= self._limit:
            if self._depth == self._limit:
                self._parser.CharacterDataHandler = self.text
            return
        text = "".join(self._texts.pop())[:MOST_TEXT]
        self._lengths.pop()
        self.nodes.append(Node(tuple(self._path), self._attributes.pop(), text))
        if self._path.pop() in self._shallow:
            self._limit = MOST_DEPTH

    def doctype(self, *_: object) -> None:
        raise Unreadable("XML with a document type: entities could be declared in it")


def nodes(
    blocks: Iterable[bytes], budget: Budget, shallow: Mapping[str, int] | None = None
) -> Iterator[Node]:
    """Yield the elements of a document, first as they begin, then as they end.

    Args:
        blocks: the document.
        budget: bounds the work.
        shallow: elements of which only so many levels below are given; deeper ones are passed over,
            which is much quicker where a report has millions of them.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: it is no XML, or has a document type, or is nested too deep.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    handler = _Handler(parser, shallow or {})
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = handler.doctype
    parser.EntityDeclHandler = handler.doctype
    try:
        for block in blocks:
            parser.Parse(block, False)
            yield from handler.nodes
            handler.nodes.clear()
            budget.spend(len(block))
        parser.Parse(b"", True)
    except Unreadable:  # from a handler: what came before it in this block is given out first
        yield from handler.nodes
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        yield from handler.nodes
        raise Unreadable(f"the XML is damaged: {error}") from error
    yield from handler.nodes
