"""related: which exhibits share a picture, a device, an account or a place with one."""

import click

from api.commands.context import Context, pass_context
from ingest.related import make_all
from ingest.related import related as related_to


@click.command()
@click.argument("exhibit", required=False)
@click.option("--make", is_flag=True, help="For exhibits that were looked at before this existed.")
@pass_context
def related(ctx: Context, exhibit: str | None, make: bool) -> None:
    """List the exhibits that share something with EXHIBIT, and what; of those you may see.

    What other institutions hold is asked by `evidence match`.
    """
    if make == (exhibit is not None):
        raise click.UsageError("name an exhibit, or --make")
    if exhibit is None:
        made, failed = make_all(ctx.repo, ctx.caller)
        ctx.result({"made": made, "failed": failed}, f"made for {made} exhibits")
        if failed:
            ctx.say(f"their records could not be read: {', '.join(failed)}")
        return
    found = related_to(ctx.repo, ctx.caller, exhibit)
    for one in found.items:
        why = ", ".join(_words(reason) for reason in one.why)
        ctx.result(one.to_json(), f"{one.exhibit.number}  {why}")
    if found.more:
        ctx.say("there is more than is shown")


def _words(reason: dict[str, object]) -> str:
    if reason["kind"] == "picture":
        return f"a picture alike ({reason['bits']} of 256 bits differ)"
    if reason["kind"] == "place":
        return f"a place {reason['kilometres']} km and {reason['seconds']} s apart"
    return f"{reason['kind']} {reason['value']}"


COMMANDS = (related,)
