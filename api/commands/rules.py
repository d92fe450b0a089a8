"""mark, reveal, unseal, approval, disclose, access-log: how access is ruled, and who looked."""

from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.house import moment
from custody.entry import Act, timestamp
from repository import approvals
from repository.access_log import Wanted, access_log, as_csv
from repository.conditions import EXCLUDED_USES, HANDLING, RECIPIENTS, TLP, Marking
from repository.disclose import acting
from repository.disclose import disclose as disclose_to
from repository.disclose import reveal as reveal_source
from repository.errors import BadRequest
from repository.ledger_mirror import publish
from repository.marking import check_words, show_marking
from repository.models import Person
from repository.naming import shown
from repository.people import find_person
from repository.purpose import CODES
from repository.rules import Approval

MOTIVE = click.option("--motive", required=True, help="Why, in words.")
_NONE = "none"


@click.command()
@click.argument("subject")
@click.option("--handling", type=click.Choice([*HANDLING, _NONE]), help="Europol's code.")
@click.option("--restriction", help="What H3 restricts, in words.")
@click.option("--tlp", type=click.Choice([*TLP, _NONE]), help="Traffic light.")
@click.option("--exclude", multiple=True, type=click.Choice([*EXCLUDED_USES, _NONE]),
              help="Uses its provider excludes.")  # fmt: skip
@click.option("--consent", multiple=True, type=click.Choice([*RECIPIENTS, _NONE]),
              help="To whom its provider lets it go all the same.")  # fmt: skip
@click.option("--owner", help='Whose consent sharing needs; "none" takes it away.')
@click.option("--conditions", help='The provider\'s, in words; "none" takes them away.')
@click.option("--lead-only/--no-lead-only", default=None, help="Rome Statute 54(3)(e).")
@click.option("--authority-required/--no-authority-required", default=None)
@click.option("--withdrawn/--not-withdrawn", default=None, help="Consent was withdrawn.")
@click.option("--sealed/--not-sealed", default=None, help="For named persons only.")
@click.option("--named", multiple=True, metavar="PERSON", help="Who may know of it, sealed.")
@click.option("--motive", help="Why, in words; without it the marking is shown.")
@pass_context
def mark(ctx: Context, /, subject: str, motive: str | None, **options: Any) -> None:
    """Show or change how SUBJECT is to be handled: a case, a submission or an exhibit.

    What tightens counts at once; what loosens waits for a second person (`evidence approval`).
    What is not named stays as it is.
    """
    repo, caller = ctx.repo, ctx.caller
    old = show_marking(repo, caller, subject) if motive is None else None
    if old is not None:
        ctx.result({"subject": subject, **old.to_json()}, _words(old))
        return
    new = _changed(ctx, subject, options)
    found, waiting = approvals.mark(repo, caller, subject, new, motive=motive or "")
    publish(repo)
    answer = {"subject": subject, **found.to_json(), "approval": waiting.id if waiting else None}
    ctx.result(answer, waiting.id if waiting else _words(found))
    if waiting:
        ctx.say("this loosens: it waits for another custodian: evidence approval give ID")


def condition_options(command: Any) -> Any:
    """Add the options that say how what is handed in is to be handled from the first."""
    for option in reversed(
        (
            click.option("--handling", type=click.Choice(HANDLING), help="Europol's code."),
            click.option("--restriction", help="What H3 restricts, in words."),
            click.option("--tlp", type=click.Choice(TLP), help="Traffic light."),
            click.option("--exclude", multiple=True, type=click.Choice(EXCLUDED_USES),
                         help="Uses its provider excludes."),
            click.option("--consent", multiple=True, type=click.Choice(RECIPIENTS),
                         help="To whom its provider lets it go all the same."),
            click.option("--lead-only", is_flag=True, help="Rome Statute 54(3)(e)."),
            click.option("--owner", help="Whose consent sharing needs."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def declared_conditions(options: dict[str, Any]) -> Marking | None:
    """Take the values of `condition_options` out of a command's options.

    Raises:
        BadRequest: they say what there is not, or cannot all be meant.
    """
    found = Marking(
        handling=options.pop("handling"),
        restriction=options.pop("restriction"),
        tlp=options.pop("tlp"),
        excluded_uses=options.pop("exclude"),
        consent=options.pop("consent"),
        lead_only=options.pop("lead_only"),
        owner=options.pop("owner"),
    )
    check_words(found)
    if found.contradictions():
        raise BadRequest(
            f"these conditions cannot all be meant ({', '.join(found.contradictions())}); say "
            "which is; nothing was handed over"
        )
    return None if found == Marking() else found


def conditions_json(marking: Marking | None) -> dict[str, Any] | None:
    """Return declared conditions as `POST /submissions` takes them."""
    stated = {} if marking is None else {k: v for k, v in marking.to_json().items() if v}
    return stated or None


def _changed(ctx: Context, subject: str, options: dict[str, Any]) -> Marking:
    """Return the marking in force with what was named changed."""
    values = approvals.in_force(ctx.repo, ctx.caller, subject).to_json()
    for name in ("handling", "tlp", "restriction", "conditions", "owner"):
        if options[name] is not None:
            values[name] = None if options[name] == _NONE else options[name]
    for name in ("lead_only", "authority_required", "withdrawn", "sealed"):
        if options[name] is not None:
            values[name] = options[name]
    for option, name in (("exclude", "excluded_uses"), ("consent", "consent")):
        if options[option]:
            values[name] = [one for one in options[option] if one != _NONE]
    if options["named"]:
        with ctx.repo.database.reading() as session:
            values["named"] = [find_person(session, one).id for one in options["named"]]
    if not values["sealed"]:
        values["named"] = []
    return Marking.from_json(values)


def _words(marking: Marking) -> str:
    found = {k: v for k, v in marking.to_json().items() if v not in (None, False, [])}
    rows = [f"{name:20} {shown(_word(value))}" for name, value in found.items()]
    return "\n".join(rows) or "nothing is restricted"


def _word(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else "yes" if value is True else str(value)


def asked_of_two(ctx: Context, act: Act, subject: str, motive: str, hours: int) -> None:
    """Ask for an act of two persons."""
    row = approvals.request(ctx.repo, ctx.caller, act, subject, motive=motive, hours=hours)
    publish(ctx.repo)
    ctx.result({"approval": row.id, "act": row.act, "subject": subject, "hours": hours}, row.id)
    ctx.say("nothing is shown until another custodian approves: evidence approval give ID")


@click.command()
@click.argument("subject")
@click.option("--hours", default=24, show_default=True, help="How long it is to last.")
@MOTIVE
@pass_context
def unseal(ctx: Context, subject: str, hours: int, motive: str) -> None:
    """Ask to see a sealed case, submission or exhibit for some hours."""
    asked_of_two(ctx, Act.UNSEALING, subject, motive, hours)


@click.group()
def reveal() -> None:
    """Learn who the source of an exhibit is: one person asks, another decides."""


@reveal.command("request")
@click.argument("exhibit")
@click.option("--hours", default=24, show_default=True, help="How long it is to last.")
@MOTIVE
@pass_context
def reveal_request(ctx: Context, exhibit: str, hours: int, motive: str) -> None:
    """Ask to be told; nothing is told yet."""
    asked_of_two(ctx, Act.IDENTITY_REVEALED, exhibit, motive, hours)


@reveal.command("show")
@click.argument("exhibit")
@MOTIVE
@pass_context
def reveal_show(ctx: Context, exhibit: str, motive: str) -> None:
    """Show it to whoever was permitted it; each time is an entry."""
    found = reveal_source(ctx.repo, ctx.caller, exhibit, motive=motive)
    publish(ctx.repo)
    ctx.result(
        {"exhibit": exhibit, **found},
        "\n".join(f"{name:12} {shown(value)}" for name, value in found.items()),
    )


@click.group()
def approval() -> None:
    """Decide as a second person about what somebody else asked for."""


@approval.command("list")
@pass_context
def approval_list(ctx: Context) -> None:
    """List what waits for a decision."""
    for row, name, motive in approvals.waiting(ctx.repo, ctx.caller):
        with ctx.repo.database.reading() as session:
            who = session.get_one(Person, row.requested_by).name
        found = {
            "approval": row.id,
            "act": row.act,
            "subject": name,
            "asked": row.asked,
            "motive": motive,
            "requested_by": who,
            "requested_at": timestamp(row.requested_at),
        }
        ctx.result(found, f"{row.id}  {row.act}  {name}  {shown(who)}: {shown(motive)}")


@approval.command("give")
@click.argument("approval_id", metavar="ID")
@MOTIVE
@pass_context
def approval_give(ctx: Context, approval_id: str, motive: str) -> None:
    """Approve it: it is done at once."""
    _decided(ctx, approvals.approve(ctx.repo, ctx.caller, approval_id, motive=motive))


@approval.command("refuse")
@click.argument("approval_id", metavar="ID")
@MOTIVE
@pass_context
def approval_refuse(ctx: Context, approval_id: str, motive: str) -> None:
    """Refuse it; nothing changes."""
    _decided(ctx, approvals.reject(ctx.repo, ctx.caller, approval_id, motive=motive))


def _decided(ctx: Context, row: Approval) -> None:
    publish(ctx.repo)
    until = timestamp(row.until) if row.until else None
    found = {"approval": row.id, "act": row.act, "state": row.state, "until": until}
    ctx.result(found, f"{row.id}  {row.act}  {row.state}{f'  until {until}' if until else ''}")


@click.command()
@click.argument("exhibit")
@click.option("--case", "code", metavar="CODE", help="A further case, whose party it is.")
@click.option("--form", help="A copy, an inspection, a redacted version.")
@click.option("--to", "party", required=True, metavar="PARTY", help="As its counsel's grants say.")
@click.option("--purpose", default="disclosure", show_default=True)
@click.option("--authority", help="The order, article or request it rests on.")
@click.option("--assured", multiple=True, type=click.Choice(EXCLUDED_USES),
              help="An excluded use that the party has ruled out in writing.")  # fmt: skip
@pass_context
def disclose(
    ctx: Context,
    exhibit: str,
    code: str | None,
    form: str | None,
    party: str,
    purpose: str,
    authority: str | None,
    assured: tuple[str, ...],
) -> None:
    """Disclose an exhibit to a party of its case: its counsel and experts may read it."""
    row = disclose_to(
        ctx.repo, ctx.caller, exhibit, party=party, purpose=purpose, authority=authority,
        assured=assured, code=code, form=form,
    )  # fmt: skip
    publish(ctx.repo)
    with ctx.repo.database.reading() as session:
        count = acting(session, row.case_id, row.party, ctx.repo.clock())
    ctx.result(
        {"exhibit": exhibit, "party": party, "entry": row.index, "acting": count},
        f"{exhibit}  disclosed to {shown(party)}  entry {row.index}",
    )
    if not count:
        ctx.say(f"nobody acts for {shown(party)} so far; see that it is spelt so")


@click.command("access-log")
@click.option("--person", help="Name or id.")
@click.option("--exhibit", metavar="NUMBER")
@click.option("--purpose", type=click.Choice(CODES))
@click.option("--since", metavar="TIME")
@click.option("--until", metavar="TIME")
@click.option("--refused", is_flag=True, help="Refusals alone.")
@click.option("--csv", "as_table", is_flag=True, help="As CSV; no cell is a formula.")
@pass_context
def access_log_(
    ctx: Context,
    /,
    person: str | None,
    exhibit: str | None,
    purpose: str | None,
    since: str | None,
    until: str | None,
    refused: bool,
    as_table: bool,
) -> None:
    """Show who looked at what, why and when, and what was refused; for auditors."""
    wanted = Wanted(person, exhibit, purpose, moment(since), moment(until), refused)
    rows = access_log(ctx.repo, ctx.caller, wanted)
    if as_table:
        for line in as_csv(rows):
            click.echo(line, nl=False)
        return
    nothing = True
    for row in rows:
        nothing = False
        who = shown(row["name"] or row["person"])
        outcome = " ".join([row["outcome"], *row["reasons"]])
        ctx.result(
            row,
            f"{row['at']}  {row['type']:18} {outcome:24} {row['role']:12} {who}  "
            f"{shown(row['exhibit'] or row['case'] or '-')}  {row['purpose'] or '-'}",
        )
    if nothing:
        ctx.say("nothing on record is of these; see that names and numbers are spelt so")


COMMANDS = (mark, unseal, reveal, approval, disclose, access_log_)
