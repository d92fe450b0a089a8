"""What people ask: words, "phrases", AND, OR, NOT, parentheses and fields. No expressions are run.

    query  = and (OR and)*        and = not ([AND] not)*        not = [NOT] (`(` query `)` | term)
    term   = word | "phrase" | field:word | field:"phrase"

>>> parse('bridge NOT (name:"the river" OR case:KRN)')
All(parts=(Term(text='bridge'), Not(part=Either(parts=(Term(text='the river', field='name'...
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from repository.errors import BadQuery
from repository.naming import shown, split_number
from repository.search.words import respelled, telephones, words

MOST_CHARACTERS = 1_000
MOST_TERMS = 32
MOST_DEPTH = 8
FIELDS = (
    "case", "family", "type", "name", "device", "account", "place", "state", "seal", "marking",
    "near", "box", "after", "before", "between", "number",
)  # fmt: skip
NUMBER = "number"  # by which a proceeding cites it, or FIRST..LAST
VALUES = {
    "state": (
        "kept", "erased", "privileged", "hold", "disclosed", "copies-out", "in-transfer",
        "transferred", "quarantined",
    ),
    "seal": ("yes", "no"),
    "marking": (
        "handling-h0", "handling-h1", "handling-h2", "handling-h3", "tlp-clear", "tlp-green",
        "tlp-amber", "tlp-amber+strict", "tlp-red", "lead-only", "consent-withdrawn",
        "authority-required", "conditions", "owner-consent", "excluded-uses",
    ),
}  # fmt: skip
_QUOTES = str.maketrans(
    dict.fromkeys("“”„‟«»『』「」", '"')
)  # as people and their programs write them
_JOINERS = "\u200c\u200d"  # they are part of how Persian and Burmese are written
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))
    |(?:(?P<field>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s()"]+)))""",
    re.VERBOSE,
)


# A telephone number with its country code in groups, up to a blank, a parenthesis or the end.
_TELEPHONE = re.compile(r"\s*(?P<groups>\+[0-9]{1,4}(?:[ .-]{1,2}[0-9]{1,5}){2,6}+)(?=[\s)]|$)")

# An Arabic name of two words, as `words.respelled` knows them.
_VOWELLED = "[\u0640\u064b-\u0652\u0670]*"
_NAME = re.compile(
    rf"\s*(?:{_VOWELLED.join('عبد')}|[أا]{_VOWELLED.join(['', 'ب', 'و'])}){_VOWELLED}\s+"
    r"[\u0621-\u0652\u0670]{3,}(?=[\s)]|$)"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several that stand side by side; in a field, or anywhere."""

    text: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class All:
    """What has all of the parts."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """What has one of the parts or more."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """What has not the part."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Marks:
    """What is kept under one of these kinds and texts; no query says it, `whereabouts` does."""

    any_of: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exactly:
    """What has a value of a facet as it is kept; no query says it, `facets` does."""

    facet: str
    value: str


Node = Term | All | Either | Not | Marks | Exactly


def parse(query: str) -> Node:
    """Return what a query asks.

    Raises:
        BadQuery: it cannot be read, or is too long or too deep; the message says what to do.
    """
    if len(query) > MOST_CHARACTERS:
        raise BadQuery(
            f"a query has at most {MOST_CHARACTERS} characters, this one has {len(query)}; search "
            "for fewer words, or in steps"
        )
    for one in query:
        kind = unicodedata.category(one)
        if kind in ("Cc", "Cf", "Cs") and one not in f"\t\n\r{_JOINERS}":
            raise BadQuery(
                f"the query holds the invisible character U+{ord(one):04X}; write it without"
            )
    query = query.translate(_QUOTES)
    if query.count('"') % 2:
        raise BadQuery("a quotation mark has no partner; close the phrase, or leave the mark out")
    return _Parser(_tokens(query)).query(0)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # open, close, AND, OR, NOT, term
    term: Term | None = None


def _tokens(query: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(query.rstrip())
    while at < end:
        called = _TELEPHONE.match(query, at)
        if called is not None and (joined := next(telephones(called["groups"]), None)):
            at = called.end()
            found += _either([Term(called["groups"])], Term(joined))
            continue
        name = _NAME.match(query, at)
        if name is not None and (other := respelled(name[0])) and not _excludes(found):
            at = name.end()
            found += _either([Term(one) for one in name[0].split()], Term(other))
            continue
        one = _TOKEN.match(query, at)
        if one is None:
            raise BadQuery(f"the query cannot be read from here on: {shown(query[at : at + 40])}")
        at = one.end()
        if one["open"] or one["close"]:
            found.append(_Token("open" if one["open"] else "close"))
        elif one["word"] in ("AND", "OR", "NOT") and not one["field"]:
            found.append(_Token(one["word"]))
        else:
            text = one["word"] if one["phrase"] is None else one["phrase"]
            phrase = one["phrase"] is not None
            term = _term(one["field"], text, phrase=phrase)
            other = respelled(text)
            found += _either([term], Term(other, term.field)) if other else [_Token("term", term)]
    if sum(one.kind == "term" for one in found) > MOST_TERMS:
        raise BadQuery(f"a query has at most {MOST_TERMS} words and phrases; search in steps")
    return found


def _either(written: Sequence[Term], otherwise: Term) -> list[_Token]:
    """Return what asks for a text as it is written, or as others write the same."""
    terms = [_Token("term", one) for one in written]
    return [_Token("open"), *terms, _Token("OR"), _Token("term", otherwise), _Token("close")]


def _excludes(found: Sequence[_Token]) -> bool:
    return bool(found) and found[-1].kind == "NOT"  # which excludes one word, and no more


def _term(field: str | None, text: str, *, phrase: bool) -> Term:
    if field is None:
        if not any(True for _ in words(text)):
            raise BadQuery(f"{shown(text)} has no letter or digit to search for")
        if not phrase:
            _check_word(text)
        return Term(text)
    field = field.casefold()
    if field not in FIELDS:
        raise BadQuery(
            f"there is no field {shown(field)}; fields are {', '.join(FIELDS)}; to search for a "
            "text with a colon, put it in quotation marks"
        )
    allowed = VALUES.get(field)
    if allowed is not None and text not in allowed:
        raise BadQuery(f"{field}: is one of {', '.join(allowed)}")
    if not any(True for _ in words(text)):
        raise BadQuery(f"say what {field}: is, with a letter or digit")
    if field == NUMBER and ".." in text:
        _check_range(*text.partition("..")[::2])
    return Term(text, field)


def _check_word(text: str) -> None:
    """Refuse what would be looked for otherwise than it is meant, and found nowhere."""
    if text.endswith(":") and text[:-1].casefold() in FIELDS:
        raise BadQuery(
            f"after {shown(text)} stands what it is to be, without a space; to search for the word "
            "itself, leave the colon out"
        )
    if text.endswith("*"):
        raise BadQuery(
            f"{shown(text)}: there are no wildcards; write the whole word: its other forms, and "
            "how it is written in other scripts, are found with it"
        )


def _check_range(first: str, last: str) -> None:
    """Refuse what can hold no number: it would look as if nothing were found."""
    if not first or not last:
        raise BadQuery("a range of numbers is written FIRST..LAST, both as they are cited")
    low, high = split_number(first), split_number(last)
    if low is not None and high is not None and (low[0] != high[0] or low > high):
        raise BadQuery(
            f"{shown(first)} to {shown(last)} is no range: both are of one case, the lower first"
        )


class _Parser:
    """Descends into the query; where it is does not go back."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self, depth: int) -> Node:
        """Read alternatives, up to the end of the query or of the parenthesis."""
        if depth > MOST_DEPTH:
            raise BadQuery(f"parentheses stand at most {MOST_DEPTH} deep; search in steps")
        parts = [self._every(depth)]
        while self._next() == "OR":
            self._at += 1
            parts.append(self._every(depth))
        if depth == 0 and self._next() is not None:
            raise BadQuery("a parenthesis is closed that was never opened")
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self._next() in ("AND", "NOT", "open", "term"):
            self._at += self._next() == "AND"
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        turned = False
        while self._next() == "NOT":
            self._at += 1
            turned = not turned
        kind = self._next()
        if kind == "open":
            self._at += 1
            found = self.query(depth + 1)
            if self._next() != "close":
                raise BadQuery("a parenthesis is not closed")
        elif kind == "term":
            term = self._tokens[self._at].term
            if term is None:
                raise BadQuery("the query cannot be read")
            found = term
        else:
            after = {None: "at its end", "close": "before a closing parenthesis"}.get(kind)
            raise BadQuery(f"a word is missing {after or f'before {kind}'}")
        self._at += 1
        return Not(found) if turned else found

    def _next(self) -> str | None:
        return self._tokens[self._at].kind if self._at < len(self._tokens) else None
