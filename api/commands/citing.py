"""cite, open: name a place in an exhibit, and open what somebody else named."""

import re
from contextlib import suppress
from pathlib import Path

import click

from api.commands.access import deliver, of_range
from api.commands.context import Context, pass_context
from repository.citations import Place, look, read
from repository.citations import cite as cite_place
from repository.conditions import EXCLUDED_USES
from repository.errors import BadLocator, BadRequest, RepositoryError
from repository.naming import shown
from repository.retrieve import Reading


@click.command()
@click.argument("exhibit")
@click.option(
    "--part", type=int, metavar="N", help="Of an exhibit of several; alone or with bytes."
)
@click.option("--member", metavar="PATH", help="As `evidence members` shows it.")
@click.option("--page", type=int, metavar="N", help="Counted from 1.")
@click.option("--time", metavar="SECONDS", help="12.5, or a stretch: 12.5,20.")
@click.option("--message", metavar="ID", help="As its fact names it: 'row 17'.")
@click.option("--fact", metavar="RUN:N", help="The Nth fact of a run, as `show --facts` has it.")
@click.option("--bytes", "span", metavar="A-B", help="Zero-based, inclusive; they are read.")
@click.option("--purpose", help="Why bytes are read; a code, or 'code: your words'.")
@pass_context
def cite(
    ctx: Context,
    /,
    exhibit: str,
    part: int | None,
    member: str | None,
    page: int | None,
    time: str | None,
    message: str | None,
    fact: str | None,
    span: str | None,
    purpose: str | None,
) -> None:
    """Print the locator of a place in EXHIBIT, with the digest of the bytes it names."""
    run, number = _fact(fact)
    ends = of_range(span)
    if ends is not None and ends[1] is None:
        raise BadLocator("a cited range has a last byte: A-B")
    found = cite_place(
        ctx.repo, ctx.caller, exhibit, purpose=purpose, part=part, member=member, page=page,
        time=time, message=message, run=run, fact=number, span=ends,
    )  # fmt: skip
    ctx.result(found.to_json(), str(found.locator))
    if found.sha256 is None:
        ctx.say("no digest of this member is on record; take it out: evidence derive")


@click.command("open")
@click.argument("locator")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path),
              help="Write the bytes; of a page or time the picture made of it.")  # fmt: skip
@click.option("--purpose", help="Why bytes are read; a code, or 'code: your words'.")
@click.option("--authority", help="The warrant, request or article it rests on.")
@click.option("--assured", multiple=True, type=click.Choice(EXCLUDED_USES),
              help="An excluded use that is ruled out in writing.")  # fmt: skip
@pass_context
def open_(
    ctx: Context,
    /,
    locator: str,
    out: Path | None,
    purpose: str | None,
    authority: str | None,
    assured: tuple[str, ...],
) -> None:
    """Open the place that LOCATOR names (quote it: 'KRN-000042#page=3').

    Exit 1: what is there has another digest than was cited. With --out the file gets its name
    only if the digests are the same.
    """
    if out is None:
        place = look(ctx.repo, ctx.caller, locator)
        ctx.result(place.to_json(), "\n".join(_lines(place)))
        return
    if out.exists():
        raise BadRequest(f"{out} exists; nothing is overwritten, name another file")
    found = read(
        ctx.repo, ctx.caller, locator, purpose=purpose, authority=authority, assured=assured
    )
    if isinstance(found, Reading):
        deliver(ctx, found, out)
        return
    mime, data = found
    try:
        out.write_bytes(data)
    except OSError as error:
        with suppress(FileNotFoundError):
            out.unlink()
        raise RepositoryError(f"{out} cannot be written: {error.strerror}") from error
    ctx.result({"path": str(out), "type": mime, "size": len(data)}, f"{mime} written to {out}")


def _fact(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"([1-9][0-9]{0,8}):([1-9][0-9]{0,8})", text)
    if match is None:
        raise BadLocator("a fact is RUN:N, both counted from 1")
    return int(match[1]), int(match[2])


def _lines(place: Place) -> list[str]:
    found = [f"{place.locator}", f"digest    {place.digest}  {place.sha256 or '-'}"]
    found.append(f"bytes     {'-' if place.size is None else place.size}  in {place.exhibit}")
    if place.member is not None:
        found.append(f"member    {shown(place.member['member'])}")
    found += [f"fact      {shown(one['name'])}  {shown(one['value'])}" for one in place.facts]
    found += [f"made      {one['kind']}  {one['mime']}  {one['size']} bytes" for one in place.made]
    return found


COMMANDS = (cite, open_)
