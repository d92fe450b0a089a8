"""session, person link and invite: who is signed in, and how people come to sign in."""

import click

from api.commands.context import Context, pass_context
from api.commands.house import person
from custody.entry import Act, Draft, timestamp
from repository.access import Right
from repository.authorise import on_house
from repository.errors import BadRequest
from repository.links import link, links, unlink
from repository.naming import shown
from repository.passkeys import invite, passkeys, remove
from repository.people import find_person
from repository.web_sessions import end, ends_at, live


@click.group()
def session() -> None:
    """List and end the sessions of browsers."""


@session.command("list")
@pass_context
def session_list(ctx: Context) -> None:
    """List who is signed in with a browser."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    found = live(ctx.repo)
    ctx.repo.ledger.record(
        Draft(Act.CONSULTATION, actor, plain={"count": len(found)}, reason="session-list")
    )
    for row, who in found:
        used, until = timestamp(row.used_at), timestamp(ends_at(ctx.repo, row))
        ctx.result(
            {
                "session": row.id,
                "person": who.id,
                "name": who.name,
                "way": row.way,
                "begun_at": timestamp(row.begun_at),
                "used_at": used,
                "ends_at": until,
            },
            f"{row.id}  {row.way:8} used {used}  ends {until}  {shown(who.name)}",
        )


@session.command("end")
@click.argument("session_id", metavar="ID")
@pass_context
def session_end(ctx: Context, session_id: str) -> None:
    """End a session at once; what is being read in it breaks off."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.SIGN_IN)
    end(ctx.repo, actor, session_id, reason="ended-by-another")
    ctx.result({"session": session_id, "ended": True}, f"{session_id} is ended")


@person.command("link")
@click.argument("named", metavar="PERSON")
@click.option("--issuer", required=True, metavar="URL", help="As the provider names itself.")
@click.option("--subject", required=True, help="What the provider calls them, to the letter.")
@pass_context
def person_link(ctx: Context, named: str, issuer: str, subject: str) -> None:
    """Let PERSON sign in with an account of an identity provider."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    with ctx.repo.database.reading() as found:
        whom = find_person(found, named)
    link(ctx.repo, actor, whom, issuer=issuer, subject=subject)
    ctx.result(
        {"person": whom.id, "issuer": issuer, "subject": subject},
        f"{shown(whom.name)} is {shown(subject)} of {shown(issuer)}",
    )


@person.command("unlink")
@click.option("--issuer", required=True, metavar="URL")
@click.option("--subject", required=True)
@pass_context
def person_unlink(ctx: Context, issuer: str, subject: str) -> None:
    """Take a link away; sessions that began with a provider end with it."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    unlink(ctx.repo, actor, issuer=issuer, subject=subject)
    ctx.result(
        {"issuer": issuer, "subject": subject, "linked": False},
        f"{shown(subject)} of {shown(issuer)} is nobody any more",
    )


@person.command("links")
@pass_context
def person_links(ctx: Context) -> None:
    """List whom identity providers mean."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    found = links(ctx.repo)
    ctx.repo.ledger.record(
        Draft(Act.CONSULTATION, actor, plain={"count": len(found)}, reason="link-list")
    )
    for row, who in found:
        ctx.result(
            {
                "person": who.id,
                "name": who.name,
                "issuer": row.issuer,
                "subject": row.subject,
                "linked_at": timestamp(row.linked_at),
            },
            f"{shown(who.name)}  {shown(row.subject)}  {shown(row.issuer)}",
        )


@person.command("invite")
@click.argument("named", metavar="PERSON")
@click.option("--hours", default=24, show_default=True, help="How long it is good.")
@pass_context
def person_invite(ctx: Context, named: str, hours: int) -> None:
    """Let PERSON register a passkey, once; the address is shown once."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    with ctx.repo.database.reading() as found:
        whom = find_person(found, named)
    place = ctx.settings.public_url.rstrip("/")
    if not place:
        raise BadRequest(
            "say first in the setting public_url at which address browsers reach the service "
            "(https://…, on this machine alone http://localhost:PORT): a passkey belongs to it"
        )
    code = invite(ctx.repo, actor, whom, hours=hours)
    ctx.result(
        {"person": whom.id, "invitation": code, "url": f"{place}/register#{code}"},
        f"{place}/register#{code}",
    )
    ctx.say(
        f"This is for {shown(whom.name)} alone, good once and for {hours} hours; earlier ones "
        "have ended. Hand it over in person, or in a way that you trust."
    )


@person.command("passkeys")
@click.argument("named", metavar="PERSON")
@click.option("--remove", "passkey", metavar="ID", help="Take this one away.")
@pass_context
def person_passkeys(ctx: Context, named: str, passkey: str | None) -> None:
    """List PERSON's passkeys, or take one away; sessions that passkeys began end with it."""
    act = Act.CONFIGURATION_CHANGE if passkey else Act.CONSULTATION
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=act)
    with ctx.repo.database.reading() as found:
        whom = find_person(found, named)
    if passkey is not None:
        remove(ctx.repo, actor, passkey, of=whom.id)
        ctx.result({"passkey": passkey, "removed": True}, f"{passkey} is removed")
        return
    rows = passkeys(ctx.repo, whom.id)
    ctx.repo.ledger.record(
        Draft(Act.CONSULTATION, actor, plain={"count": len(rows)}, reason="passkey-list")
    )
    for row in rows:
        used = timestamp(row.used_at) if row.used_at else None
        made = timestamp(row.made_at)
        ctx.result(
            {"passkey": row.id, "label": row.label, "made_at": made, "used_at": used},
            f"{row.id}  made {made}  used {used or 'never'}  {shown(row.label)}",
        )


COMMANDS = (session,)
