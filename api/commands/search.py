"""search, reindex: find exhibits by their words, and have the words made anew."""

from collections.abc import Callable
from typing import Any, TextIO

import click

from api.commands.context import Context, pass_context
from custody.entry import Act
from repository.access import Right
from repository.authorise import on_house
from repository.errors import BadQuery
from repository.naming import shown
from repository.search import index
from repository.search.ask import COUNTED, Answer, Found
from repository.search.ask import search as search_exhibits
from repository.search.cited import Cited
from repository.search.question import VIEWS, Question
from repository.search.sightings import Place
from repository.search.snippets import Snippet
from repository.search.whereabouts import Match

_FOUND = {
    "name": "its name",
    "exact": "as written",
    "regular": "in another writing",
    "form": "in another form",
    "sound": "sounds alike",
    "where": "place or time",
}
_MOST_FILE = 1 << 20  # characters of a polygon's file


_ASKING = (
    click.option("--near", metavar="LAT,LON", help="Around a place, in degrees: 50.45,30.52."),
    click.option("--within", metavar="DISTANCE", help="How far around it: 500m, 5km."),
    click.option("--box", metavar="S,W,N,E", help="Between latitudes and longitudes."),
    click.option("--polygon", type=click.File("r"), help="In an area: GeoJSON, or LAT,LON a line."),
    click.option("--after", metavar="TIME", help="From 2022, 2022-02-24 or 2022-02-24T05:00Z on."),
    click.option("--before", metavar="TIME", help="Up to its beginning."),
    click.option("--between", metavar="TIME..TIME", help="From one to the end of the other."),
    click.option("--certain", is_flag=True, help="Only what is certainly there and then."),
    click.option(
        "--where",
        "filters",
        multiple=True,
        metavar="FACET=VALUE",
        help="Only what has a value of a facet, as --facets tells it; of one facet any.",
    ),
)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that ask for places, times and facets, for `question`."""
    for option in reversed(_ASKING):
        command = option(command)
    return command


@click.command()
@click.argument("query", default="")
@click.option("--case", "code", metavar="CODE", help="Only what was registered in this case.")
@asking
@click.option("--facets", is_flag=True, help="Count what was found by type, time, place and more.")
@click.option("--snippets", is_flag=True, help="Quote what was found, in its context.")
@click.option("--suggestions", is_flag=True, help="Name other spellings where little is found.")
@click.option("--limit", type=click.IntRange(1, COUNTED), default=50, show_default=True)
@pass_context
def search(
    ctx: Context,
    /,
    query: str,
    *,
    code: str | None,
    facets: bool,
    snippets: bool,
    suggestions: bool,
    limit: int,
    **where: Any,
) -> None:
    """Find exhibits by words, places and times; only those you may know of.

    \b
    bridge river          both words, in whatever form and script
    "the bridge"          side by side
    bridge OR міст        either; NOT excludes; ( ) group
    name:photo type:jpeg  in a field: case, family, type, name, device, account, place,
                          seal:yes|no, marking:tlp-red …, state:kept|erased|hold …
    number:A-01..A-09     by the numbers that proceedings or others gave, or ours
    near:50.45,30.52,5km  and box:, after:, before:, between: as the options say
    """
    asked = question(query, **where)
    found = search_exhibits(
        ctx.repo, ctx.caller, query, case=code, facets=facets, limit=limit,
        where=asked.where(), filters=asked.filters, snippets=snippets, suggestions=suggestions,
    )  # fmt: skip
    tell(ctx, found)
    if not found.found and not {"and", "or", "not"}.isdisjoint(query.split()):
        ctx.say("and, or, not are words to search for; in capitals they join: bridge OR river")


def tell(ctx: Context, found: Answer) -> None:
    """Print what was found, the counts, and what is not known."""
    for one in found.found:
        _tell(ctx, one)
    if found.doubted:
        ctx.say("Only by something doubted:")
    for one in found.doubted or ():
        _tell(ctx, one, doubted=True)
    for name, values in (found.facets or {}).items():
        said = ", ".join(
            f"{shown(value['value'] or 'none yet')} {value['count']}" for value in values
        )
        if values:
            ctx.result({"facet": name, "values": values}, f"{name}: {said}")
    for other in found.suggestions or ():
        ctx.result(other.to_json(), f"nowhere: {shown(other.word)}; perhaps {other.instead}")
    ctx.result({"count": found.count, "more": found.more, "unread": found.unread}, _summary(found))


def question(
    query: str,
    *,
    certain: bool,
    filters: tuple[str, ...],
    near: str | None,
    within: str | None,
    polygon: TextIO | None,
    view: str = VIEWS[0],
    **where: str | None,
) -> Question:
    """Return what the options ask, beside the words.

    Raises:
        BadQuery: an option lacks its other half, or a file is no text.
    """
    if (near is None) != (within is None):
        raise BadQuery("--near and --within go together: --near 50.45,30.52 --within 5km")
    try:
        drawn = None if polygon is None else polygon.read(_MOST_FILE)
    except UnicodeDecodeError as error:
        raise BadQuery("the file of the polygon is not UTF-8") from error
    return Question(
        query, near=None if near is None else f"{near},{within}", polygon=drawn, certain=certain,
        filters=_filters(filters), view=view,
        **where,
    )  # fmt: skip


def _filters(said: tuple[str, ...]) -> dict[str, list[str]]:
    """Return what was asked of facets.

    Raises:
        BadQuery: there is no value.
    """
    found: dict[str, list[str]] = {}
    for one in said:
        name, mark, value = one.partition("=")
        if not mark:
            raise BadQuery("--where names a facet and a value: --where type=image/jpeg")
        found.setdefault(name, []).append(value)
    return found


def _tell(ctx: Context, one: Found, *, doubted: bool = False) -> None:
    described = one.described
    kind = (described.run.mime if described.run else None) or "not looked at yet"
    said = [match.to_json() for match in one.sightings]
    line: dict[str, Any] = {"found": one.tier, "exhibit": described.to_json()}
    if said:
        line["sightings"] = said
    if doubted:
        line["doubted"] = True
    if one.cited:
        line["cited"] = [number.to_json() for number in one.cited]
    if one.snippets is None or one.snippets:
        line["snippets"] = one.snippets and [snippet.to_json() for snippet in one.snippets]
    words = "".join(f"\n    {_cited(number)}" for number in one.cited)
    words += "".join(f"\n    {_said(match)}" for match in one.sightings)
    words += "".join(f"\n    {_quoted(snippet)}" for snippet in one.snippets or ())
    ctx.result(
        line,
        f"{described.exhibit.number}  {_FOUND[one.tier]:18}  {kind:28}  "
        f"{shown(described.exhibit.path)}{words}",
    )


def _quoted(one: Snippet) -> str:
    """Return a snippet as people are shown it: what matched stands in brackets."""
    parts, at = [], 0
    for first, last in one.marks:
        if first >= at:
            parts += [one.text[at:first], "[", one.text[first:last], "]"]
            at = last
    said = shown("".join([*parts, one.text[at:]]).strip())
    ends = "" if one.begins else "…", "" if one.ends else "…"
    where = f"note {one.locator}".rstrip() if one.kind == "note" else one.locator or one.kind
    return f"{shown(where)}: {ends[0]}{said}{ends[1]}"


def _cited(one: Cited) -> str:
    page = "" if one.page is None else f"; its page {one.page}"
    return shown(f"{one.first} to {one.last} in {one.case}{page}")


def _said(match: Match) -> str:
    """Return in words what says that something was there and then."""
    parts = ["certainly" if match.certain else "possibly"]
    told = match.to_json()
    for one in (match.place, match.time):
        if one is None:
            continue
        if isinstance(one, Place):
            away = "" if match.metres is None else f", {match.metres / 1000:.2f} km away"
            parts.append(f"at {one.latitude:g},{one.longitude:g} ±{one.metres} m{away}")
        else:
            time = told["time"]
            parts.append(f"from {time['earliest'] or '…'} to {time['latest'] or '…'}")
        doubt = f"; doubted: {one.suspect}" if one.suspect else ""
        parts.append(shown(f"({one.fact}, {one.source}{doubt})"))
    if match.locator:
        parts.append(shown(match.locator))
    return " ".join(parts)


def _summary(found: Answer) -> str:
    more = "more than " if found.more else ""
    said = f"{more}{found.count} found"
    if found.after is not None:
        said += f", {len(found.found)} shown; name more words, or --limit"
    if found.unread:
        many = f"{found.unread} or more" if found.unread >= COUNTED else str(found.unread)
        said += (
            f"; {many} not indexed yet and perhaps missing: a worker does it; reindex too, of what "
            "was looked at"
        )
    return said


@click.command()
@click.option("--all", "every", is_flag=True, help="Everything, not only what waits.")
@pass_context
def reindex(ctx: Context, *, every: bool) -> None:
    """Make the words of exhibits that wait, here and now; with --all of every exhibit.

    After a restored database, or a version that makes words otherwise: --all.
    """
    on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    if every:
        index.rebuild(ctx.repo)
    done, failed = index.make_all(ctx.repo)
    found: dict[str, Any] = {"exhibits": done, "failed": failed}
    ctx.result(found, f"indexed {done} exhibits")
    for why in failed.values():
        ctx.say(f"not indexed: {why}")
    raise click.exceptions.Exit(1 if failed else 0)


COMMANDS = (search, reindex)
