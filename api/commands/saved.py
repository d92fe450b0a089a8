"""saved: searches kept in a case, shared with named people, and run again as oneself."""

from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.search import asking, question, tell
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.search import saved as searches
from repository.search.ask import COUNTED
from repository.search.question import VIEWS


@click.group()
def saved() -> None:
    """Searches that are kept in a case: save one, list them, run one."""


@saved.command("set")
@click.argument("code")
@click.argument("query", default="")
@asking
@click.option("--title", required=True)
@click.option("--view", type=click.Choice(VIEWS), default=VIEWS[0], help="How pages show it.")
@click.option("--share", multiple=True, metavar="PERSON", help="Again for each further one.")
@click.option("--again", metavar="NAME", help="The saved search that this is the next version of.")
@pass_context
def saved_set(
    ctx: Context,
    /,
    code: str,
    query: str,
    *,
    title: str,
    share: tuple[str, ...],
    again: str | None,
    **where: Any,
) -> None:
    """Save QUERY in the case CODE, with the places, times and facets that options ask for."""
    asked = question(query, **where)
    found = searches.save(
        ctx.repo, ctx.caller, code, title=title, asked=asked, shared_with=share, named=again
    )
    publish(ctx.repo)
    ctx.result(found.to_json(), f"{found.search}  version {found.version}  {shown(found.title)}")


@saved.command("list")
@click.argument("code")
@pass_context
def saved_list(ctx: Context, code: str) -> None:
    """List the saved searches of the case CODE that you made or are named in."""
    for one in searches.listed(ctx.repo, ctx.caller, code):
        ctx.result(one.to_json(), f"{one.search}  {shown(one.title)}  {shown(one.asked.text)}")


@saved.command("run")
@click.argument("name")
@click.option("--facets", is_flag=True, help="Count what was found by type, time, place and more.")
@click.option("--limit", type=click.IntRange(1, COUNTED), default=50, show_default=True)
@pass_context
def saved_run(ctx: Context, name: str, *, facets: bool, limit: int) -> None:
    """Search with the saved search NAME in its case, as yourself."""
    tell(ctx, searches.run(ctx.repo, ctx.caller, name, limit=limit, facets=facets))


COMMANDS = (saved,)
