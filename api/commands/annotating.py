"""note, tag, assess, annotation, selection: what the case team says of exhibits."""

from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE
from repository import annotations, selections
from repository.annotations import INFORMATION, SOURCES, Assessment, Version
from repository.ledger_mirror import publish
from repository.naming import shown


@click.command()
@click.argument("place")
@click.argument("text")
@pass_context
def note(ctx: Context, place: str, text: str) -> None:
    """Say something of PLACE: an exhibit, or a locator ('KRN-000042#page=3')."""
    _done(ctx, annotations.annotate(ctx.repo, ctx.caller, place, "note", text))


@click.command()
@click.argument("place")
@click.argument("word")
@pass_context
def tag(ctx: Context, place: str, word: str) -> None:
    """Tag PLACE, an exhibit or a locator, with WORD."""
    _done(ctx, annotations.annotate(ctx.repo, ctx.caller, place, "tag", word))


_SAID = (
    click.option("--source", type=click.Choice(SOURCES), help="How reliable who gave it is."),
    click.option("--information", type=click.Choice(INFORMATION), help="How good what it says is."),
    click.option("--place", "where", help="Where it was made, in words."),
    click.option("--position", metavar="LAT,LON", help="Where, in decimal degrees."),
    click.option("--from", "begins", metavar="TIME", help="When: not before."),
    click.option("--to", "ends", metavar="TIME", help="When: not after."),
    click.option("--method", help="How place and time were found out."),
)


def _assessing(command: Any) -> Any:
    for option in reversed(_SAID):
        command = option(command)
    return command


@click.command()
@click.argument("place")
@_assessing
@click.option("--again", metavar="NAME", help="The assessment that this is the next version of.")
@pass_context
def assess(ctx: Context, /, place: str, again: str | None, where: str | None, **said: Any) -> None:
    """Say how reliable PLACE, an exhibit or a locator, is, and where and when it was made."""
    what = Assessment(place=where, **said)
    if again is None:
        _done(ctx, annotations.annotate(ctx.repo, ctx.caller, place, "assessment", what))
    else:
        _done(ctx, annotations.revise(ctx.repo, ctx.caller, again, what))


@click.group()
def annotation() -> None:
    """Tags, notes and assessments: list them, say them anew, withdraw, review."""


@annotation.command("list")
@click.argument("exhibit")
@pass_context
def annotation_list(ctx: Context, exhibit: str) -> None:
    """List what was said of EXHIBIT, each in its newest version."""
    for one in annotations.listed(ctx.repo, ctx.caller, exhibit):
        ctx.result(one.to_json(), _line(one))


@annotation.command("history")
@click.argument("name")
@pass_context
def annotation_history(ctx: Context, name: str) -> None:
    """Show every version of the annotation NAME."""
    for one in annotations.history(ctx.repo, ctx.caller, name):
        ctx.result(one.to_json(), _line(one))


@annotation.command("revise")
@click.argument("name")
@click.argument("text")
@pass_context
def annotation_revise(ctx: Context, name: str, text: str) -> None:
    """Say the tag or note NAME anew, as its author; earlier versions stay."""
    _done(ctx, annotations.revise(ctx.repo, ctx.caller, name, text))


@annotation.command("withdraw")
@click.argument("name")
@MOTIVE
@pass_context
def annotation_withdraw(ctx: Context, name: str, motive: str) -> None:
    """Withdraw the annotation NAME; what it said stays in its history."""
    _done(ctx, annotations.withdraw(ctx.repo, ctx.caller, name, motive=motive))


@annotation.command("review")
@click.argument("name")
@click.option("--agree/--disagree", "agrees", required=True)
@MOTIVE
@pass_context
def annotation_review(ctx: Context, name: str, agrees: bool, motive: str) -> None:
    """Say as another person than its author whether the assessment NAME holds."""
    _done(ctx, annotations.review(ctx.repo, ctx.caller, name, agrees=agrees, motive=motive))


@click.group()
def selection() -> None:
    """Named sets of exhibits and places, shared with named people."""


@selection.command("set")
@click.argument("code")
@click.argument("items", nargs=-1, required=True)
@click.option("--title", required=True)
@click.option("--share", multiple=True, metavar="PERSON", help="Again for each further one.")
@click.option("--again", metavar="NAME", help="The selection that this is the next version of.")
@pass_context
def selection_set(
    ctx: Context,
    code: str,
    items: tuple[str, ...],
    title: str,
    share: tuple[str, ...],
    again: str | None,
) -> None:
    """Make a selection in the case CODE of ITEMS: exhibit numbers and locators."""
    found = selections.select_items(
        ctx.repo, ctx.caller, code, title=title, items=items, shared_with=share, named=again
    )
    publish(ctx.repo)
    ctx.result(found.to_json(), f"{found.name}  version {found.version}  {shown(found.title)}")


@selection.command("list")
@click.argument("code")
@pass_context
def selection_list(ctx: Context, code: str) -> None:
    """List the selections of the case CODE that you made or are named in."""
    for one in selections.listed(ctx.repo, ctx.caller, code):
        ctx.result(one.to_json(), f"{one.name}  {len(one.items):>6} items  {shown(one.title)}")


@selection.command("show")
@click.argument("name")
@pass_context
def selection_show(ctx: Context, name: str) -> None:
    """Show the selection NAME."""
    one = selections.show(ctx.repo, ctx.caller, name)
    ctx.result(one.to_json(), "\n".join([shown(one.title), *one.items]))


def _done(ctx: Context, made: Version) -> None:
    publish(ctx.repo)
    ctx.result(made.to_json(), _line(made))


def _line(one: Version) -> str:
    told = dict(one.said)
    judged = told.pop("review", None)
    if judged is not None:
        by = f"{judged['by']}: " if judged.get("by") else ""
        told["agrees" if judged["agrees"] else "disagrees"] = f"{by}{judged['why']}"
    said = "; ".join(f"{name}: {shown(value)}" for name, value in told.items())
    count = f"{one.version} of {one.versions}"
    return f"{one.annotation}  {one.kind:10}  {count}  {shown(one.author or '-')}  {one.at}  {said}"


COMMANDS = (note, tag, assess, annotation, selection)
