"""init, case, person, token: what a custodian does to set up the house."""

from datetime import datetime
from pathlib import Path

import click

from api.commands.context import Context, login, pass_context
from api.tls import certificate_digest
from custody.entry import Act, Draft, timestamp
from repository.access import GRANTABLE, ROLES, Right
from repository.authorise import on_house
from repository.cases import open_case
from repository.consult import list_cases
from repository.consult import show_case as consult_case
from repository.errors import BadRequest
from repository.initialise import initialise
from repository.naming import instant, shown
from repository.participants import let_in, let_out, participants
from repository.people import (
    KINDS,
    end_person,
    find_person,
    new_organisation,
    new_person,
    new_token,
    organisations,
    people,
    revoke_token,
)
from repository.stated import stated_motive


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
@click.option("--organisation", metavar="NAME", help="Whose case it is; else yours.")
@pass_context
def case_new(ctx: Context, code: str, title: str, organisation: str | None) -> None:
    """Open a case; CODE is 2 to 12 of A-Z and 0-9."""
    actor = on_house(ctx.repo, ctx.caller, Right.OPEN_CASE, attempted=Act.CASE_OPENED)
    made = open_case(ctx.repo, actor, code=code, title=title, organisation=organisation)
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
@click.argument("role", type=click.Choice(GRANTABLE))
@click.option("--party", help="For whom counsel and experts act.")
@click.option("--until", metavar="TIME", help="When it ends: a date or RFC 3339 time.")
@pass_context
def case_grant(
    ctx: Context, code: str, person: str, role: str, party: str | None, until: str | None
) -> None:
    """Give PERSON a ROLE on the case CODE."""
    end = expiry(ctx, until)
    whom = let_in(ctx.repo, ctx.caller, code, person, role, party=party, until=end).person
    ctx.result(
        {"case": code, "person": whom.id, "role": role, "party": party, "until": until},
        f"{shown(whom.name)} is {role} on {code}",
    )


@case.command("grants")
@click.argument("code")
@pass_context
def case_grants(ctx: Context, code: str) -> None:
    """List who takes part in the case CODE."""
    for one in participants(ctx.repo, ctx.caller, code):
        found = one.to_json()
        ctx.result(
            found,
            f"{found['role']:13} {shown(found['name'])}  {shown(found['organisation'] or '-')}  "
            f"{shown(found['party'] or '-')}  until {found['until'] or 'further notice'}",
        )


@case.command("revoke")
@click.argument("code")
@click.argument("person")
@click.argument("role", type=click.Choice(GRANTABLE))
@pass_context
def case_revoke(ctx: Context, code: str, person: str, role: str) -> None:
    """Take a ROLE on the case CODE away from PERSON, at once."""
    whom = let_out(ctx.repo, ctx.caller, code, person, role)
    ctx.result(
        {"case": code, "person": whom.id, "role": role, "revoked": True},
        f"{shown(whom.name)} is no longer {role} on {code}",
    )


@click.group()
def organisation() -> None:
    """Register and list the organisations that people act for and cases belong to."""


@organisation.command("new")
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice(KINDS))
@click.option("--country")
@pass_context
def organisation_new(ctx: Context, name: str, kind: str, country: str | None) -> None:
    """Register an organisation."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    new_organisation(ctx.repo, actor, name=name, kind=kind, country=country)
    ctx.result(
        {"organisation": name, "kind": kind, "country": country}, f"{kind:14}  {shown(name)}"
    )


@organisation.command("list")
@pass_context
def organisation_list(ctx: Context) -> None:
    """List every organisation."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    with ctx.repo.database.reading() as session:
        found = organisations(session)
    ctx.repo.ledger.record(
        Draft(Act.CONSULTATION, actor, plain={"count": len(found)}, reason="organisation-list")
    )
    for one in found:
        ctx.result(
            {"organisation": one.name, "kind": one.kind, "country": one.country},
            f"{one.kind:14}  {shown(one.name)}",
        )


@click.group()
def person() -> None:
    """Register and list people."""


@person.command("new")
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--organisation")
@click.option("--country")
@click.option("--same-as", metavar="PERSON", help="One more account of this human being.")
@pass_context
def person_new(
    ctx: Context,
    name: str,
    role: str,
    organisation: str | None,
    country: str | None,
    same_as: str | None,
) -> None:
    """Register a person."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.PERSON_REGISTERED)
    one = None
    if same_as is not None:
        with ctx.repo.database.reading() as session:
            one = find_person(session, same_as)
    made = new_person(
        ctx.repo,
        actor,
        name=name,
        role=role,
        organisation=organisation,
        country=country,
        same_as=one,
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


@person.command("end")
@click.argument("named", metavar="PERSON")
@click.option("--motive", required=True, help="Why, in words.")
@pass_context
def person_end(ctx: Context, named: str, motive: str) -> None:
    """End whatever PERSON may do, at once; what is being read breaks off."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.ACCESS_REVOCATION)
    stated_motive(ctx.repo, ctx.caller, motive, Act.ACCESS_REVOCATION)
    with ctx.repo.database.reading() as session:
        whom = find_person(session, named)
    end_person(ctx.repo, actor, whom, motive=motive)
    ctx.result({"person": whom.id, "ended": True}, f"{shown(whom.name)} may do nothing any more")


@click.group()
def token() -> None:
    """Issue and revoke the tokens with which programs and browsers sign in."""


@token.command("new")
@click.argument("person")
@click.option("--expires", metavar="TIME", help="When it ends: a date or RFC 3339 time.")
@click.option("--submission", metavar="ID", help="It adds to this one and reads nothing back.")
@click.option(
    "--certificate", type=click.Path(path_type=Path), metavar="FILE",
    help="It works over lines of the client with this certificate (PEM) alone.",
)  # fmt: skip
@pass_context
def token_new(
    ctx: Context,
    person: str,
    expires: str | None,
    submission: str | None,
    certificate: Path | None,
) -> None:
    """Issue a token for PERSON; it is shown once."""
    bound = certificate_digest(certificate) if certificate else None
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    with ctx.repo.database.reading() as session:
        whom = find_person(session, person)
    made, text = new_token(
        ctx.repo, actor, person=whom, expires_at=expiry(ctx, expires), submission=submission,
        certificate=bound,
    )  # fmt: skip
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


def moment(text: str | None) -> datetime | None:
    """Return a time as written on the command line.

    Raises:
        BadRequest: no date or time.
    """
    return None if text is None else instant(text)


def expiry(ctx: Context, text: str | None) -> datetime | None:
    """Return when something ends, as written on the command line.

    Raises:
        BadRequest: no date or time, or one that has passed.
    """
    found = moment(text)
    if found is not None and found <= ctx.repo.clock():
        raise BadRequest("this expiry lies in the past")
    return found


COMMANDS = (init, organisation, case, person, token)
