"""A query as an expression over tokens, once for each way to find: the order of answers.

`TIERS`, nearest first: every word stands in the name or number; every word as written; in another
writing of it (accents, hamza, look-alikes); in another form of it (endings); sounding alike in
another script or spelling. What is excluded (NOT) is excluded in its regular writing in all of
them. Within a tier the newest comes first. No count of anything goes into the order: what the asker
may not know of cannot move what is shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, false, literal, not_, or_
from sqlalchemy.dialects.postgresql import array

from repository.search import grammar
from repository.search.grammar import Node, Term
from repository.search.sounds import sound, stem
from repository.search.tables import SearchExhibit
from repository.search.tokens import EVERY, FACTS, OPEN, TEAM, Keyed, read_as
from repository.search.words import Word, asked_grams, words

TIERS = ("name", "exact", "regular", "form", "sound")
_TOLD_BY_THE_TEAM = "field place"  # the one field of which assessments say something
# States of custody that the case team is told of; for others it is as if they were not so.
OF_THE_TEAM = frozenset(
    {"hold", "disclosed", "copies-out", "in-transfer", "transferred", "quarantined"}
)


@dataclass(frozen=True, slots=True)
class Token:
    """What has a token."""

    token: int


@dataclass(frozen=True, slots=True)
class Live:
    """What is so now by the tables, not by the index: of `grammar.VALUES`, or a number."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class All:
    """What has all of the parts."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """What has one of the parts or more."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """What has not the part."""

    part: "Expression"


Expression = Token | Live | All | Either | Not
NEVER = Live("never", "")
_APART = 4  # words of which another form is asked for beside all others: each is a question


def tiers(keyed: Keyed, level: str, node: Node) -> list[tuple[str, Expression]]:
    """Return the query in every tier that finds more than those before it.

    Args:
        keyed: makes tokens.
        level: one of `LEVELS`: in what is looked.
        node: the query.
    """
    found: list[tuple[str, Expression]] = []
    for tier in TIERS:
        one = _express(keyed, level, node, tier)
        if all(one != before for _, before in found):
            found.append((tier, one))
    return found


def _express(keyed: Keyed, level: str, node: Node, tier: str) -> Expression:
    if isinstance(node, grammar.Not):
        return Not(_express(keyed, level, node.part, "regular"))
    if isinstance(node, grammar.All):
        return _all(_express(keyed, level, one, tier) for one in node.parts)
    if isinstance(node, grammar.Either):
        return Either(tuple(_express(keyed, level, one, tier) for one in node.parts))
    if isinstance(node, grammar.Marks):
        return Either(tuple(Token(keyed.token(read_as(level), *one)) for one in node.any_of))
    if isinstance(node, grammar.Exactly):
        return _one(keyed, level, f"facet {node.facet}", node.value)
    if node.field in grammar.VALUES:
        if level != TEAM and node.text in OF_THE_TEAM:
            return NEVER
        return Live(node.field, node.text)
    if node.field == grammar.NUMBER:
        return Live(grammar.NUMBER, node.text)
    if node.field is not None:
        return _field(keyed, level, node)
    return _text(keyed, level, node, tier)


def _text(keyed: Keyed, level: str, term: Term, tier: str) -> Expression:
    """Return a word in one tier; several that stand side by side, in their regular writing."""
    found = list(words(term.text))
    # "l'église" is two words and both in one; as a term it is the one.
    whole = [one for one in found if "'" in one.exact and not one.grams]
    if len(whole) == 1 and len(found) > 1 and term.text.casefold() == whole[0].exact:
        found = whole
    where = OPEN if tier == "name" else level
    if len(found) == 1:
        return _word(keyed, where, found[0], tier)
    parts: list[Expression] = []
    before: Word | None = None
    for one in found:
        if one.grams:
            parts += _grams(keyed, where, "gram", one)
            before = None
            continue
        if before is None:
            parts.append(_one(keyed, where, "word", one.folded))
        else:
            parts.append(_one(keyed, where, "pair", f"{before.folded} {one.folded}"))
        before = one
    return _all(parts)


def _word(keyed: Keyed, level: str, word: Word, tier: str) -> Expression:
    if word.grams:
        return _all(_grams(keyed, level, "gram", word))
    regular = _one(keyed, level, "word", word.folded)
    if tier == "exact" and word.exact != word.folded:
        return _one(keyed, level, "exact", word.exact)
    if tier in ("name", "exact", "regular"):
        return regular
    root = stem(word.folded)
    parts: list[Expression] = [regular, _one(keyed, level, "stem", root)]
    if root != word.folded:
        parts.append(_one(keyed, level, "word", root))
    if tier == "sound" and (heard := sound(word.folded)) is not None:
        parts.append(_one(keyed, level, "sound", heard))
    return Either(tuple(parts))


def _grams(keyed: Keyed, level: str, kind: str, word: Word) -> list[Expression]:
    return [_one(keyed, level, kind, one) for one in asked_grams(word.folded)]


def _one(keyed: Keyed, level: str, kind: str, text: str) -> Expression:
    """Return a token; for the case team what was read, or what they said themselves."""
    if level != TEAM or (kind.startswith("field ") and kind != _TOLD_BY_THE_TEAM):
        return Token(keyed.token(read_as(level), kind, text))
    return Either(tuple(Token(keyed.token(one, kind, text)) for one in (FACTS, TEAM)))


def _field(keyed: Keyed, level: str, term: Term) -> Expression:
    parts: list[Expression] = []
    for word in words(term.text):
        if word.grams:
            parts += _grams(keyed, level, f"field {term.field}", word)
        else:
            parts.append(_one(keyed, level, f"field {term.field}", word.folded))
    return _all(parts)


def _all(parts: Iterable[Expression]) -> Expression:
    found = tuple(dict.fromkeys(parts))
    return found[0] if len(found) == 1 else All(found)


# --- asking a database


def beyond(one: Expression, before: Iterable[Expression]) -> Expression:
    """Return what an expression finds beyond others."""
    return All((one, *(Not(each) for each in before)))


def gained(one: Expression, before: Expression) -> Expression | None:
    """Return what finds all that an expression finds beyond another; None: that is nothing.

    It finds nothing that the first does not, but may find what both do: of a word in another form,
    the form alone is asked for, not once more the word.
    """
    if one == before:
        return None
    if isinstance(one, Either):
        old = before.parts if isinstance(before, Either) else (before,)
        with_ = old if len(old) == len(one.parts) else (before,) * len(one.parts)
        new = [
            gained(part, each)
            for part, each in zip(one.parts, with_, strict=True)
            if part != before and part not in old
        ]
        return _either([each for each in new if each is not None])
    if isinstance(one, All) and isinstance(before, All):
        # What is left out is so in all tiers: it is said once, not in every way to gain something.
        out = [part for part in one.parts if isinstance(part, Not) and part in before.parts]
        with_ = tuple(part for part in one.parts if part not in out)
        without = [part for part in before.parts if part not in out]
        if len(with_) != len(without):
            return one
        pairs = enumerate(zip(with_, without, strict=True))
        more = [(n, each) for n, (a, b) in pairs if (each := gained(a, b)) is not None]
        if len(more) > _APART:
            return one
        found = _either([_all((*with_[:n], each, *with_[n + 1 :])) for n, each in more])
        return None if found is None else _all((found, *out))
    return one


def _either(parts: list[Expression]) -> Expression | None:
    return (parts[0] if len(parts) == 1 else Either(tuple(parts))) if parts else None


def parts_of(one: Expression) -> list[Expression]:
    """Return what an expression has all of, those within those included."""
    if not isinstance(one, All):
        return [one]
    return [each for part in one.parts for each in parts_of(part)]


def in_case(keyed: Keyed, level: str, code: str) -> Expression:
    """Return what is registered in a case; every exhibit has its case's token."""
    return _field(keyed, level, Term(code, "case"))


def in_cases(keyed: Keyed, level: str, codes: Iterable[str]) -> Expression:
    """Return what is registered in one of some cases."""
    return Either(tuple(in_case(keyed, level, code) for code in codes))


def live(one: Expression) -> bool:
    """Say whether an expression asks the tables for how things are now."""
    if isinstance(one, Live):
        return True
    if isinstance(one, Not):
        return live(one.part)
    return isinstance(one, All | Either) and any(map(live, one.parts))


def fts(keyed: Keyed, level: str, one: Expression) -> str:
    """Return an expression as SQLite's FTS5 reads it: of hexadecimal words alone."""
    if isinstance(one, Token):
        return f'"{one.token:x}"'
    if isinstance(one, Not):
        return f"({_every(keyed, level)} NOT {fts(keyed, level, one.part)})"
    if isinstance(one, Either):
        return f"({' OR '.join(fts(keyed, level, part) for part in one.parts)})"
    if not isinstance(one, All):
        raise TypeError("what is so now is no word")
    with_ = [fts(keyed, level, part) for part in one.parts if not isinstance(part, Not)]
    found = f"({' AND '.join(with_ or [_every(keyed, level)])})"
    for part in one.parts:
        if isinstance(part, Not):
            found = f"({found} NOT {fts(keyed, level, part.part)})"
    return found


def _every(keyed: Keyed, level: str) -> str:
    return f'"{keyed.token(read_as(level), EVERY, ""):x}"'


def arrays(one: Expression) -> ColumnElement[bool]:
    """Return an expression as PostgreSQL's GIN index over arrays reads it."""
    if isinstance(one, Token):
        return _has([one.token])
    if isinstance(one, Not):
        return not_(arrays(one.part))
    if isinstance(one, Live):
        raise TypeError("what is so now is no word")
    tokens = [part.token for part in one.parts if isinstance(part, Token)]
    rest = [arrays(part) for part in one.parts if not isinstance(part, Token)]
    if isinstance(one, All):
        return and_(*([_has(tokens)] if tokens else []), *rest)
    some = [SearchExhibit.tokens.op("&&", is_comparison=True)(_array(tokens))] if tokens else []
    return or_(false(), *some, *rest)


def _has(tokens: list[int]) -> ColumnElement[bool]:
    return SearchExhibit.tokens.op("@>", is_comparison=True)(_array(tokens))


def _array(tokens: list[int]) -> ColumnElement[Any]:
    of_tokens: list[Any] = [literal(one, BigInteger) for one in tokens]
    return array(of_tokens, type_=BigInteger())
