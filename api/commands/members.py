"""members, derive: what a container holds, and chosen members of it as exhibits of their own."""

import fnmatch

import click

from api.commands.context import Context, pass_context, worst
from ingest.members import Member, list_members, take_out
from ingest.sandbox import Sandbox
from ingest.workflows import process_all
from repository.ledger_mirror import publish
from repository.naming import shown


@click.command()
@click.argument("exhibit")
@click.option("--like", metavar="PATTERN", help="Only paths like this: 'DCIM/*.jpg'.")
@pass_context
def members(ctx: Context, exhibit: str, like: str | None) -> None:
    """List what a container holds: archive, extraction, mail; nothing is unpacked."""
    count = 0
    for one in list_members(ctx.repo, ctx.caller, exhibit):
        if like is not None and not fnmatch.fnmatchcase(one["member"], like):
            continue
        count += 1
        marks = f"  [{', '.join(one['flags'])}]" if one["flags"] else ""
        child = one["exhibit"] or "-"
        when = one["modified_at"] or "-"
        ctx.result(one, f"{child:12}  {one['size']:>12}  {when:20}  {shown(one['member'])}{marks}")
    if not count:
        ctx.say(f"{exhibit} has no members{' like this' if like else ''} that could be listed")


@click.command()
@click.argument("exhibit")
@click.option(
    "--member", "paths", multiple=True, required=True, metavar="PATH",
    help="As `evidence members` shows it; again for each further one.",
)  # fmt: skip
@click.option("--purpose", help="Why; a code, or 'code: your words'.  [default: investigation]")
@click.option(
    "--odd-names", is_flag=True,
    help="Take members too whose names are absolute, lead elsewhere or hide something.",
)  # fmt: skip
@click.option("--no-extract", is_flag=True, help="Leave identification and extraction to a worker.")
@pass_context
def derive(
    ctx: Context,
    exhibit: str,
    paths: tuple[str, ...],
    purpose: str | None,
    odd_names: bool,
    no_extract: bool,
) -> None:
    """Make members of a container exhibits of their own, linked to it by entries of both.

    The same member again gives the same exhibit. What is not taken out is recorded, with why.
    """
    repo = ctx.repo
    with Sandbox(clock=repo.clock) as sandbox:
        found = take_out(
            repo, sandbox, ctx.caller, exhibit, paths, purpose=purpose, odd_names=odd_names
        )
        fresh = [one.exhibit_id for one in found if one.exhibit_id]
        if fresh and not no_extract:
            process_all(repo, sandbox, fresh)
    for one in found:
        ctx.result(one.to_json(), _line(one))
    publish(repo)
    raise click.exceptions.Exit(worst(map(_code, found)))


def _line(one: Member) -> str:
    member = shown(one.member)
    if one.exhibit is not None:
        return f"{one.exhibit}  {one.status:10}  {one.size:>12}  {one.sha256}  {member}"
    if one.quarantine is not None:
        return (
            f"{one.quarantine}  quarantined: not what the listing of its container says  {member}"
        )
    return f"-  {one.status}: {one.reason}: {shown(one.detail)}  {member}"


def _code(one: Member) -> int:
    """Return the exit code one member stands for."""
    if one.exhibit is not None:
        return 0
    if one.quarantine is not None:
        return 1
    return {"member-unknown": 2, "member-damaged": 1, "timeout": 1, "crash": 1}.get(
        one.reason or "", 4
    )


COMMANDS = (members, derive)
