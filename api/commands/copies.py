"""copies, own: working copies that are out; derivatives on their own marking."""

import click

from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE
from repository import working_copies
from repository.approvals import request_own
from repository.ledger_mirror import publish


@click.group()
def copies() -> None:
    """Working copies of exhibits: made, counted, returned or destroyed."""


@copies.command("made")
@click.argument("exhibit")
@click.option("--count", type=int, default=1, show_default=True, help="How many.")
@click.option("--holder", required=True, help="Who has them, and where.")
@click.option("--purpose", help="Why; a code, or 'code: your words'.")
@pass_context
def copies_made(ctx: Context, exhibit: str, count: int, holder: str, purpose: str | None) -> None:
    """Put on record that working copies of EXHIBIT were made."""
    row = working_copies.make(
        ctx.repo, ctx.caller, exhibit, count=count, holder=holder, purpose=purpose
    )
    publish(ctx.repo)
    ctx.result(working_copies.view(row, exhibit), f"{row.id}  {row.out} out")


@copies.command("end")
@click.argument("copies")
@click.option("--as", "how", required=True, type=click.Choice(working_copies.ENDS))
@click.option("--count", type=int, help="How many of them; without it all that are out.")
@MOTIVE
@pass_context
def copies_end(ctx: Context, /, copies: str, how: str, count: int | None, motive: str) -> None:
    """Put on record that working copies came back or were destroyed."""
    row, number = working_copies.end(
        ctx.repo, ctx.caller, copies, how=how, count=count, motive=motive
    )
    publish(ctx.repo)
    ctx.result(working_copies.view(row, number), f"{row.id}  {row.out} out")


@copies.command("list")
@click.argument("exhibit")
@pass_context
def copies_list(ctx: Context, exhibit: str) -> None:
    """List the working copies that were made of EXHIBIT."""
    for one in working_copies.listed(ctx.repo, ctx.caller, exhibit):
        ctx.result(one, f"{one['copies']}  {one['made_at']}  {one['out']} of {one['count']} out")


@click.command("own-marking")
@click.argument("derivative")
@MOTIVE
@pass_context
def own_marking(ctx: Context, derivative: str, motive: str) -> None:
    """Ask that DERIVATIVE, which people made, inherit its parent's marking no more.

    A second person decides: `evidence approval give`.
    """
    row = request_own(ctx.repo, ctx.caller, derivative, motive=motive)
    publish(ctx.repo)
    ctx.result({"exhibit": derivative, "approval": row.id}, row.id)


COMMANDS = (copies, own_marking)
