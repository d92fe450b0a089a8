"""privilege: what may be privileged is closed to the case team until a reviewer decides."""

import click

from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.privilege import Claimed, claims, judge
from repository.privilege import claim as claim_it

MEMBER = click.option("--member", metavar="PATH", help="Of a container, as `members` lists it.")


@click.group()
def privilege() -> None:
    """Close what may be privileged to the case team, until a reviewer decides."""


@privilege.command("claim")
@click.argument("exhibit")
@MEMBER
@MOTIVE
@pass_context
def privilege_claim(ctx: Context, exhibit: str, member: str | None, motive: str) -> None:
    """Say that EXHIBIT, or a member of it, may be privileged: it is closed at once."""
    found = claim_it(ctx.repo, ctx.caller, exhibit, member=member, motive=motive)
    publish(ctx.repo)
    _show(ctx, found)


@privilege.command("release")
@click.argument("exhibit")
@MEMBER
@MOTIVE
@pass_context
def privilege_release(ctx: Context, exhibit: str, member: str | None, motive: str) -> None:
    """Say as a reviewer that it is not privileged: it is open to the case team again."""
    _judge(ctx, exhibit, "release", member, motive)


@privilege.command("confirm")
@click.argument("exhibit")
@MEMBER
@MOTIVE
@pass_context
def privilege_confirm(ctx: Context, exhibit: str, member: str | None, motive: str) -> None:
    """Say as a reviewer that it is privileged: it stays closed."""
    _judge(ctx, exhibit, "confirm", member, motive)


@privilege.command("list")
@click.argument("code")
@pass_context
def privilege_list(ctx: Context, code: str) -> None:
    """List what was ever named as possibly privileged in the case CODE, and what became of it."""
    for one in claims(ctx.repo, ctx.caller, code):
        _show(ctx, one)


def _judge(ctx: Context, exhibit: str, decision: str, member: str | None, motive: str) -> None:
    found = judge(ctx.repo, ctx.caller, exhibit, decision=decision, member=member, motive=motive)
    publish(ctx.repo)
    _show(ctx, found)


def _show(ctx: Context, one: Claimed) -> None:
    what = shown(one.row.member) if one.row.member else "all of it"
    ctx.result(one.to_json(), f"{one.number}  {one.row.state:9}  {what}")


COMMANDS = (privilege,)
