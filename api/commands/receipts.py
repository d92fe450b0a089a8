"""receipt: check receipts of any kind offline, and make those of exhibits anew."""

from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import click

from api.commands.context import Context, pass_context
from custody.cosignature import cosignatures
from custody.entry import parse_body
from custody.errors import BadSignature, CustodyError
from custody.note import VerifierKey
from custody.quorum import parse as parse_policy
from custody.receipt import AnyReceipt, Proof, Receipt, TransferReceipt
from custody.receipts import read_receipts
from repository import deliveries
from repository.consult import make_receipt, show_exhibit
from repository.counterparts import keys_of_ledger
from repository.errors import BadRequest, RepositoryError
from repository.naming import shown


@click.group()
def receipt() -> None:
    """Check receipts, offline."""


@receipt.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@pass_context
def receipt_check(ctx: Context, file: Path) -> None:
    """Check receipts without the ledger, the database or a network: of any kind, also transfers'.

    `python verify.py FILE --trust KEYS` does the same without this program, with one at a time.
    """
    if not file.is_file():
        raise BadRequest(f"there is no file {shown(file)}")
    with file.open("rb") as opened:
        for found in read_receipts(opened):
            _check(ctx, found, opened)


def _check(ctx: Context, found: AnyReceipt, file: BinaryIO) -> None:
    """Write what a receipt proves, or let what does not hold end the command in one line."""
    key = VerifierKey.parse(found.key)
    signed = found.verify([key])
    origin = signed.checkpoint.origin
    more: dict[str, Any] = {}
    if isinstance(found, Receipt):
        subject, said = found.exhibit, f"{found.size} bytes"
    elif isinstance(found, TransferReceipt):
        fits = _fits(ctx, found, key)
        act = str(parse_body(found.body.encode())["type"])
        subject, said = found.submission, act.replace("_", " ")
        said += f"\n{fits:8}  answers the entry {found.answers}"
        said += " of this ledger" if fits == "pass" else "; whose ledger has that is to compare it"
        more = {"act": act, "answers": found.answers, "answers_ours": fits}
    else:
        states = Counter(one.get("status", found.stage) for one in found.check_list(file))
        subject = found.submission
        said = f"{found.stage}: {', '.join(f'{n} {state}' for state, n in states.items())}"
        more = {"stage": found.stage, "files": found.count}
    trusted = _trusted(ctx, key, origin)
    witnesses, detail = _witnesses(found)
    line: dict[str, Any] = {
        "check": "receipt",
        "subject": subject,
        "outcome": "pass",
        "sha256": found.sha256,
        "index": found.index,
        "tree_size": signed.checkpoint.size,
        "key_trusted": trusted,
        "witnesses": witnesses,
        "unwitnessed_since": found.unwitnessed_since,
        "tokens": len(found.tokens),
        "fingerprint": key.fingerprint,
        **more,
    }
    ctx.result(
        line,
        f"pass      {subject}  {found.sha256}  {said}\n"
        f"pass      entry {found.index} of {signed.checkpoint.size} in {origin}\n"
        f"{witnesses:8}  witnesses: {detail}\n"
        f"{trusted:8}  key-trusted: fingerprint {key.fingerprint}"
        + ("" if trusted == "pass" else "; compare it with one you got another way"),
    )


@receipt.command("show")
@click.argument("exhibit")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.")
@click.option("--pdf", is_flag=True, help="As one page for people; needs --out.")
@pass_context
def receipt_show(ctx: Context, exhibit: str, out: Path | None, pdf: bool) -> None:
    """Make the receipt of an exhibit anew, with the witnesses and time-stamps it has by now."""
    described, _ = show_exhibit(ctx.repo, ctx.caller, exhibit, reason="receipt")
    text = make_receipt(ctx.repo, described.exhibit)
    if out is None and not pdf:
        click.echo(text, nl=False)
        return
    if out is None:
        raise BadRequest("a PDF goes into a file: --out FILE")
    if out.exists():
        raise BadRequest(f"{shown(out)} is there already; nothing was written")
    if pdf:
        from repository.exports.receipt_pdf import receipt_pdf

        data = receipt_pdf(Receipt.parse(text.encode()), generated_at=ctx.repo.clock())
    else:
        data = text.encode()
    out.write_bytes(data)
    ctx.result({"exhibit": exhibit, "receipt": str(out)}, f"receipt   {out}")


def _witnesses(found: AnyReceipt) -> tuple[str, str]:
    """Say whether the quorum of the receipt's own policy cosigned its checkpoint.

    Raises:
        MalformedPolicy, MalformedNote, BadSignature: the policy, a cosignature or who is named as
            a witness is not what it claims to be.
    """
    note = Proof.parse(found.proof).note
    named = [VerifierKey.parse(one) for one in found.witnessed_by]
    if not set(named) <= cosignatures(note, named).keys():
        raise BadSignature("witnessed_by names a key whose line is not there")
    policy = parse_policy(found.policy) if found.policy else None
    if policy is None or not policy.witnesses:
        return "not-done", f"unwitnessed since {found.unwitnessed_since}"
    cosigners = cosignatures(note, policy.keys)
    names = ", ".join(sorted(key.name for key in cosigners)) or "nobody"
    if policy.satisfied(cosigners):
        return "pass", f"{names} cosigned: the quorum of the policy in the receipt"
    return "not-done", f"{names} cosigned, no quorum; unwitnessed since {found.unwitnessed_since}"


def _trusted(ctx: Context, key: VerifierKey, origin: str) -> str:
    """Say whether the key is this repository's, or pinned here; else only a person can compare."""
    try:
        known = [one.key for one in ctx.repo.ledger.key_history()]
        with ctx.repo.database.reading() as session:
            known += keys_of_ledger(session, origin)
    except (CustodyError, RepositoryError):
        return "not-done"  # no repository here: that is what receipts are for
    return "pass" if key in known else "not-done"


def _fits(ctx: Context, found: TransferReceipt, key: VerifierKey) -> str:
    """Say whether a receipt of another ledger answers an entry of the repository that is here.

    Raises:
        AnswerRefused: its transfer is known here, and the receipt is no answer to it.
    """
    try:
        own = {one.key for one in ctx.repo.ledger.key_history()}
    except (CustodyError, RepositoryError):
        return "not-done"
    return "pass" if key not in own and deliveries.fits(ctx.repo, found) else "not-done"


COMMANDS = (receipt,)
