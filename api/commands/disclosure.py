"""disclosure: numbered batches for a party of a proceeding, and what it had at any date."""

from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

import click

from api.commands.context import Context, pass_context
from api.commands.numbers_file import numbers_in
from repository.batches import make_batch
from repository.conditions import EXCLUDED_USES
from repository.disclosed import State, disclosed_to
from repository.ledger_mirror import publish
from repository.naming import instant, shown


@click.group()
def disclosure() -> None:
    """Disclose in numbered batches, and print what a party had at any date."""


@disclosure.command("batch")
@click.argument("code")
@click.argument("exhibits", nargs=-1, metavar="[EXHIBIT…]")
@click.option("--to", "party", required=True, metavar="PARTY")
@click.option("--numbers", type=click.File("rb"), help="More, one a line; - for standard input.")
@click.option("--purpose", default="disclosure", show_default=True)
@click.option("--authority", help="The order or article it rests on.")
@click.option("--assured", multiple=True, type=click.Choice(EXCLUDED_USES))
@click.option("--form", help="In words: a copy, an inspection, a redacted version.")
@pass_context
def disclosure_batch(
    ctx: Context,
    /,
    code: str,
    exhibits: tuple[str, ...],
    party: str,
    numbers: BinaryIO | None,
    purpose: str,
    authority: str | None,
    assured: Sequence[str],
    form: str | None,
) -> None:
    """Make the next batch for PARTY in CODE: each EXHIBIT, or all that was reviewed and is due."""
    named = [*exhibits, *(numbers_in(numbers) or ())]
    found = make_batch(
        ctx.repo, ctx.caller, code, party=party, numbers=named, purpose=purpose,
        authority=authority, assured=assured, form=form,
    )  # fmt: skip
    publish(ctx.repo)
    one = found.batch
    ctx.result(
        found.to_json(),
        f"batch {one.number} for {shown(party)}: {one.count} exhibits\n{one.digest}, on record",
    )
    for number, reasons in found.left_out:
        ctx.say(f"left out: {number}  {', '.join(reasons)}")
    if not found.acting:
        ctx.say(f"nobody acts for {shown(party)} in {shown(code)} so far; see that it is spelt so")


@disclosure.command("state")
@click.argument("code")
@click.option("--party", help="Counsel and experts: your own, where it is not named.")
@click.option("--at", "when", metavar="TIME", help="What it had then; else now.")
@click.option("--csv", "as_table", is_flag=True, help="As CSV; no cell is a formula.")
@pass_context
def disclosure_state(
    ctx: Context, code: str, party: str | None, when: str | None, as_table: bool
) -> None:
    """Print what was disclosed to a party of CODE."""
    _print(ctx, code, party, instant(when) if when else None, None, as_table)


@disclosure.command("diff")
@click.argument("code")
@click.option("--party", help="Counsel and experts: your own, where it is not named.")
@click.option("--since", required=True, type=click.IntRange(1), metavar="BATCH")
@click.option("--at", "when", metavar="TIME", help="Up to then; else now.")
@click.option("--csv", "as_table", is_flag=True, help="As CSV; no cell is a formula.")
@pass_context
def disclosure_diff(
    ctx: Context, code: str, party: str | None, since: int, when: str | None, as_table: bool
) -> None:
    """Print what a party of CODE got after a batch."""
    _print(ctx, code, party, instant(when) if when else None, since, as_table)


def _print(
    ctx: Context,
    code: str,
    party: str | None,
    at: datetime | None,
    since: int | None,
    as_table: bool,
) -> None:
    found: State = disclosed_to(ctx.repo, ctx.caller, code, party=party, at=at, since=since)
    if as_table:
        for line in found.as_csv():
            click.echo(line, nl=False)
        return
    for row in found.rows:
        batch = f"batch {row['batch']}" if row["batch"] else "alone"
        has = f"  acknowledged {row['acknowledged_at']}" if row["acknowledged_at"] else ""
        form = shown(row["form"] or "-")
        cited = f"  {row['first_number']} - {row['last_number']}" if row["first_number"] else ""
        ctx.result(row, f"{row['exhibit']}  {batch:10} {row['disclosed_at']}  {form}{has}{cited}")
    batches = ", ".join(f"{one['batch']} ({one['count']})" for one in found.batches) or "none"
    ctx.say(f"{len(found.rows)} exhibits; batches: {batches}\n{found.digest}, on record")


COMMANDS = (disclosure,)
