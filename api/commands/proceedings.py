"""situation, associate, hold: proceedings, further cases of exhibits, and what keeps them."""

import click

from api.commands.context import Context, exit_code, pass_context, worst
from api.commands.rules import MOTIVE
from custody.errors import EvidenceError
from repository import associations, holds, situations
from repository.approvals import request_release
from repository.ledger_mirror import publish
from repository.naming import shown


@click.group()
def situation() -> None:
    """Open situations, list them, and say which cases come out of them."""


@situation.command("new")
@click.argument("code")
@click.option("--title", required=True)
@pass_context
def situation_new(ctx: Context, code: str, title: str) -> None:
    """Open a situation; CODE is 2 to 12 of A-Z and 0-9."""
    row = situations.open_situation(ctx.repo, ctx.caller, code=code, title=title)
    ctx.result({"situation": row.code, "title": row.title}, f"{row.code}  {shown(row.title)}")


@situation.command("list")
@pass_context
def situation_list(ctx: Context) -> None:
    """List situations with those of their cases that you take part in."""
    for row, cases in situations.situations(ctx.repo, ctx.caller):
        codes = [case.code for case in cases]
        ctx.result(
            {"situation": row.code, "title": row.title, "cases": codes},
            f"{row.code:12}  {shown(row.title)}  {' '.join(codes) or '-'}",
        )


@situation.command("put")
@click.argument("case")
@click.argument("code", metavar="SITUATION")
@MOTIVE
@pass_context
def situation_put(ctx: Context, case: str, code: str, motive: str) -> None:
    """Say that CASE belongs to SITUATION."""
    situations.put_case(ctx.repo, ctx.caller, case, code, motive=motive)
    ctx.result({"case": case, "situation": code}, f"{case} belongs to the situation {code}")


@click.group()
def associate() -> None:
    """Have exhibits belong to further cases; number and history stay one."""


@associate.command("add")
@click.argument("exhibit")
@click.argument("case")
@MOTIVE
@pass_context
def associate_add(ctx: Context, exhibit: str, case: str, motive: str) -> None:
    """Have EXHIBIT belong to a further CASE."""
    associations.associate(ctx.repo, ctx.caller, exhibit, case, motive=motive)
    publish(ctx.repo)
    ctx.result({"exhibit": exhibit, "case": case}, f"{exhibit} belongs to {case} too")


@associate.command("end")
@click.argument("exhibit")
@click.argument("case")
@MOTIVE
@pass_context
def associate_end(ctx: Context, exhibit: str, case: str, motive: str) -> None:
    """Have it belong to that CASE no more."""
    associations.dissociate(ctx.repo, ctx.caller, exhibit, case, motive=motive)
    publish(ctx.repo)
    ctx.result({"exhibit": exhibit, "case": case}, f"{exhibit} belongs to {case} no more")


@associate.command("list")
@click.argument("exhibit", required=False)
@click.option("--case", "code", metavar="CODE", help="The exhibits of others that belong to it.")
@pass_context
def associate_list(ctx: Context, exhibit: str | None, code: str | None) -> None:
    """List the further cases of EXHIBIT, or with --case the further exhibits of a case."""
    if (exhibit is None) == (code is None):
        raise click.UsageError("name an exhibit, or a case with --case")
    if exhibit is not None:
        pairs = [
            (exhibit, case.code) for case in associations.cases_with(ctx.repo, ctx.caller, exhibit)
        ]
    else:
        found = associations.associated_exhibits(ctx.repo, ctx.caller, code or "")
        pairs = [(one.number, code or "") for one in found]
    for number, case in pairs:
        ctx.result({"exhibit": number, "case": case}, f"{number}  {case}")


@click.group()
def hold() -> None:
    """Keep exhibits for a matter: nothing held is erased."""


@hold.command("place")
@click.argument("exhibits", nargs=-1, required=True, metavar="EXHIBIT…")
@click.option("--matter", required=True, help="For what it is kept.")
@click.option("--authority", help="The order or article it rests on.")
@MOTIVE
@pass_context
def hold_place(
    ctx: Context, exhibits: tuple[str, ...], matter: str, authority: str | None, motive: str
) -> None:
    """Place a hold on each EXHIBIT; the same matter again is the same hold."""
    codes = []
    for number in exhibits:
        try:
            row = holds.place(
                ctx.repo, ctx.caller, number, matter=matter, authority=authority, motive=motive
            )
        except EvidenceError as error:
            if len(exhibits) == 1:
                raise
            codes.append(exit_code(error))
            ctx.result({"exhibit": number, "error": error.code}, f"{number}  {error}")
            continue
        where = "also in the stores" if row.followed else "the stores follow later"
        said = {"exhibit": number, **holds.view(row)}
        ctx.result(said, f"{row.id}  {number}  {shown(matter)}  {where}")
    publish(ctx.repo)
    if worst(codes):
        raise click.exceptions.Exit(worst(codes))


@hold.command("list")
@click.argument("exhibit")
@pass_context
def hold_list(ctx: Context, exhibit: str) -> None:
    """List every hold there ever was on EXHIBIT."""
    for row in holds.listed(ctx.repo, ctx.caller, exhibit):
        found = holds.view(row)
        until = found["released_at"] or "on"
        ctx.result(found, f"{row.id}  {found['placed_at']}  {until}  {shown(row.matter)}")


@hold.command("release")
@click.argument("hold_id", metavar="ID")
@MOTIVE
@pass_context
def hold_release(ctx: Context, hold_id: str, motive: str) -> None:
    """Ask that a hold be released; another person decides: evidence approval give."""
    row = request_release(ctx.repo, ctx.caller, hold_id, motive=motive)
    publish(ctx.repo)
    ctx.result({"hold": hold_id, "approval": row.id}, row.id)
    ctx.say("it stays on until another custodian approves: evidence approval give ID")


COMMANDS = (situation, associate, hold)
