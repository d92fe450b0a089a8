"""consent: ask owners, answer for one's institution, withdraw; organisations that leave."""

import click

from api.commands.context import Context, pass_context
from api.commands.house import expiry, organisation
from api.commands.rules import MOTIVE
from repository import consent_lists, consents
from repository.conditions import EXCLUDED_USES
from repository.consent_lists import Asked
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.organisations import end_organisation, record_uses
from repository.purpose import CODES


@click.group()
def consent() -> None:
    """Ask owners for their consent to sharing, and answer for your institution."""


@consent.command("ask")
@click.argument("subjects", nargs=-1, required=True, metavar="EXHIBIT|SUBMISSION…")
@click.option("--recipient", required=True, help="An institution, a party; or court, defence, "
              "partners: anybody of that kind.")  # fmt: skip
@click.option("--purpose", type=click.Choice(CODES), help="For this alone; else for any.")
@click.option("--until", metavar="TIME", help="How long it is wanted.")
@MOTIVE
@pass_context
def consent_ask(
    ctx: Context,
    /,
    subjects: tuple[str, ...],
    recipient: str,
    purpose: str | None,
    until: str | None,
    motive: str,
) -> None:
    """Ask whoever owns them; the request waits in the owner's queue."""
    rows = consents.ask(
        ctx.repo, ctx.caller, subjects, recipient=recipient, purpose=purpose,
        until=expiry(ctx, until), motive=motive,
    )  # fmt: skip
    publish(ctx.repo)
    for row in rows:
        ctx.result({"consent": row.id, "owner": row.owner}, f"{row.id}  {shown(row.owner)}")


@consent.command("list")
@click.option("--case", "code", metavar="CODE", help="What owners were asked about a case.")
@click.option("--received", is_flag=True, help="By what you have things, and what was withdrawn.")
@pass_context
def consent_list(ctx: Context, code: str | None, received: bool) -> None:
    """List what your institution is asked, and was; the newest first."""
    withdrawn: list[str] = []
    before, more = "", True
    while more:
        if received:
            found, stopped = consent_lists.received(ctx.repo, ctx.caller, before=before)
            withdrawn += stopped
        elif code is not None:
            found = consent_lists.of_case(ctx.repo, ctx.caller, code, before=before)
        else:
            found = consent_lists.queue(ctx.repo, ctx.caller, before=before)
        for one in found:
            _told(ctx, one)
        more = len(found) == consent_lists.AT_ONCE
        before = found[-1].row.id if found else ""
    for number in withdrawn:
        ctx.result({"exhibit": number, "withdrawn": True}, f"{number}  may be used no more")


@consent.command("held")
@pass_context
def consent_held(ctx: Context) -> None:
    """List whose conditions contradict each other; nothing of it leaves until that is decided."""
    for subject, why in consent_lists.contradicting(ctx.repo, ctx.caller):
        ctx.result({"subject": subject, "contradictions": why}, f"{subject}  {', '.join(why)}")


@consent.command("give")
@click.argument("consent_id", metavar="ID")
@click.option("--until", metavar="TIME", help="Sooner than was asked.")
@MOTIVE
@pass_context
def consent_give(ctx: Context, consent_id: str, until: str | None, motive: str) -> None:
    """Agree for your institution."""
    end = expiry(ctx, until)
    _told(ctx, consents.give(ctx.repo, ctx.caller, consent_id, motive=motive, until=end))
    publish(ctx.repo)


@consent.command("refuse")
@click.argument("consent_id", metavar="ID")
@MOTIVE
@pass_context
def consent_refuse(ctx: Context, consent_id: str, motive: str) -> None:
    """Refuse for your institution."""
    _told(ctx, consents.reject(ctx.repo, ctx.caller, consent_id, motive=motive))
    publish(ctx.repo)


@consent.command("withdraw")
@click.argument("consent_id", metavar="ID")
@MOTIVE
@pass_context
def consent_withdraw(ctx: Context, consent_id: str, motive: str) -> None:
    """Take it back: from now on nothing leaves or is read by it."""
    _told(ctx, consents.withdraw(ctx.repo, ctx.caller, consent_id, motive=motive))
    publish(ctx.repo)


@organisation.command("end")
@click.argument("name")
@click.option("--successor", metavar="NAME", help="Who answers what it is asked from now on.")
@MOTIVE
@pass_context
def organisation_end(ctx: Context, name: str, successor: str | None, motive: str) -> None:
    """Say that NAME left: its people may do nothing, its conditions stay in force."""
    ended = end_organisation(ctx.repo, ctx.caller, name, successor=successor, motive=motive)
    publish(ctx.repo)
    follows = ended.row.successor
    found = {"organisation": name, "successor": follows, "ended": True}
    ctx.result(
        {**found, "questions": ended.questions, "transfers": ended.transfers},
        f"{shown(name)} left; {shown(follows) if follows else 'nobody'} answers for it",
    )
    if ended.questions and not follows:
        ctx.say(f"{ended.questions} questions for its consent are held until it has a successor")
    if ended.transfers:
        ctx.say(f"{ended.transfers} exhibits released to it wait: evidence transfer withdraw ID")


@organisation.command("uses")
@click.argument("name")
@click.option("--use", "uses", multiple=True, type=click.Choice(EXCLUDED_USES))
@MOTIVE
@pass_context
def organisation_uses(ctx: Context, name: str, uses: tuple[str, ...], motive: str) -> None:
    """Record which uses that providers exclude its jurisdiction is known for."""
    row = record_uses(ctx.repo, ctx.caller, name, uses, motive=motive)
    ctx.result({"organisation": name, "uses": row.uses}, f"{shown(name)}  {', '.join(uses) or '-'}")


def _told(ctx: Context, one: Asked) -> None:
    found = one.to_json()
    answers = one.answers or "nobody: it is held"
    ctx.result(
        found,
        f"{found['consent']}  {found['state']:9}  {shown(found['owner'])} (answers: "
        f"{shown(answers)})  for {shown(found['recipient'])}, {found['purpose'] or 'any purpose'}"
        f"  until {found['until'] or 'further notice'}  {' '.join(found['subjects'])}",
    )


COMMANDS = (consent,)
