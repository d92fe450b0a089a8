"""Snippets: where in what an exhibit says stands what was asked for, in its context and marked.

Read is what the index was made of, from facts, texts and notes, for whoever may see these; names
stand beside every hit anyway. Of a container in which something may be privileged nothing is quoted
to the case team: a text without a member's name may hold that member's words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from repository import Repository, facts
from repository.access import EVERYWHERE
from repository.errors import Erased, IntegrityError, NoSuchObject
from repository.models import Exhibit
from repository.search.find import Hit
from repository.search.grammar import VALUES, All, Either, Node, Term
from repository.search.scope import Scope
from repository.search.sounds import sound, stem
from repository.search.sources import Text, about, texts_of
from repository.search.tokens import FACTS, OPEN, TEAM
from repository.search.words import Word, regular, spans, words

MOST = 3  # of one exhibit
CHARACTERS = 240  # of one
MOST_READ = 2_000_000  # characters of one exhibit
_BEFORE = 60  # characters before what matched
_MOST_MARKS = 2_000  # looked at in one exhibit


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some of a text: from which kind of source, where that is, and what in it is marked."""

    kind: str  # fact, member, text, note
    locator: str  # in the exhibit: "", "page=2", "member=…"
    text: str  # control characters are spaces
    marks: tuple[tuple[int, int], ...]  # first character and the one after the last, in `text`
    begins: bool  # it begins where the text does
    ends: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as programs are told it."""
        return {**asdict(self), "marks": [list(one) for one in self.marks]}


@dataclass(slots=True)
class Wanted:
    """What is marked: words in a form, by the field in which they were asked for; `""`: any."""

    tier: str
    folded: dict[str, set[str]] = field(default_factory=dict)
    stems: dict[str, set[str]] = field(default_factory=dict)
    sounds: dict[str, set[str]] = field(default_factory=dict)
    runs: dict[str, set[str]] = field(default_factory=dict)  # of scripts without spaces

    @classmethod
    def of(cls, node: Node | None, tier: str) -> "Wanted":
        """Return what a query asks for and does not exclude, as near as a tier finds it."""
        found = cls(tier)
        for term in _terms(node):
            if term.field in VALUES:
                continue
            for word in words(term.text):
                found._add(word, term.field or "")
        return found

    def _add(self, word: Word, name: str) -> None:
        if word.grams:
            self.runs.setdefault(regular(word.folded), set()).add(name)
            return
        self.folded.setdefault(word.folded, set()).add(name)
        if self.tier in ("form", "sound"):
            self.stems.setdefault(stem(word.folded), set()).add(name)
        if self.tier == "sound" and (heard := sound(word.folded)) is not None:
            self.sounds.setdefault(heard, set()).add(name)

    def marks(self, said: Text) -> Iterator[tuple[int, int, str]]:
        """Yield where in a text something matches, and what."""
        for begin, end, word in spans(said.text):
            if word.grams:
                yield from self._in_run(said, begin, end)
                continue
            key = self._key(word)
            if key is not None and self._meant(key[1], said):
                yield begin, end, key[0]

    def _key(self, word: Word) -> tuple[str, set[str]] | None:
        if word.folded in self.folded:
            return word.folded, self.folded[word.folded]
        if self.stems and (root := stem(word.folded)) in self.stems:
            return root, self.stems[root]
        if self.sounds and word.capital:
            heard = sound(word.folded)
            if heard in self.sounds:
                return str(heard), self.sounds[str(heard)]
        return None

    def _in_run(self, said: Text, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
        run = regular(said.text[begin:end])
        for asked, names in self.runs.items():
            at = run.find(asked) if self._meant(names, said) else -1
            while at >= 0:
                if len(run) == end - begin:
                    yield begin + at, begin + at + len(asked), asked
                else:  # made regular it is longer or shorter: all of it is marked
                    yield begin, end, asked
                at = run.find(asked, at + len(asked))

    @staticmethod
    def _meant(names: set[str], said: Text) -> bool:
        return "" in names or (said.field or "-") in names


def _terms(node: Node | None) -> Iterator[Term]:
    if isinstance(node, Term):
        yield node
    elif isinstance(node, All | Either):
        for part in node.parts:
            yield from _terms(part)


def quoted(
    repo: Repository, session: Session, scope: Scope, hits: Sequence[Hit], node: Node | None
) -> dict[str, list[Snippet] | None]:
    """Return the snippets of hits, by exhibit; None: what it says could not be read.

    Raises:
        KeyUnavailable, StoreUnavailable: nothing can be read at all.
    """
    readable = [one for one in hits if one.level != OPEN]
    ids = [one.exhibit_id for one in readable]
    exhibits = {one.id: one for one in session.scalars(select(Exhibit).where(Exhibit.id.in_(ids)))}
    closed = facts.closed_in(session, facts.lines(session, ids))
    found: dict[str, list[Snippet] | None] = {}
    for hit in readable:
        exhibit = exhibits[hit.exhibit_id]
        if exhibit.id in closed and not _judges(scope, exhibit):
            continue
        levels = {FACTS, TEAM} if hit.level == TEAM else {FACTS}
        try:
            texts = [
                one
                for one in _bounded(texts_of(about(repo, session, exhibit)))
                if one.level in levels
            ]
            found[exhibit.id] = of_texts(texts, Wanted.of(node, hit.tier))
        except Erased:
            continue
        except (IntegrityError, NoSuchObject):
            found[exhibit.id] = None
    return found


def _judges(scope: Scope, exhibit: Exhibit) -> bool:
    """Say whether somebody has no part in the case but to judge what may be privileged."""
    asking = scope.asking.get(exhibit.case_id)
    if asking is None or asking.role in EVERYWHERE:
        return False
    return {one.role for one in asking.held} == {"reviewer"}


def _bounded(texts: Iterator[Text]) -> Iterator[Text]:
    read = 0
    for one in texts:
        yield one if read + len(one.text) <= MOST_READ else _cut(one, MOST_READ - read)
        read += len(one.text)
        if read >= MOST_READ:
            return


def _cut(one: Text, most: int) -> Text:
    return Text(one.level, one.text[:most], one.field, one.locator, one.kind)


def of_texts(texts: Sequence[Text], wanted: Wanted) -> list[Snippet]:
    """Return the few places in which most of what is wanted stands together, in their order."""
    places: list[tuple[int, int, Snippet]] = []  # how many different words, minus the order
    told: dict[str, None] = {}
    looked = 0
    for said in texts:
        waiting: list[tuple[int, int, str]] = []
        for mark in wanted.marks(said):
            looked += 1
            if waiting and mark[1] - waiting[0][0] > CHARACTERS - _BEFORE:
                places.append(_place(said, waiting, len(places)))
                waiting = []
            waiting.append(mark)
            if looked >= _MOST_MARKS:
                break
        if waiting:
            places.append(_place(said, waiting, len(places)))
        if looked >= _MOST_MARKS:
            break
    best: list[tuple[int, Snippet]] = []
    for _, order, one in sorted(places, key=lambda place: place[:2], reverse=True):
        if one.text not in told:
            told[one.text] = None
            best.append((-order, one))
        if len(best) == MOST:
            break
    return [one for _, one in sorted(best, key=lambda place: place[0])]


def _place(
    said: Text, marks: Sequence[tuple[int, int, str]], order: int
) -> tuple[int, int, Snippet]:
    begin = max(0, marks[0][0] - _BEFORE)
    if begin and (space := said.text.find(" ", begin, marks[0][0])) >= 0:
        begin = space + 1
    end = min(len(said.text), begin + CHARACTERS)
    if end < len(said.text) and (space := said.text.rfind(" ", marks[-1][1], end)) >= 0:
        end = space
    shown = "".join(one if one.isprintable() or ord(one) > 0x9F else " "
                    for one in said.text[begin:end])  # fmt: skip
    inside = [(max(first, begin) - begin, min(last, end) - begin) for first, last, _ in marks]
    snippet = Snippet(
        said.kind, said.locator, shown,
        tuple(dict.fromkeys((first, last) for first, last in inside if first < last)),
        begin == 0, end == len(said.text),
    )  # fmt: skip
    return len({key for _, _, key in marks}), -order, snippet


def listed(found: Mapping[str, Sequence[Snippet] | None], numbers: Mapping[str, str]) -> list[Any]:
    """Return what is quoted to somebody, for the record: of which exhibit, where, and the words."""
    return [
        [numbers[exhibit], one.kind, one.locator, one.text]
        for exhibit, some in found.items()
        for one in some or ()
    ]
