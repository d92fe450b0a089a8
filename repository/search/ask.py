"""Search: what was asked and what is shown are an entry before anything is answered.

What was asked is withheld behind the salted commitment: it tells what is investigated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from custody.canonical import dumps
from custody.entry import Act, Draft
from repository import Repository
from repository.authorise import Caller, refuse
from repository.errors import AccessDenied
from repository.listed import Listed, some_of
from repository.sealed import put_document
from repository.search import cited as cited_
from repository.search import facets as facets_
from repository.search.cited import Cited
from repository.search.expression import TIERS
from repository.search.find import Finder, Hit
from repository.search.grammar import All, Term, parse
from repository.search.scope import Scope
from repository.search.snippets import Snippet, quoted
from repository.search.snippets import listed as listed_snippets
from repository.search.suggest import FEW, Suggestion, suggested
from repository.search.tokens import Keyed
from repository.search.whereabouts import MOST_DOUBTED, Looking, Match, Whereabouts, split

PAGE = 50
COUNTED = 1_000  # beyond it an answer says "more than"


@dataclass(frozen=True, slots=True)
class Found:
    """One exhibit of an answer, and the tier in which it was found."""

    described: Listed
    tier: str  # of `TIERS`; "where": no words were asked for
    sightings: Sequence[Match] = ()  # what says that it was there and then, where that was asked
    snippets: Sequence[Snippet] | None = ()  # where asked for; None: its texts cannot be read
    cited: Sequence[Cited] = ()  # by which numbers, where such were asked for


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of what was found."""

    found: Sequence[Found]
    after: tuple[int, int] | None  # the place after which the next page begins
    count: int | None  # of all, on the first page: exact up to `COUNTED`
    more: bool  # there are more than were counted
    unread: int  # exhibits that are not indexed as they are now; at most `COUNTED`
    facets: dict[str, list[dict[str, Any]]] | None  # of what was counted, where asked for
    digest: str  # of the list that was shown, as the entry has it
    doubted: Sequence[Found] | None = None  # there and then by something doubted alone; first page
    doubted_more: bool = False
    suggestions: Sequence[Suggestion] | None = None  # where asked for; of the first page


def search(
    repo: Repository,
    caller: Caller,
    query: str,
    *,
    case: str | None = None,
    after: tuple[int, int] | None = None,
    limit: int = PAGE,
    facets: bool = False,
    where: Whereabouts | None = None,
    filters: Mapping[str, Sequence[str]] | None = None,
    snippets: bool = False,
    suggestions: bool = False,
) -> Answer:
    """Return a page of the exhibits that a query finds; recorded, whatever it finds.

    Args:
        repo: the repository.
        caller: who searches.
        query: what is asked (`grammar`); it may be empty where a place, time or facet is asked for.
        case: only exhibits registered in the case of this code.
        after: where the last page ended.
        limit: how many exhibits a page has.
        facets: count what was found by `facets.TOLD` too; on the first page.
        where: where and when it was, beside what the query says of that.
        filters: values of facets: of each that is named, what is found has one of its values.
        snippets: quote what was found in its context too, where the asker may see facts.
        suggestions: name other spellings of words that are nowhere, where little is found.

    Raises:
        BadQuery: it cannot be read; nothing was asked, nothing is recorded.
        AccessDenied: the token adds to one submission; recorded.
    """
    narrower = facets_.narrowed(filters or {})
    words, told = split(parse(query)) if query.strip() or not (where or narrower) else (None, {})
    where = (where or Whereabouts()).and_of(told)
    if case is not None:
        of_case = Term(case, "case")
        words = of_case if words is None else All((words, of_case))
    if caller.only is not None:
        error = AccessDenied("this token adds to one submission and reads nothing")
        refuse(repo, caller, Act.CONSULTATION, ["token-scope"], error, asked=query)
    with repo.database.reading() as session:
        scope = Scope.of(session, caller, repo.clock())
        keyed = Keyed(repo)
        finder = Finder(session, keyed, scope)
        wanted = limit + 1 if after is not None else max(limit, COUNTED) + 1
        looking = Looking(repo, session, caller, where)
        asked = [one for one in (words, *narrower) if one is not None]
        node = All(tuple(asked)) if asked else None
        some = finder.hits(looking.node(node), after=after, together=wanted)
        hits = list(islice(looking.over(some), wanted))
        page = hits[:limit]
        doubted = looking.doubted(finder, node) if where and after is None else []
        told_of = [*page, *doubted[:MOST_DOUBTED]]
        ids = [hit.exhibit_id for hit in told_of]
        listed = some_of(session, ids)
        unread = finder.unread(COUNTED)
        counted = hits[:COUNTED]
        counted_by = None
        if facets and after is None:
            counted_by = facets_.counted(repo, session, scope, counted)
        said = quoted(repo, session, scope, page, words) if snippets else {}
        cited = cited_.told(session, scope, words, ids)
        few = suggestions and after is None and len(hits) <= FEW
        near = suggested(session, finder, keyed, words, query) if few else []
    found = [
        Found(
            listed[hit.exhibit_id],
            "where" if words is None else hit.tier,
            looking.said.get(hit.exhibit_id, ()),
            said.get(hit.exhibit_id, ()),
            cited.get(hit.exhibit_id, ()),
        )
        for hit in told_of
    ]
    asked_for = "; ".join(filter(None, (query, where.text, facets_.written(filters or {}))))
    shown: list[Any] = [one.described.exhibit.number for one in found]
    numbers = {one.described.exhibit.id: one.described.exhibit.number for one in found}
    if cited:
        shown.append({"cited": {
            numbers[id_]: [one.to_json() for one in some] for id_, some in cited.items()
        }})  # fmt: skip
    if snippets or suggestions:
        spelled = [one.to_json() for one in near]
        shown.append({"snippets": listed_snippets(said, numbers), "suggestions": spelled})
    digest = _record(repo, caller, asked_for, case, shown, len(found))
    last = page[-1] if len(hits) > limit else looking.stopped
    return Answer(
        found[: len(page)],
        after=None if last is None else _place(last),
        count=None if after is not None else len(counted),
        more=after is None and (len(hits) > len(counted) or looking.stopped is not None),
        unread=unread,
        facets=counted_by,
        digest=digest,
        doubted=found[len(page) :] if where and after is None else None,
        doubted_more=len(doubted) > MOST_DOUBTED,
        suggestions=near if suggestions and after is None else None,
    )


def _place(hit: Hit) -> tuple[int, int]:
    return TIERS.index(hit.tier), hit.n


def _record(
    repo: Repository, caller: Caller, query: str, case: str | None, told: Sequence[Any], count: int
) -> str:
    stored, digest = put_document(repo, dumps(list(told)))
    withheld: dict[str, object] = {"asked": query}
    if case is not None:
        withheld["case"] = case
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            caller.actor(),
            reason="search",
            plain={"count": count, "outputs": [digest], "location": stored.location()},
            withheld=withheld,
        )
    )
    return digest
