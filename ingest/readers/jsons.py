"""Large JSON as a stream: the elements of chosen lists one by one, everything else by its path.

A chat of a million messages is one list: each element is decoded alone and let go. What is not
chosen is walked through and given out value by value, so nothing large is ever held.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ingest.readers.members import Budget, Unreadable

MOST_ELEMENT = 8 << 20  # characters of one element that is decoded whole
MOST_DEPTH = 60
Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


class _Text:
    """The document's text as far as it is needed."""

    def __init__(self, blocks: Iterator[bytes], budget: Budget, most: int) -> None:
        self._blocks = blocks
        self._budget = budget
        self._most = most
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._text, self._at, self._ended = "", 0, False

    def more(self, least: int = 1) -> bool:
        """Get so much further text, or what there is; False: there is none."""
        if self._ended:
            return False
        parts, had = [self._text[self._at :]], 0
        while had < least and not self._ended:
            block = next(self._blocks, b"")
            self._budget.spend(len(block))
            self._ended = not block
            parts.append(self._decoder.decode(block, final=self._ended))
            had += len(block)
        self._text, self._at = "".join(parts), 0
        return True

    def peek(self) -> str:
        """Return the next character that is no space; empty: the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self.more():
                return ""

    def skip(self, wanted: str) -> None:
        """Pass over one character.

        Raises:
            Unreadable: another stands there.
        """
        if self.peek() != wanted:
            raise Unreadable(f"the JSON is damaged: {wanted!r} expected")
        self._at += 1

    def value(self) -> Any:
        """Decode the next value whole.

        Raises:
            Unreadable: it is damaged, or larger than may be.
        """
        self.peek()
        while True:
            try:
                found, end = _decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                whole = len(self._text) - self._at
                # Twice as much each time: it is tried from its beginning again.
                if isinstance(error, RecursionError) or whole > self._most or not self.more(whole):
                    raise Unreadable("the JSON is damaged or cut off") from error
                continue
            # A number that ends near the end of the text may go on: 1, 1.5, 1.5e-3.
            if type(found) in {int, float} and end > len(self._text) - 3 and self.more():
                continue
            self._at = end
            return found


def walk(
    blocks: Iterator[bytes],
    budget: Budget,
    chosen: Callable[[Path], bool],
    most: int = MOST_ELEMENT,
) -> Iterator[tuple[Path, Any]]:
    """Yield (path, value): elements of chosen lists decoded whole, other values one by one.

    Args:
        blocks: the document.
        budget: bounds the work.
        chosen: told a list's path; whether its elements are wanted whole.
        most: characters of one element.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: it is no JSON from here on.
    """
    text = _Text(blocks, budget, most)
    if text.peek() == "\ufeff":
        text.skip("\ufeff")
    yield from _walk(text, (), chosen)


def _walk(text: _Text, path: Path, chosen: Callable[[Path], bool]) -> Iterator[tuple[Path, Any]]:
    if len(path) > MOST_DEPTH:
        raise Unreadable(f"JSON nested deeper than {MOST_DEPTH}")
    opening = text.peek()
    if opening not in {"{", "["}:
        yield path, text.value()
        return
    closing = {"{": "}", "[": "]"}[opening]
    whole = opening == "[" and chosen(path)
    text.skip(opening)
    number = 0
    while text.peek() != closing:
        if number:
            text.skip(",")
        if opening == "{":
            key = text.value()
            if not isinstance(key, str):
                raise Unreadable("the JSON is damaged: a key that is no text")
            text.skip(":")
            yield from _walk(text, (*path, key[:200]), chosen)
        elif whole:
            yield (*path, number), text.value()
        else:
            yield from _walk(text, (*path, number), chosen)
        number += 1
    text.skip(closing)


def blocks_of(data: bytes) -> Iterator[bytes]:
    """Return bytes as blocks."""
    return iter([data])
