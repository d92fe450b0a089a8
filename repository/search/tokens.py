"""Tokens: what stands in the index instead of words, so that a stolen database tells none.

A token is 48 bits of a keyed hash over a level, a kind and a text. Who has the key of the house's
secrets can ask; the rows alone can be counted, not read.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from repository import Repository
from repository.search.sounds import sound, stem
from repository.search.words import Word, grams

_BYTES = 6
# Levels: what whoever knows of an exhibit sees; and all that was read out of it; and what the case
# team said of it, for which both are asked: `TEAM` has tokens of nothing else.
OPEN, FACTS, TEAM = "c", "a", "t"
LEVELS = (TEAM, FACTS, OPEN)


def read_as(level: str) -> str:
    """Return the level whose tokens say what was read: the case team's say only what it said."""
    return FACTS if level == TEAM else level


EVERY = "every"  # the kind of the one token that all exhibits have


@lru_cache(maxsize=8)
def _key(wrapping: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"evidence search tokens").derive(wrapping)


class Keyed:
    """The key of the tokens, and what is made with it."""

    def __init__(self, repo: Repository) -> None:
        """Derive the key from the secrets of the house."""
        self._hash = blake2b(key=_key(repo.wrapping_key), digest_size=_BYTES)

    def token(self, level: str, kind: str, text: str) -> int:
        """Return one token."""
        found = self._hash.copy()
        found.update(f"{level}\0{kind}\0{text}".encode("utf-8", "replace"))
        return int.from_bytes(found.digest())

    def of_text(self, level: str, found: Iterable[Word]) -> Iterator[int]:
        """Yield the tokens of a text's words, and of each two that stand side by side."""
        before: str | None = None
        for word in found:
            if word.grams:
                for gram in grams(word.folded):
                    yield self.token(level, "gram", gram)
                before = None
                continue
            yield from self.of_word(level, word)
            if before is not None:
                yield self.token(level, "pair", f"{before} {word.folded}")
            before = word.folded

    def of_word(self, level: str, word: Word) -> Iterator[int]:
        """Yield the tokens of one word: as written, regular, its stem, its sound."""
        yield self.token(level, "word", word.folded)
        if word.exact != word.folded:
            yield self.token(level, "exact", word.exact)
        root = stem(word.folded)
        if root != word.folded:
            yield self.token(level, "stem", root)
        if word.capital and (heard := sound(word.folded)) is not None:
            yield self.token(level, "sound", heard)

    def of_field(self, level: str, field: str, found: Iterable[Word]) -> Iterator[int]:
        """Yield the tokens by which the words of a field are found in it alone.

        Fields of one level stand for the other too: `FACTS` is all that is known. What the case
        team said stands for itself alone.
        """
        for word in found:
            texts = grams(word.folded) if word.grams else (word.folded,)
            for text in texts:
                yield self.token(TEAM if level == TEAM else FACTS, f"field {field}", text)
                if level == OPEN:
                    yield self.token(OPEN, f"field {field}", text)
