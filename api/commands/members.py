"""members, derive: what a container holds; members and what people made as exhibits."""

import fnmatch
import os
from pathlib import Path
from typing import Any

import click

from api.commands.context import Context, pass_context, worst
from ingest.derive import derive as derive_from
from ingest.members import Member, list_members, take_out
from ingest.receive import declared_digests
from ingest.sandbox import Sandbox
from ingest.workflows import process_all
from repository.derivations import KINDS, Making
from repository.errors import BadRequest
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
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--member", "paths", multiple=True, metavar="PATH",
    help="As `evidence members` shows it; again for each further one.",
)  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), help="What FILE is of the exhibit.")
@click.option("--author", help="Who made it.")
@click.option("--tool", help="With what it was made.")
@click.option("--tool-version", help="Its version.")
@click.option("--language", metavar="TAG", help="Of a transcript or translation: uk, sr-Cyrl.")
@click.option("--reason", help="Why it was made, in words.")
@click.option("--code", "codes", multiple=True, metavar="CODE: BASIS",
              help="What is withheld in a redaction; again for each further one.")  # fmt: skip
@click.option("--digest", "digests", multiple=True, metavar="ALG:HEX", help="Of FILE, compared.")
@click.option("--purpose", help="Why; a code, or 'code: your words'.")
@click.option(
    "--odd-names", is_flag=True,
    help="Take members too whose names are absolute, lead elsewhere or hide something.",
)  # fmt: skip
@click.option("--no-extract", is_flag=True, help="Leave identification and extraction to a worker.")
@pass_context
def derive(
    ctx: Context,
    /,
    exhibit: str,
    file: Path | None,
    paths: tuple[str, ...],
    odd_names: bool,
    no_extract: bool,
    purpose: str | None,
    digests: tuple[str, ...],
    **said: Any,
) -> None:
    """Make members of EXHIBIT exhibits of their own, or register FILE, which people made of it.

    The same member again gives the same exhibit. What is not taken out is recorded, with why.
    FILE becomes an exhibit that names EXHIBIT and inherits how that is to be handled.
    """
    if (file is None) == (not paths):
        raise BadRequest("name members with --member, or a FILE that was made with --kind")
    if file is not None:
        _made(ctx, exhibit, file, digests, purpose, said, no_extract=no_extract)
        return
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


def _made(
    ctx: Context,
    exhibit: str,
    file: Path,
    digests: tuple[str, ...],
    purpose: str | None,
    said: dict[str, Any],
    *,
    no_extract: bool,
) -> None:
    """Register what people made of an exhibit."""
    making = Making(
        said["kind"] or "", said["author"] or "", said["tool"] or "", said["reason"] or "",
        said["tool_version"], said["language"], said["codes"],
    )  # fmt: skip
    if not file.is_file():
        raise BadRequest(f"there is no file {shown(file)}")
    repo, declared = ctx.repo, declared_digests(digests)
    with file.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        path = os.fsencode(file.name)
        outcome = derive_from(
            repo, ctx.caller, exhibit, source, making, path=path, size=size, declared=declared,
            purpose=purpose,
        )  # fmt: skip
    if outcome.status == "registered" and not no_extract:
        with Sandbox(clock=repo.clock) as sandbox:
            process_all(repo, sandbox, [outcome.exhibit_id])
    publish(repo)
    ctx.result(
        {
            "exhibit": outcome.number, "status": outcome.status, "parent": exhibit,
            "kind": making.kind, "sha256": outcome.sha256, "size": outcome.size,
            "entry": outcome.index, "quarantine": outcome.quarantine,
        },
        f"{outcome.number or outcome.quarantine}  {outcome.status}  {making.kind} of {exhibit}  "
        f"{outcome.sha256}",
    )  # fmt: skip
    if outcome.status != "registered":
        raise click.exceptions.Exit(1)


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
