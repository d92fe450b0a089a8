"""register: what was reviewed, disclosed and withheld in a proceeding."""

from pathlib import Path
from typing import BinaryIO

import click

from api.commands.context import Context, pass_context
from api.commands.numbers_file import numbers_in
from api.commands.rules import MOTIVE
from repository.disclose import acknowledge
from repository.errors import BadRequest, ListConflicts
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.register import CLASSIFICATIONS, Judgement, review
from repository.register import register as register_of
from repository.review_list import read_list, write_list
from repository.review_rule import set_second

SECOND = click.option("--second", is_flag=True, help="It is the second review, by another person.")


@click.group()
def register() -> None:
    """The disclosure register of a proceeding: one row for each exhibit."""


@register.command("show")
@click.argument("code")
@pass_context
def register_show(ctx: Context, code: str) -> None:
    """Show the register of the case CODE, with its count, its digest and its warnings."""
    found = register_of(ctx.repo, ctx.caller, code)
    for row in found.rows:
        given = ", ".join(shown(one["party"]) for one in row["disclosed"]) or "-"
        withheld = f"  withheld: {shown(row['withheld'])}" if row["withheld"] else ""
        cited = f"{row['number']['first']} - {row['number']['last']}  " if row["number"] else ""
        warning = f"  WARNING: {row['warning']}" if row["warning"] else ""
        ctx.result(
            row,
            f"{row['exhibit']}  {row['classification']:24} {row['review']:13} "
            f"{shown(row['rule'] or '-'):16} "
            f"{cited}disclosed to {given}{withheld}{warning}",
        )
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    ctx.say(f"{len(found.rows)} rows: {counts}\n{found.digest}, on record")


@register.command("set")
@click.argument("exhibit")
@click.option("--case", "code", required=True, metavar="CODE")
@click.option("--as", "classification", required=True, type=click.Choice(CLASSIFICATIONS))
@click.option("--rule", help="Under which it is disclosed, or is not.")
@click.option("--withheld", metavar="WHY", help="It is withheld, and why.")
@click.option("--redaction", "redactions", multiple=True, metavar="CODE:BASIS")
@SECOND
@MOTIVE
@pass_context
def register_set(
    ctx: Context,
    /,
    exhibit: str,
    code: str,
    classification: str,
    rule: str | None,
    withheld: str | None,
    redactions: tuple[str, ...],
    second: bool,
    motive: str,
) -> None:
    """Say what EXHIBIT is in the proceeding CODE; what is not named is not so."""
    pairs = []
    for one in redactions:
        short, colon, basis = one.partition(":")
        if not colon:
            raise BadRequest("a redaction is CODE:BASIS")
        pairs.append((short.strip(), basis.strip()))
    said = Judgement(classification, rule, withheld, tuple(pairs))
    row = review(ctx.repo, ctx.caller, exhibit, code, said, motive=motive, second=second)
    publish(ctx.repo)
    ctx.result(row, f"{exhibit}  {code}  {classification}  {row['review']}")
    if row["warning"]:
        ctx.say(f"{row['warning']} ({', '.join(row['barred'])}); asked: {row['consents'] or '-'}")


@register.command("export")
@click.argument("code")
@click.option("--numbers", type=click.File("rb"), help="One a line; - for standard input.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A new file.")
@SECOND
@pass_context
def register_export(
    ctx: Context, code: str, numbers: BinaryIO | None, out: Path | None, second: bool
) -> None:
    """Write the register of CODE as CSV, to work on elsewhere; no cell is a formula.

    With --second for the second review: the words of the first are not in it.
    """
    if out is not None and out.exists():
        raise BadRequest(f"{out} exists; nothing is overwritten, name another file")
    asked = numbers_in(numbers)
    data = write_list(ctx.repo, ctx.caller, code, numbers=asked, second=second)
    publish(ctx.repo)
    if out is None:
        click.echo(data, nl=False)
        return
    with out.open("xb") as file:
        file.write(data)
    ctx.say(f"written to {out}; read it back with: evidence register import {code} {out}")


@register.command("import")
@click.argument("code")
@click.argument("file", type=click.File("rb"))
@SECOND
@MOTIVE
@pass_context
def register_import(ctx: Context, code: str, file: BinaryIO, second: bool, motive: str) -> None:
    """Apply a list that `register export` wrote and that was worked on: all rows, or none.

    A row that was changed since it was written out is a conflict, shown with its line.
    """
    try:
        found = read_list(
            ctx.repo, ctx.caller, code, file, motive=motive, second=second,
            progress=lambda rows: ctx.say(f"{rows} rows looked at"),
        )  # fmt: skip
    except ListConflicts as error:
        for one in error.facts["problems"]:
            ctx.result(one, f"line {one['line']}: {shown(one['problem'])}")
        raise
    publish(ctx.repo)
    ctx.result(found.to_json(), f"{found.rows} rows, {found.changed} changed\n{found.digest}")


@register.command("rule")
@click.argument("code")
@click.option("--second-review/--no-second-review", "asked", required=True)
@MOTIVE
@pass_context
def register_rule(ctx: Context, code: str, asked: bool, motive: str) -> None:
    """Say whether CODE asks for a second review of each exhibit, by another person."""
    set_second(ctx.repo, ctx.caller, code, asked=asked, motive=motive)
    publish(ctx.repo)
    word = "asks" if asked else "does not ask"
    ctx.result({"case": code, "second_review": asked}, f"{code} {word} for a second review")


@register.command("acknowledge")
@click.argument("exhibit")
@click.option("--case", "code", metavar="CODE", help="Where it is a further case of the exhibit's.")
@pass_context
def register_acknowledge(ctx: Context, exhibit: str, code: str | None) -> None:
    """Say for your party that it got what was disclosed to it."""
    row = acknowledge(ctx.repo, ctx.caller, exhibit, code=code)
    publish(ctx.repo)
    ctx.result({"exhibit": exhibit, "party": row.party}, f"{exhibit}  {shown(row.party)} has it")


COMMANDS = (register,)
