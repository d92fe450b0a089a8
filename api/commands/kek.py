"""kek: the key-encryption keys, under which every exhibit's own key lies."""

import click

from api.commands.backup import telling
from api.commands.context import Context, pass_context
from custody.entry import Act
from repository import rewrapping
from repository.access import Right
from repository.approvals import request_wrapping_key
from repository.authorise import on_house
from repository.keyring import file_of
from repository.ledger_mirror import publish


@click.group()
def kek() -> None:
    """Show or replace the key-encryption key, which opens every exhibit's own key."""


@kek.command("list")
@pass_context
def kek_list(ctx: Context) -> None:
    """Print every key-encryption key of the house, and how many data keys each wraps."""
    on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    for one in rewrapping.known(ctx.repo):
        found = {"kek": one.id, "state": one.state, "data_keys": one.data_keys, "uri": one.uri}
        line = f"{one.id}  {one.state:8} {one.data_keys:9} data keys  {one.uri or ''}"
        ctx.result(found, line.rstrip())


@kek.command("rotate")
@click.option("--to", "uri", metavar="URI", help="A key in a module, as pkcs11:…; else a new file.")
@click.option("--motive", required=True, help="Why, in words.")
@pass_context
def kek_rotate(ctx: Context, uri: str | None, motive: str) -> None:
    """Make another key-encryption key, and ask that it wrap every data key from now on.

    Another custodian decides: evidence approval give ID. No exhibit is read or stored anew.
    """
    row = request_wrapping_key(ctx.repo, ctx.caller, uri=uri, motive=motive)
    publish(ctx.repo)
    made = row.asked["kek"]
    ctx.result({"approval": row.id, "kek": made}, row.id)
    if uri is None:
        file = file_of(ctx.settings.data / "keys", made)
        ctx.say(f"made {file}; now: 1. copy it to every machine of the house")
        ctx.say("2. evidence backup --out DIR: it is in no backup yet")
        ctx.say(f"3. another custodian: evidence approval give {row.id}")
    else:
        ctx.say(f"another custodian decides: evidence approval give {row.id}")


@kek.command("rewrap")
@pass_context
def kek_rewrap(ctx: Context) -> None:
    """Wrap now what a worker would wrap: every data key, in the database and in every store."""
    on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    total, count = rewrapping.unfinished(ctx.repo) or 0, 0
    with telling(ctx) as tell:
        while some := rewrapping.waiting(ctx.repo, limit=rewrapping.TOGETHER):
            rewrapping.rewrap(ctx.repo, some)
            tell("wrapped", count, total)
            count += len(some)
    publish(ctx.repo)
    left = rewrapping.unfinished(ctx.repo) or 0
    found = {"rewrapped": count, "left": left}
    ctx.result(found, f"{count} data keys wrapped by the key in use")
    if left:
        ctx.say(f"{left} are of uploads under way; workers see to them when these are in")


COMMANDS = (kek,)
