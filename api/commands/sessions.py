"""session: which browsers are signed in, and how to end that."""

import click

from api.commands.context import Context, pass_context
from custody.entry import Act, Draft, timestamp
from repository.access import Right
from repository.authorise import on_house
from repository.naming import shown
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


COMMANDS = (session,)
