"""identity: who stands behind a codename, in a vault with a key of its own."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE, asked_of_two
from custody.entry import Act, timestamp
from repository import identities
from repository.access import Right
from repository.authorise import on_house
from repository.errors import BadRequest
from repository.identities import KINDS, Person
from repository.initialise import make_vault_key
from repository.ledger_mirror import publish
from repository.naming import shown

_FIELDS = ("name", "contact", "note")


@click.group()
def identity() -> None:
    """Keep who witnesses, victims, sources and submitters are under codenames."""


@identity.command("key")
@pass_context
def identity_key(ctx: Context) -> None:
    """Make the vault's key where there is none yet: in a repository of before the vault."""
    on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    found = make_vault_key(ctx.settings)
    ctx.result({"key": found.id}, f"the key of the vault is {found.id}")


@identity.command("add")
@click.option("--case", "code", required=True, metavar="CODE")
@click.option("--kind", required=True, type=click.Choice(KINDS))
@click.option(
    "--file",
    metavar="FILE",
    help='A JSON object {"name", "contact", "note"}; "-": standard input. Without it you are '
    "asked: a command line is seen by others.",
)
@pass_context
def identity_add(ctx: Context, code: str, kind: str, file: str | None) -> None:
    """Put an identity into the vault, and write its codename from then on."""
    row = identities.add(ctx.repo, ctx.caller, code, kind, _read(file))
    publish(ctx.repo)
    found = {"codename": row.codename, "case": code, "kind": row.kind, "entry": row.index}
    ctx.result(found, row.codename)
    ctx.say(f"write {row.codename} wherever this person is meant, as --source {row.codename}")


@identity.command("list")
@click.option("--case", "code", required=True, metavar="CODE")
@pass_context
def identity_list(ctx: Context, code: str) -> None:
    """List the codenames of a case."""
    for row in identities.listed(ctx.repo, ctx.caller, code):
        erased = timestamp(row.erased_at) if row.erased_at else None
        made = timestamp(row.made_at)
        found = {"codename": row.codename, "kind": row.kind, "made_at": made, "erased_at": erased}
        ctx.result(found, f"{row.codename}  {row.kind:10} {made}{'  erased' if erased else ''}")


@identity.command("ask")
@click.argument("codename")
@click.option("--hours", default=24, show_default=True, help="How long it is to last.")
@MOTIVE
@pass_context
def identity_ask(ctx: Context, codename: str, hours: int, motive: str) -> None:
    """Ask to be told who it is; nothing is told until another custodian approves."""
    asked_of_two(ctx, Act.IDENTITY_REVEALED, codename, motive, hours)


@identity.command("reveal")
@click.argument("codename")
@MOTIVE
@pass_context
def identity_reveal(ctx: Context, codename: str, motive: str) -> None:
    """Show who it is to whoever was permitted it; each time is an entry."""
    found = identities.reveal(ctx.repo, ctx.caller, codename, motive=motive)
    publish(ctx.repo)
    rows = [f"{name:10} {shown(value)}" for name, value in found.items()]
    ctx.result({"codename": codename, **found}, "\n".join(rows))


@identity.command("erase")
@click.argument("codename")
@MOTIVE
@pass_context
def identity_erase(ctx: Context, codename: str, motive: str) -> None:
    """Ask that nobody be able to tell any more who it is; the codename stays."""
    asked_of_two(ctx, Act.ERASURE, codename, motive, 24)


def _read(file: str | None) -> Person:
    if file is None:
        given: Any = {name: click.prompt(name, default="", err=True) or None for name in _FIELDS}
    else:
        try:
            text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            given = json.loads(text)
        except OSError as error:
            raise BadRequest(f"{shown(file)} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise BadRequest("an identity is a JSON object of name, contact and note") from error
    if not isinstance(given, dict) or set(given) - set(_FIELDS):
        raise BadRequest("an identity is a JSON object of name, contact and note")
    if not all(value is None or isinstance(value, str) for value in given.values()):
        raise BadRequest("name, contact and note are texts")
    return Person(given.get("name") or "", given.get("contact"), given.get("note"))


COMMANDS = (identity,)
