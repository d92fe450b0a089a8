"""match: whether others hold the same, hit or no hit, and whom to contact."""

from hashlib import file_digest
from pathlib import Path
from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE
from api.matches import view
from custody.entry import Act, timestamp
from ingest import matchable
from ingest.matchable import asked_for
from repository.access import Right
from repository.authorise import on_house
from repository.errors import BadRequest
from repository.ledger_mirror import publish
from repository.matching import notices, parties
from repository.matching.ask import ask
from repository.matching.key import rotate
from repository.matching.notices import Seen
from repository.matching.policy import BOTH, MODES
from repository.matching.values import KINDS
from repository.naming import shown

_ASKED = [kind for kind in KINDS if kind != "member"]


@click.group()
def match() -> None:
    """Ask whether others hold the same: hit or no hit, and whom to contact."""


@match.command("ask")
@click.argument("kind", type=click.Choice(_ASKED))
@click.argument("value", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Ask for this file's digest.")
@click.option("--at", metavar="TIME", help="Of a place: when, with its zone.")
@click.option("--purpose", metavar="P", help="code, or 'code: words'.")
@click.option("--authority", metavar="A", help="The warrant, request or article it rests on.")
@pass_context
def match_ask(
    ctx: Context,
    kind: str,
    value: str | None,
    file: Path | None,
    at: str | None,
    purpose: str | None,
    authority: str | None,
) -> None:
    """Ask for a value; who holds it is told of it too.

    \b
    file       a digest in hex, or --file FILE      telephone  +380 44 123 45 67
    picture    a PDQ hash, 64 hex digits            imei       14 to 16 digits
    account    telegram:name:somebody               device     serial:…, mac:…, imsi:…, iccid:…
    url, mail  as they are                          place      "48.853 2.349" --at 2024-05-01T12:00Z
    """
    if file is not None:
        if kind != "file" or value is not None:
            raise BadRequest("--file asks for the digest of one file: match ask file --file FILE")
        with file.open("rb") as source:
            value = f"sha256:{file_digest(source, 'sha256').hexdigest()}"
    if value is None:
        raise BadRequest("say what to ask for")
    told = ask(
        ctx.repo, ctx.caller, asked_for(kind, value, at=at), purpose=purpose, authority=authority
    )
    publish(ctx.repo)
    contacts = [{"organisation": one.organisation, "contact": one.contact} for one in told.contacts]
    found = {"query": told.query, "hit": told.hit, "contacts": contacts, "entry": told.index}
    lines = [f"hit: contact {shown(c['organisation'])}, {shown(c['contact'])}" for c in contacts]
    ctx.result(found, "\n".join(lines) or "no hit")
    if not told.hit:
        ctx.say("no hit: nobody who takes part holds it, or lets it be told")


@match.command("notices")
@click.option("--all", "every", is_flag=True, help="Those that were acknowledged too.")
@pass_context
def match_notices(ctx: Context, *, every: bool) -> None:
    """List what your institution was told, the newest first."""
    for seen in notices.listed(ctx.repo, ctx.caller, every=every):
        _show(ctx, seen)


@match.command("acknowledge")
@click.argument("notice")
@pass_context
def match_acknowledge(ctx: Context, notice: str) -> None:
    """Note that your institution has read a notice."""
    _show(ctx, notices.acknowledge(ctx.repo, ctx.caller, notice))
    publish(ctx.repo)


@match.command("join")
@click.argument("organisation", required=False, default=parties.HOUSE)
@click.option("--contact", required=True, help="Whom others contact: an office, not a person.")
@click.option(
    "--mode", type=click.Choice(MODES), default=BOTH, show_default=True,
    help="Whether hits are told to both sides, or to your institution alone.",
)  # fmt: skip
@MOTIVE
@pass_context
def match_join(ctx: Context, organisation: str, contact: str, mode: str, motive: str) -> None:
    """Have an institution take part, or change how; without a name: the house's own cases.

    From then on its exhibits are compared with others', and it is told.
    """
    row = parties.join(
        ctx.repo, ctx.caller, organisation, contact=contact, mode=mode, motive=motive
    )
    publish(ctx.repo)
    _party(ctx, row)
    ctx.say("a worker makes the tokens of what it holds; here and now: evidence match make")


@match.command("leave")
@click.argument("organisation", required=False, default=parties.HOUSE)
@MOTIVE
@pass_context
def match_leave(ctx: Context, organisation: str, motive: str) -> None:
    """Have an institution take no part any more; its tokens are destroyed."""
    count = parties.leave(ctx.repo, ctx.caller, organisation, motive=motive)
    publish(ctx.repo)
    name = parties.name_of(organisation)
    found = {"organisation": organisation, "tokens_destroyed": count}
    ctx.result(found, f"{shown(name)} takes no part any more; {count} tokens were destroyed")


@match.command("parties")
@pass_context
def match_parties(ctx: Context) -> None:
    """List who takes part, and whom to contact there."""
    for row in parties.parties(ctx.repo, ctx.caller):
        _party(ctx, row)


@match.command("make")
@pass_context
def match_make(ctx: Context) -> None:
    """Make the tokens that wait, here and now; a worker does it by itself."""
    on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.MATCH_NOTICE)
    done, failed = matchable.make_all(ctx.repo)
    publish(ctx.repo)
    ctx.result({"exhibits": done, "failed": failed}, f"tokens of {done} exhibits were made")
    for why in failed.values():
        ctx.say(f"not made: {why}")
    raise click.exceptions.Exit(1 if failed else 0)


@match.command("rotate")
@MOTIVE
@pass_context
def match_rotate(ctx: Context, motive: str) -> None:
    """Draw a new key of matching; workers make all tokens anew, then the old key is destroyed."""
    new = rotate(ctx.repo, ctx.caller, motive=motive)
    publish(ctx.repo)
    ctx.result({"key": new}, f"tokens are made under the key {new} from now on")


def _show(ctx: Context, seen: Seen) -> None:
    found = view(seen)
    what = ", ".join(found["kinds"])
    held = f"{', '.join(found['exhibits'])} has" if found["exhibits"] else "what was asked has"
    done = f"  acknowledged {found['acknowledged_at']}" if found["acknowledged_at"] else ""
    ctx.result(
        found,
        f"{found['notice']}  {found['at']}  {held} a match ({what}): contact "
        f"{shown(found['organisation'])}, {shown(found['contact'])}{done}",
    )


def _party(ctx: Context, row: Any) -> None:
    left = timestamp(row.left_at) if row.left_at else None
    found = {
        "organisation": row.organisation, "contact": row.contact, "mode": row.mode,
        "joined_at": timestamp(row.joined_at), "left_at": left,
    }  # fmt: skip
    name = shown(parties.name_of(row.organisation))
    ctx.result(found, f"{name}  {shown(row.contact)}  {row.mode}{f'  left {left}' if left else ''}")


COMMANDS = (match,)
