"""search, reindex: find exhibits by their words, and have the words made anew."""

from typing import Any

import click

from api.commands.context import Context, pass_context
from custody.entry import Act
from repository.access import Right
from repository.authorise import on_house
from repository.naming import shown
from repository.search import index
from repository.search.ask import COUNTED, Answer
from repository.search.ask import search as search_exhibits

_FOUND = {
    "name": "its name",
    "exact": "as written",
    "regular": "in another writing",
    "form": "in another form",
    "sound": "sounds alike",
}


@click.command()
@click.argument("query")
@click.option("--case", "code", metavar="CODE", help="Only what was registered in this case.")
@click.option("--facets", is_flag=True, help="Count what was found by case, family and type.")
@click.option("--limit", type=click.IntRange(1, COUNTED), default=50, show_default=True)
@pass_context
def search(ctx: Context, query: str, *, code: str | None, facets: bool, limit: int) -> None:
    """Find exhibits by words in their names, facts and texts; only those you may know of.

    \b
    bridge river          both words, in whatever form and script
    "the bridge"          side by side
    bridge OR міст        either; NOT excludes; ( ) group
    name:photo type:jpeg  in a field: case, family, type, name, device, account, place,
                          state:kept|erased, seal:yes|no
    """
    tell(
        ctx,
        search_exhibits(ctx.repo, ctx.caller, query, case=code, facets=facets, limit=limit),
    )


def tell(ctx: Context, found: Answer) -> None:
    """Print what was found, the counts, and what is not known."""
    for one in found.found:
        described = one.described
        kind = (described.run.mime if described.run else None) or "not looked at yet"
        ctx.result(
            {"found": one.tier, "exhibit": described.to_json()},
            f"{described.exhibit.number}  {_FOUND[one.tier]:18}  {kind:28}  "
            f"{shown(described.exhibit.path)}",
        )
    for name, values in (found.facets or {}).items():
        said = ", ".join(f"{value['value'] or 'none yet'} {value['count']}" for value in values)
        ctx.result({"facet": name, "values": values}, f"{name}: {said}")
    ctx.result({"count": found.count, "more": found.more, "unread": found.unread}, _summary(found))


def _summary(found: Answer) -> str:
    more = "more than " if found.more else ""
    said = f"{more}{found.count} found"
    if found.after is not None:
        said += f", {len(found.found)} shown; name more words, or --limit"
    if found.unread:
        many = f"{found.unread} or more" if found.unread >= COUNTED else str(found.unread)
        said += f"; {many} not indexed yet and perhaps missing: a worker does it, or reindex"
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
