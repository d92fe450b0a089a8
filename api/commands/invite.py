"""invite: one string with which a person sends evidence from far away."""

from pathlib import Path
from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.house import expiry
from api.commands.rules import condition_options, declared_conditions
from api.errors import BadInvitation
from api.remote.invitation import Address, Invitation, checked_pin
from api.tls import certificate_digest, find_identity
from custody.entry import Act
from ingest.announce import begin
from repository.access import Right, decide
from repository.authorise import Caller, of_case, on_case, on_house, who
from repository.errors import AccessDenied, BadRequest
from repository.naming import shown
from repository.people import find_person, new_token
from repository.purpose import Purpose
from repository.submissions import Declaration


@click.command()
@click.argument("person")
@click.option("--url", required=True, help="Where the service answers: https://host:port/")
@click.option("--case", "code", metavar="CODE", help="The case it is for.")
@click.option(
    "--only", is_flag=True,
    help="With --case: begin one submission for them; the token adds to it and reads nothing.",
)  # fmt: skip
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE",
              help="The token works for the client with this certificate (PEM) alone.")  # fmt: skip
@click.option("--expires", metavar="TIME", help="When it ends: a date or RFC 3339 time.")
@click.option("--pin", metavar="SHA256", help="Of the service's public key; else read here.")
@click.option("--no-pin", is_flag=True, help="Rely on the authorities of the person's computer.")
@condition_options
@pass_context
def invite(
    ctx: Context,
    /,
    person: str,
    url: str,
    code: str | None,
    only: bool,
    certificate: Path | None,
    expires: str | None,
    pin: str | None,
    no_pin: bool,
    **conditions: Any,
) -> None:
    """Issue a token for PERSON inside an invitation, for `evidence ingest --to`; shown once.

    How what comes is to be handled is said here with --only; else by whoever sends it.
    """
    marking = declared_conditions(conditions)
    if marking is not None and not only:
        raise BadRequest("conditions are of one submission: --only; else its sender states them")
    address = Address.parse(url)
    named = _pin(ctx, address, pin, no_pin=no_pin)
    bound = certificate_digest(certificate) if certificate else None
    repo = ctx.repo
    actor = on_house(repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    with repo.database.reading() as session:
        whom = find_person(session, person)
    if only and code is None:
        raise BadRequest("name the case of the one submission: --case CODE")
    submission = None
    if code is not None:
        _, case = on_case(repo, ctx.caller, Right.GOVERN, code, attempted=Act.CONFIGURATION_CHANGE)
        with repo.database.reading() as session:
            guest = Caller(whom, "named")
            asking, thing = who(session, guest, case), of_case(session, guest, case)
        if not decide(asking, Right.INGEST, thing, None, repo.clock()).allowed:
            raise AccessDenied(
                f"{shown(whom.name)} may not hand in evidence on {code} yet: "
                f"evidence case grant {code} {whom.id} investigator"
            )
        if only:
            declared = Declaration(Purpose("investigation", ""))
            submission = begin(repo, guest, code, declared, marking=marking)[0].id
    made, token = new_token(
        repo, actor, person=whom, expires_at=expiry(ctx, expires), submission=submission,
        certificate=bound,
    )  # fmt: skip
    found = Invitation(address, token, named, repo.ledger.key, code, submission)
    ctx.result(
        {
            "invitation": str(found),
            "id": made.id,
            "person": whom.id,
            "case": code,
            "submission": submission,
            "expires": expires,
            "pin": named,
            "log": repo.ledger.key.fingerprint,
        },
        str(found),
    )
    ctx.say(
        f"This is for {shown(whom.name)} alone and not shown again; hand it over in a file or on "
        "paper.\nThere: evidence ingest PATH… --to FILE --case "
        f"{code or 'CODE'}{' --certificate FILE --key FILE' if bound else ''}\n"
        f"To end it: evidence token revoke {made.id}"
    )
    if address.scheme == "https" and named is None:
        ctx.say("It names no key: whoever a certificate authority vouches for will be believed.")


def _pin(ctx: Context, address: Address, named: str | None, *, no_pin: bool) -> str | None:
    """Return the pin for the invitation: the named one, else that of the service's certificate."""
    if named is not None:
        return checked_pin(named)
    if address.scheme == "http" or no_pin:
        return None
    identity = find_identity(ctx.settings)
    if identity is None:
        raise BadInvitation(
            "no certificate of the service is known here: `evidence serve --tls` makes one; or "
            "name its key with --pin, or leave it to authorities with --no-pin"
        )
    return identity.pin


COMMANDS = (invite,)
