"""bundle, exports, receipt add: receipts of bundles, given by their recipients and taken in."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.receipts import receipt
from custody.bundle_receipt import (
    MAX_FILE,
    MAX_NAME,
    BundleReceipt,
    checked,
    new_credential,
    open_credential,
    printable,
    sign,
)
from custody.entry import timestamp
from repository import now
from repository.bundle_receipts import Made, of_case, take
from repository.errors import BadRequest, DiskFull, RepositoryError
from repository.exports.bag import NO_ROOM
from repository.naming import shown


@click.group()
def bundle() -> None:
    """Say, as its recipient, that a bundle came and was checked."""


@bundle.command("receipt")
@click.argument("folder", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Who got it.")
@click.option("--organisation", required=True, help="For whom.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE",
              help="Private key that signs: PEM (with its certificates) or PKCS #12.")  # fmt: skip
@click.option("--passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
              help="What opens it.")  # fmt: skip
@click.option("--payload", multiple=True, type=click.Path(path_type=Path, file_okay=False),
              metavar="DIR", help="Where exhibits are that the bundle has not itself.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Where the receipt goes; its words beside it, to be printed.")  # fmt: skip
@pass_context
def bundle_receipt(
    ctx: Context,
    folder: Path,
    name: str,
    organisation: str,
    key: Path | None,
    passphrase_file: Path | None,
    payload: tuple[Path, ...],
    out: Path,
) -> None:
    """Check a BUNDLE and sign a receipt for whoever sent it; no repository is needed.

    Without --key a key is made for this receipt and forgotten: tell its fingerprint by voice.
    """
    if not folder.is_dir():
        raise BadRequest(f"{shown(folder)} is no folder of a bundle")
    for option, said in (("--name", name), ("--organisation", organisation)):
        if not 0 < len(said.strip()) <= MAX_NAME:
            raise BadRequest(f"{option} has 1 to {MAX_NAME} characters")
    words = out.with_name(f"{out.name}.txt")
    for file in (out, words):
        if file.exists():
            raise BadRequest(f"{shown(file)} is there already; nothing was written")
    secret = _read(passphrase_file).strip() if passphrase_file else None
    credential = open_credential(_read(key), secret) if key else new_credential()
    about, checks = checked(folder, payload)
    if out.resolve().is_relative_to(folder.resolve()):
        raise BadRequest(
            f"{shown(out)} is in the bundle, which it would change; write it elsewhere"
        )
    at = timestamp(now())
    made = sign(about, credential, name=name, organisation=organisation, at=at, checks=checks)
    _write(out, bytes(made))
    try:
        _write(words, printable(made).encode())
    except RepositoryError:
        out.unlink()
        raise
    found = {
        "receipt": str(out),
        "printable": str(words),
        "report": about.report,
        "manifests": list(about.manifests),
        "fingerprint": made.fingerprint,
        "algorithm": made.algorithm,
    }
    lines = [f"receipt      {out}", f"to print     {words}", f"fingerprint  {made.fingerprint}"]
    ctx.result(found, "\n".join(lines))
    ctx.say(
        f"send {out.name} back, and read the fingerprint out to them: evidence receipt add FILE"
    )


@click.command()
@click.option("--case", "code", required=True, metavar="CODE")
@click.option("--waiting", is_flag=True, help="Those alone of which no receipt came.")
@pass_context
def exports(ctx: Context, code: str, waiting: bool) -> None:
    """List the finished bundles of a case, and whether the other side's receipt came."""
    for one in of_case(ctx.repo, ctx.caller, code, waiting=waiting):
        ctx.result(one.to_json(), _told(one))


@receipt.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--fingerprint", metavar="HEX",
              help="Of the recipient's key, as it came another way: by telephone.")  # fmt: skip
@pass_context
def receipt_add(ctx: Context, file: Path, fingerprint: str | None) -> None:
    """Check the receipt that the recipient of a bundle signed, and record it."""
    made = take(ctx.repo, ctx.caller, _read(file), fingerprint=fingerprint)
    ctx.result(made.to_json(), _told(made))
    if fingerprint is not None and "key not compared" in _told(made):
        ctx.say("the key is the one; the record of before goes on saying that nobody compared it")
    if fingerprint is None:
        key = BundleReceipt.parse(_read(file)).fingerprint
        ctx.say(f"the record says that nobody compared its key: {key}")


def _told(one: Made) -> str:
    row = one.to_json()
    head = f"{row['report']}  {row['made_at']}  {row['exhibits']} exhibits"
    head += f"  to {shown(row['recipient'])}" if row["recipient"] else ""
    came: dict[str, Any] | None = row["receipt"]
    if came is None:
        return f"{head}\n  waits for the receipt of whoever got it"
    organisation = f", {shown(came['organisation'])}" if came["organisation"] else ""
    how = {"signed": "signed by", "on-site": "acknowledged on the site by"}[came["how"]]
    key = "" if came["how"] == "on-site" else "  key compared"
    key = "  key not compared" if key and not came["key_compared"] else key
    return f"{head}\n  {how} {shown(came['name'])}{organisation}, {came['at']}{key}"


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_FILE + 1)
    except OSError as error:
        raise BadRequest(f"{shown(file)} cannot be read: {error.strerror}") from error


def _write(file: Path, data: bytes) -> None:
    try:
        with file.open("xb") as out:
            out.write(data)
    except FileExistsError as error:
        raise BadRequest(f"{shown(file)} is there already; nothing was written") from error
    except OSError as error:
        with suppress(OSError):
            file.unlink()  # what was begun: else the same again would find it there
        if error.errno in NO_ROOM:
            raise DiskFull(f"no room for {shown(file)}; nothing was left there") from error
        raise BadRequest(f"{shown(file)} cannot be written: {error.strerror}") from error


COMMANDS = (bundle, exports)
