"""register: what was reviewed, disclosed and withheld in a proceeding."""

import click

from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE
from repository.disclose import acknowledge
from repository.errors import BadRequest
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.register import CLASSIFICATIONS, Judgement, review
from repository.register import register as register_of


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
        warning = f"  WARNING: {row['warning']}" if row["warning"] else ""
        ctx.result(
            row,
            f"{row['exhibit']}  {row['classification']:24} {shown(row['rule'] or '-'):16} "
            f"disclosed to {given}{withheld}{warning}",
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
    row = review(ctx.repo, ctx.caller, exhibit, code, said, motive=motive)
    publish(ctx.repo)
    ctx.result(row, f"{exhibit}  {code}  {classification}")
    if row["warning"]:
        ctx.say(f"{row['warning']} ({', '.join(row['barred'])}); asked: {row['consents'] or '-'}")


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
