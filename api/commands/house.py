"""init, case, person, token: what a custodian does to set up the house."""

from datetime import UTC, datetime

import click

from api.commands.context import Context, login, pass_context
from custody.entry import Act, Draft, timestamp
from repository.access import ROLES, Right
from repository.authorise import on_case, on_house
from repository.cases import open_case
from repository.consult import list_cases
from repository.consult import show_case as consult_case
from repository.errors import BadRequest
from repository.initialise import initialise
from repository.naming import shown
from repository.people import find_person, grant, new_person, new_token, people, revoke_token


@click.command()
@click.option("--origin", default="", help="Name of this ledger in its checkpoints.")
@pass_context
def init(ctx: Context, origin: str) -> None:
    """Make a repository in the data folder; you become its first custodian."""
    settings = ctx.settings
    if origin:
        settings = settings.model_copy(update={"origin": origin})
    repo = initialise(settings, login=login())
    if settings.database_url:  # shared: the service's role may not make tables there later
        from ingest.durable import prepare

        prepare(settings)
    key = repo.ledger.key
    found = {
        "data": str(settings.data),
        "origin": key.name,
        "key": str(key),
        "fingerprint": key.fingerprint,
        "custodian": login(),
    }
    ctx.result(
        found,
        f"repository  {settings.data}\norigin      {key.name}\nlog key     {key}\n"
        f"fingerprint {key.fingerprint}",
    )
    ctx.say(
        f"{login()} is the custodian. Write the fingerprint down outside this machine: "
        "receipts and bundles are compared with it.\nNext: evidence case new CODE --title TITLE"
    )
    repo.close()


@click.group()
def case() -> None:
    """Open and list cases, and say who takes part."""


@case.command("new")
@click.argument("code")
@click.option("--title", required=True)
@pass_context
def case_new(ctx: Context, code: str, title: str) -> None:
    """Open a case; CODE is 2 to 12 of A-Z and 0-9."""
    actor = on_house(ctx.repo, ctx.caller, Right.OPEN_CASE, attempted=Act.CASE_OPENED)
    made = open_case(ctx.repo, actor, code=code, title=title)
    ctx.result({"case": made.code, "title": made.title}, f"{made.code}  {shown(made.title)}")


@case.command("list")
@pass_context
def case_list(ctx: Context) -> None:
    """List the cases you take part in."""
    found = list_cases(ctx.repo, ctx.caller)
    for one in found:
        ctx.result(
            {"case": one.code, "title": one.title, "exhibits": one.exhibits},
            f"{one.code:12}  {one.exhibits:6} exhibits  {shown(one.title)}",
        )


@case.command("show")
@click.argument("code")
@pass_context
def case_show(ctx: Context, code: str) -> None:
    """Show a case."""
    found = consult_case(ctx.repo, ctx.caller, code)
    opened = timestamp(found.opened_at)
    ctx.result(
        {"case": code, "title": found.title, "exhibits": found.exhibits, "opened_at": opened},
        f"{code}  {shown(found.title)}\nopened   {opened}\nexhibits {found.exhibits}",
    )


@case.command("grant")
@click.argument("code")
@click.argument("person")
@click.argument("role", type=click.Choice(ROLES))
@pass_context
def case_grant(ctx: Context, code: str, person: str, role: str) -> None:
    """Give PERSON a ROLE on the case CODE."""
    actor, found = on_case(ctx.repo, ctx.caller, Right.GOVERN, code, attempted=Act.ACCESS_GRANT)
    with ctx.repo.database.reading() as session:
        whom = find_person(session, person)
    grant(ctx.repo, actor, case=found, person=whom, role=role)
    ctx.result(
        {"case": code, "person": whom.id, "role": role},
        f"{shown(whom.name)} is {role} on {code}",
    )


@click.group()
def person() -> None:
    """Register and list people."""


@person.command("new")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--organisation")
@click.option("--country")
@pass_context
def person_new(
    ctx: Context, name: str, role: str, organisation: str | None, country: str | None
) -> None:
    """Register a person."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.PERSON_REGISTERED)
    made = new_person(
        ctx.repo, actor, name=name, role=role, organisation=organisation, country=country
    )
    ctx.result(
        {"person": made.id, "name": made.name, "role": made.role},
        f"{made.id}  {made.role:12}  {shown(made.name)}",
    )


@person.command("list")
@pass_context
def person_list(ctx: Context) -> None:
    """List everyone registered."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    with ctx.repo.database.reading() as session:
        found = people(session)
    ctx.repo.ledger.record(
        Draft(Act.CONSULTATION, actor, plain={"count": len(found)}, reason="person-list")
    )
    for one in found:
        ctx.result(
            {
                "person": one.id,
                "name": one.name,
                "role": one.role,
                "organisation": one.organisation,
            },
            f"{one.id}  {one.role:12}  {shown(one.name)}",
        )


@click.group()
def token() -> None:
    """Issue and revoke the tokens with which programs and browsers sign in."""


@token.command("new")
@click.argument("person")
@click.option("--expires", metavar="TIME", help="When it ends: a date or RFC 3339 time.")
@pass_context
def token_new(ctx: Context, person: str, expires: str | None) -> None:
    """Issue a token for PERSON; it is shown once."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    with ctx.repo.database.reading() as session:
        whom = find_person(session, person)
    made, text = new_token(ctx.repo, actor, person=whom, expires_at=expiry(ctx, expires))
    ctx.result({"token": text, "id": made.id, "person": whom.id, "expires": expires}, text)
    ctx.say(f"This is {shown(whom.name)}'s token; it is not shown again. To end it: "
            f"evidence token revoke {made.id}")  # fmt: skip


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@pass_context
def token_revoke(ctx: Context, token_id: str) -> None:
    """End a token at once."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    revoke_token(ctx.repo, actor, token_id.partition(".")[0])
    ctx.result({"id": token_id, "revoked": True}, f"{token_id} is revoked")


def expiry(ctx: Context, text: str | None) -> datetime | None:
    """Return when a token ends, as written on the command line.

    Raises:
        BadRequest: no date or time, or one that has passed.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest("an expiry is a date or a time like 2027-01-31T18:00:00+01:00") from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found <= ctx.repo.clock():
        raise BadRequest("this expiry lies in the past")
    return found


COMMANDS = (init, case, person, token)
