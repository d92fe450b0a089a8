"""transfer, continuity, counterpart: custody that passes on, and what no entry accounts for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from api import strict_json
from api.commands.context import Context, pass_context
from api.commands.rules import MOTIVE
from custody.entry import timestamp
from custody.note import VerifierKey
from custody.receipt import TransferReceipt
from custody.receipts import MAX_SEVERAL
from repository import deliveries, transfer_lists, transfers
from repository.conditions import EXCLUDED_USES
from repository.continuity import Statement, case_continuity
from repository.counterparts import counterparts, pin, unpin
from repository.errors import BadRequest
from repository.handovers import Counterpart
from repository.ledger_mirror import publish
from repository.naming import shown
from repository.transfers import Released

_AT_ONCE = 500
_SAID = {
    "released": "waits for an answer; nothing was provided yet",
    "provided": "accepted, and not acknowledged so far",
    "received": "received",
    "refused": "refused",
    "withdrawn": "taken back; it was never provided",
    "dropped": "taken back; it had been accepted, and not acknowledged",
}
_NAMED = click.argument("exhibits", nargs=-1, metavar="[EXHIBIT…]")


@click.group()
def transfer() -> None:
    """Release custody to another institution, and receive or refuse what was released to yours."""


@transfer.command("release")
@click.argument("exhibits", nargs=-1, required=True, metavar="EXHIBIT…")
@click.option("--to", required=True, metavar="ORGANISATION", help="Who is to take it over.")
@click.option("--purpose", help="Why; a code, or 'code: your words'.")
@click.option("--authority", help="The warrant, request or article it rests on.")
@click.option("--assured", multiple=True, type=click.Choice(EXCLUDED_USES),
              help="An excluded use that the recipient has ruled out in writing.")  # fmt: skip
@pass_context
def release(
    ctx: Context,
    exhibits: tuple[str, ...],
    to: str,
    purpose: str | None,
    authority: str | None,
    assured: tuple[str, ...],
) -> None:
    """Release custody of exhibits of one case; every byte is read and hashed again first."""
    made = transfers.release(
        ctx.repo, ctx.caller, exhibits, to=to, purpose=purpose, authority=authority,
        assured=assured,
    )  # fmt: skip
    _tell(ctx, made)
    ctx.say(f"it waits for {shown(to)}: evidence transfer receive {made[0].row.id}")


@transfer.command("list")
@click.option("--case", "code", metavar="CODE", help="Of a case; else what was released to yours.")
@pass_context
def list_(ctx: Context, code: str | None) -> None:
    """List transfers and how each stands."""
    found = list(transfer_lists.released(ctx.repo, ctx.caller, code))
    for one in found:
        ctx.result(one.to_json(), _words(one))
    if not found and code is None:
        ctx.say("nothing was released to your institution; what a case released: --case CODE")


@transfer.command("receive")
@click.argument("transfer_id", metavar="TRANSFER")
@_NAMED
@pass_context
def receive(ctx: Context, transfer_id: str, exhibits: tuple[str, ...]) -> None:
    """Take custody over; every byte is read and hashed again first."""
    _tell(ctx, transfers.receive(ctx.repo, ctx.caller, transfer_id, exhibits))


@transfer.command("refuse")
@click.argument("transfer_id", metavar="TRANSFER")
@_NAMED
@MOTIVE
@pass_context
def refuse(ctx: Context, transfer_id: str, exhibits: tuple[str, ...], motive: str) -> None:
    """Refuse to take custody over; it stays where it was."""
    _tell(ctx, transfers.turn_down(ctx.repo, ctx.caller, transfer_id, exhibits, motive=motive))


@transfer.command("withdraw")
@click.argument("transfer_id", metavar="TRANSFER")
@_NAMED
@MOTIVE
@pass_context
def withdraw(ctx: Context, transfer_id: str, exhibits: tuple[str, ...], motive: str) -> None:
    """Take a release back that nobody answered."""
    _tell(ctx, transfers.withdraw(ctx.repo, ctx.caller, transfer_id, exhibits, motive=motive))


@transfer.command("bundle")
@click.argument("transfer_id", metavar="TRANSFER")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR")
@pass_context
def bundle(ctx: Context, transfer_id: str, out: Path) -> None:
    """Write what goes to another installation: the exhibits, their entries, the release, proofs."""
    ctx.check_outside(out)
    made = deliveries.bundle(
        ctx.repo, ctx.caller, transfer_id, out, progress=lambda step: ctx.say(f"packing {step}")
    )
    publish(ctx.repo)
    found = {"bundle": str(out), "exhibits": made.exhibits, "manifest": made.manifest}
    ctx.result(found, f"bundle    {out}\nmanifest  {made.manifest}")
    ctx.say("there: evidence import DIR --case CODE --receipts FILE; the file comes back to you")


@transfer.command("acknowledge")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--receipts", type=click.Path(path_type=Path), metavar="FILE",
              help="Where to write what goes back.")  # fmt: skip
@pass_context
def acknowledge(ctx: Context, file: Path, receipts: Path | None) -> None:
    """Check the receipts in FILE that came from another installation, and record them."""
    found = read_receipts(file)
    backs = []
    for one in found:
        back = deliveries.acknowledge(ctx.repo, ctx.caller, one)
        backs += [] if back is None else [back]
        given = json.loads(one)
        told = {"transfer": given["submission"], "sha256": given["sha256"], "checked": True}
        ctx.result(told, f"{told['transfer']}  {told['sha256']}  checked and recorded")
    publish(ctx.repo)
    if backs:
        write_receipts(ctx, receipts, backs)


def read_receipts(file: Path) -> list[bytes]:
    """Return the receipts of a file, each in its one form.

    Raises:
        BadRequest: it is no such file.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_SEVERAL + 1)
    except OSError as error:
        raise BadRequest(f"{shown(str(file))} cannot be read: {error.strerror}") from error
    found: Any = strict_json.read(data) if len(data) <= MAX_SEVERAL else None
    items = found.get("items") if isinstance(found, dict) else None
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise BadRequest(f"{shown(str(file))} holds no receipts of transfers")
    return [deliveries.as_file(one) for one in items]


def write_receipts(ctx: Context, file: Path | None, found: Sequence[TransferReceipt]) -> None:
    """Write receipts for another installation into one new file, or say that they are due."""
    if file is None:
        ctx.say("receipts are due to the other side: the same command again with --receipts FILE")
        return
    text = json.dumps({"items": [one.to_json() for one in found]}, indent=1, ensure_ascii=False)
    try:
        with file.open("x") as out:
            out.write(text + "\n")
    except OSError as error:
        raise BadRequest(f"{shown(str(file))} cannot be written: {error.strerror}") from error
    ctx.say(f"send {file} back to whoever released: evidence transfer acknowledge {file.name}")


@click.command()
@click.option("--case", "code", required=True, metavar="CODE")
@pass_context
def continuity(ctx: Context, code: str) -> None:
    """State who held each exhibit of a case from when to when, and every gap."""
    after: int | None = 0
    while after is not None:
        some, after = case_continuity(ctx.repo, ctx.caller, code, after=after, limit=_AT_ONCE)
        for number, told in some:
            ctx.result({"exhibit": number, **told.to_json()}, _stated(number, told))


def _tell(ctx: Context, made: Sequence[Released]) -> None:
    publish(ctx.repo)
    for one in made:
        ctx.result(one.to_json(), _words(one))


def _words(one: Released) -> str:
    row = one.row
    return f"{row.id}  {one.exhibit.number}  to {shown(row.recipient)}: {_SAID[row.state]}"


def _stated(number: str, told: Statement) -> str:
    rows = [f"{number}  received {told.received_at or 'at a time not recorded'}"]
    rows += [
        f"  declared  {shown(one['collected_by'] or 'nobody named')}, {one['at'] or 'undated'}"
        for one in told.declared
    ]
    rows += [
        f"  quoted    {one['entries']} entries of {shown(one['origin'] or 'a ledger not named')}"
        for one in told.quoted
    ]
    rows += [
        f"  released  {one.released_at} to {shown(one.to or 'withheld')}: {_SAID[one.state]}"
        f"{f' {one.answered_at}' if one.answered_at else ''}"
        for one in told.passings
    ]
    rows += [
        f"  gap       {gap.to_json()['what']} ({gap.since or '?'} to {gap.until or 'now'})"
        for gap in told.gaps
    ]
    between = [gap for gap in told.gaps if not gap.kind.startswith("before-")]
    return "\n".join(rows if between else [*rows, "  no gap between releases and receipts"])


@click.group()
def counterpart() -> None:
    """Say whose bundles and receipts are believed: keys of other installations, pinned."""


@counterpart.command("add")
@click.argument("organisation")
@click.argument("vkey")
@MOTIVE
@pass_context
def counterpart_add(ctx: Context, organisation: str, vkey: str, motive: str) -> None:
    """Pin a key (NAME+ID+BASE64, as `ledger key list` prints it) of ORGANISATION's installation.

    Compare its fingerprint with one that came another way: by telephone, on paper.
    """
    row = pin(ctx.repo, ctx.caller, organisation, vkey, motive=motive)
    publish(ctx.repo)
    _counterpart(ctx, row)


@counterpart.command("end")
@click.argument("vkey")
@MOTIVE
@pass_context
def counterpart_end(ctx: Context, vkey: str, motive: str) -> None:
    """Believe nothing more that a key signs."""
    row = unpin(ctx.repo, ctx.caller, vkey, motive=motive)
    publish(ctx.repo)
    _counterpart(ctx, row)


@counterpart.command("list")
@pass_context
def counterpart_list(ctx: Context) -> None:
    """List every key that was ever pinned."""
    for row in counterparts(ctx.repo, ctx.caller):
        _counterpart(ctx, row)


def _counterpart(ctx: Context, row: Counterpart) -> None:
    fingerprint = VerifierKey.parse(row.vkey).fingerprint
    ended = timestamp(row.ended_at) if row.ended_at else None
    found = {
        "organisation": row.organisation,
        "origin": row.origin,
        "vkey": row.vkey,
        "fingerprint": fingerprint,
        "added_at": timestamp(row.added_at),
        "ended_at": ended,
        "entry": row.index,
    }
    text = f"{shown(row.organisation)}  {row.origin}  {fingerprint}"
    ctx.result(found, f"{text}  ended {ended}" if ended else text)


COMMANDS = (transfer, continuity, counterpart)
