"""number: what courts cite by (ERN, Bates), given to pages or files, each once in a proceeding."""

from typing import BinaryIO

import click

from api.commands.context import Context, pass_context
from api.commands.numbers_file import numbers_in
from api.commands.rules import MOTIVE
from ingest.sandbox import Sandbox
from ingest.stamp import stamp
from repository.external_numbers import record
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.numbering import MOST_DIGITS, PER, assign, list_numbers, set_scheme


@click.group()
def number() -> None:
    """Number what a proceeding gives out: ERN or Bates numbers, by page or by file."""


@number.command("scheme")
@click.argument("code")
@click.option("--prefix", default="", help="What stands before the digits, as KRN-OTP-.")
@click.option("--digits", default=6, show_default=True, type=click.IntRange(1, MOST_DIGITS))
@click.option("--per", default="page", show_default=True, type=click.Choice(PER))
@click.option("--from", "first", default=1, show_default=True, help="The first number.")
@MOTIVE
@pass_context
def number_scheme(
    ctx: Context, /, code: str, prefix: str, digits: int, per: str, first: int, motive: str
) -> None:
    """Say how CODE numbers; once it gave a number this stays so."""
    found = set_scheme(
        ctx.repo, ctx.caller, code, prefix=prefix, digits=digits, per=per, first=first,
        motive=motive,
    )  # fmt: skip
    publish(ctx.repo)
    ctx.result(found, f"{code} numbers by {per}, next {found['next_number']}")


@number.command("assign")
@click.argument("code")
@click.argument("exhibits", nargs=-1, metavar="[EXHIBIT…]")
@click.option("--numbers", type=click.File("rb"), help="More, one a line; - for standard input.")
@click.option("--batch", type=(str, click.IntRange(1)), metavar="PARTY N",
              help="The exhibits of a disclosure batch.")  # fmt: skip
@click.option("--selection", metavar="SEL-…", help="The exhibits of a selection.")
@pass_context
def number_assign(
    ctx: Context,
    /,
    code: str,
    exhibits: tuple[str, ...],
    numbers: BinaryIO | None,
    batch: tuple[str, int] | None,
    selection: str | None,
) -> None:
    """Give the next numbers to each EXHIBIT, in this order; what has some keeps them.

    Interrupted, the same command goes on where it stopped.
    """
    named = [*exhibits, *(numbers_in(numbers) or ())]
    found = assign(
        ctx.repo, ctx.caller, code, numbers=named, batch=batch, selection=selection,
        progress=lambda done: ctx.say(f"numbering: {done} exhibits settled"),
    )  # fmt: skip
    publish(ctx.repo)
    for row in found.rows:
        before = "" if row["new"] else "  had it before"
        ctx.result(row, f"{row['exhibit']}  {row['first']} - {row['last']}{before}")
    for one, why in found.left_out:
        ctx.result({"exhibit": one, "reason": why}, f"{one}  no number: {why}")
    ctx.say(f"{len(found.rows)} numbered, {len(found.left_out)} not\n{found.digest}, on record")


@number.command("stamp")
@click.argument("code")
@click.argument("exhibits", nargs=-1, metavar="[EXHIBIT…]")
@click.option("--numbers", type=click.File("rb"), help="More, one a line; - for standard input.")
@pass_context
def number_stamp(
    ctx: Context, code: str, exhibits: tuple[str, ...], numbers: BinaryIO | None
) -> None:
    """Make a copy of each EXHIBIT with its numbers on the pages; the original is not touched.

    A copy is a PDF and an exhibit of its own. What was stamped before is not stamped again.
    """
    named = [*exhibits, *(numbers_in(numbers) or ())]
    with Sandbox(clock=ctx.repo.clock) as sandbox, ctx.meter("stamping", len(named)) as meter:
        found = stamp(ctx.repo, sandbox, ctx.caller, code, named, progress=meter)
    publish(ctx.repo)
    for one in found:
        why = f"  {one.reason}: {shown(one.detail or '-')}" if one.reason else ""
        cited = f"  {one.first} - {one.last}" if one.first else ""
        ctx.result(one.to_json(), f"{one.exhibit}  {one.status}  {one.made or '-'}{cited}{why}")


@number.command("list")
@click.argument("code")
@click.option("--find", "cited", metavar="NUMBER", help="The exhibit and page of this number.")
@pass_context
def number_list(ctx: Context, code: str, cited: str | None) -> None:
    """List the numbers that CODE gave."""
    scheme, rows, _ = list_numbers(ctx.repo, ctx.caller, code, cited=cited)
    for row in rows:
        page = f"  page {row['page']}" if row.get("page") else ""
        ctx.result(row, f"{row['first']} - {row['last']}  {row['exhibit']}  by {row['per']}{page}")
    following = ""
    if "next_number" in scheme:
        following = f"; next {scheme['next_number'] or 'none: all are used up'}"
    ctx.say(f"{len(rows)} exhibits{following}")


@number.command("external")
@click.argument("exhibit")
@click.argument("first")
@click.option("--issuer", required=True, help="Who gave it: a court, a police force.")
@click.option("--last", help="Of a range the last number.")
@click.option("--withdraw", "withdrawn", is_flag=True, help="It was recorded by mistake.")
@MOTIVE
@pass_context
def number_external(
    ctx: Context,
    /,
    exhibit: str,
    first: str,
    issuer: str,
    last: str | None,
    withdrawn: bool,
    motive: str,
) -> None:
    """Record that somebody else gave EXHIBIT the number FIRST: a claim, with where it was read."""
    found = record(
        ctx.repo, ctx.caller, exhibit, issuer=issuer, first=first, last=last, withdrawn=withdrawn,
        motive=motive,
    )  # fmt: skip
    publish(ctx.repo)
    word = "withdrawn" if withdrawn else "on record"
    ctx.result(found, f"{exhibit}  {shown(first)} of {shown(issuer)}  {word}")


COMMANDS = (number,)
