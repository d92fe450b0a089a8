"""status: is it well, on one screen."""

from dataclasses import asdict

import click

from api.commands.context import Context, pass_context
from custody.entry import Act
from repository.access import Right
from repository.authorise import on_house

WORDS = {"well": "well", "act": "ACT", "not-done": "NOT DONE", "off": "off"}


@click.command()
@pass_context
def status(ctx: Context) -> None:
    """Say whether all is well: ends with 1 if a person is needed, 0 if not.

    Counts and times alone; no exhibit, case or person is named.
    """
    from ingest.wellbeing import measures

    on_house(ctx.repo, ctx.caller, Right.INSTALL, attempted=Act.CONSULTATION)
    found = measures(ctx.repo)
    for one in found:
        advice = f"\n{'':27}{one.advice}" if one.state == "act" and one.advice else ""
        ctx.result(asdict(one), f"{WORDS[one.state]:8}  {one.name:16} {one.said}{advice}")
    needed = sum(one.needs_person for one in found)
    ctx.say(f"a person is needed for {needed} of {len(found)}" if needed else "all is well")
    if needed:
        click.get_current_context().exit(1)


COMMANDS = (status,)
