"""ingest --to: the options of sending far away, and how its results are written."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from api.commands.context import Context, exit_code, file_result, worst
from api.commands.gathering import Offer
from api.remote.ingest import ingest_to, read_invitation
from api.remote.invitation import Invitation
from api.remote.proxy import Proxy
from api.remote.rate import parse_rate, parse_time
from api.remote.run import Told, Wanted
from repository.errors import BadRequest
from repository.naming import case_code, shown

F = TypeVar("F", bound=Callable[..., Any])

_USUAL = {"purpose": "investigation", "family": "other"}  # where the command line names none
_SHOWN = {"marking": "conditions of handling"}
_OPTIONS = (
    click.option("--to", metavar="INVITATION", help="Send to a service: a file, a string, a URL."),
    click.option("--rate", metavar="R", help="With --to: at most 2M (bytes/s) or 8Mbit."),
    click.option(
        "--patience", default="12h", show_default=True, metavar="T",
        help="With --to: how long to try while nothing goes on.",
    ),
    click.option(
        "--receipts", type=click.Path(path_type=Path), metavar="DIR",
        help="With --to: where receipts are kept.",
    ),
    click.option(
        "--state", type=click.Path(path_type=Path), metavar="DIR", envvar="EVIDENCE_STATE",
        help="With --to: where runs remember how far they are.",
    ),
    click.option("--proxy", metavar="URL", help="With --to: through this HTTP proxy (CONNECT)."),
    click.option(
        "--certificate", type=click.Path(path_type=Path), metavar="FILE",
        help="With --to: a client certificate (PEM) that the token works with.",
    ),
    click.option(
        "--key", type=click.Path(path_type=Path), metavar="FILE",
        help="With --certificate: its private key (PEM).",
    ),
    click.option(
        "--connections", default=4, show_default=True, type=click.IntRange(1, 16),
        help="With --to: how many at once.",
    ),
    click.option(
        "--without-missing", metavar="MOTIVE",
        help="With --to: end the submission although announced files cannot be sent.",
    ),
)  # fmt: skip
NAMES = (
    "to", "rate", "patience", "receipts", "state", "proxy", "connections", "without_missing",
    "certificate", "key",
)  # fmt: skip


def remote_options(command: F) -> F:
    """Add the options of sending to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def send(
    ctx: Context,
    paths: Sequence[str],
    code: str | None,
    *,
    gather: Callable[[frozenset[tuple[bytes, ...]]], Offer],
    said: Mapping[str, Any],
    submission: str | None,
    options: Mapping[str, Any],
) -> int:
    """Send what `ingest --to` names, write the results, and return the exit code.

    Args:
        ctx: of the command.
        paths: what to send.
        code: the case; None: that of the invitation.
        gather: finds what is there, given the things that were joined before.
        said: purpose and claims.
        submission: to begin or continue; None: this command's own.
        options: those of `remote_options`.
    """
    if "-" in paths:
        raise BadRequest("what is sent is hashed first; write standard input into a file")
    invitation = read_invitation(options["to"])
    case = code or invitation.case
    if case is None:
        raise BadRequest("name the case: --case CODE")
    claimed = {name for name, value in said.items() if value not in (None, _USUAL.get(name))}
    if invitation.submission is not None and claimed:
        raise BadRequest(
            f"{invitation.submission} was declared by whoever invited you; leave out "
            f"{', '.join(sorted(_SHOWN.get(one, one) for one in claimed))}, or name it for each "
            "file in a list (--manifest)"
        )
    wanted = Wanted(
        paths=paths,
        gather=gather,
        case=case_code(case),
        said={name: value for name, value in said.items() if value is not None},
        invitation=invitation,
        submission=submission,
        state=options["state"],
        receipts=options["receipts"],
        rate=parse_rate(options["rate"]) if options["rate"] else None,
        patience=parse_time(options["patience"]),
        connections=options["connections"],
        proxy=Proxy.parse(options["proxy"]) if options["proxy"] else None,
        without_missing=options["without_missing"],
        certificate=_certificate(options["certificate"], options["key"], invitation),
    )

    def result(name: str, path: bytes, status: str, found: Mapping[str, Any]) -> None:
        values = {key: value for key, value in found.items() if key != "words"}
        line = file_result(name, path, status=status, **values)
        ctx.result(line, _text(path, status, found))

    terminal = sys.stderr.isatty() and not ctx.as_json
    outcomes = ingest_to(wanted, Told(ctx.say, result, terminal))
    return worst(one if isinstance(one, int) else exit_code(one) for one in outcomes)


def _certificate(
    certificate: Path | None, key: Path | None, invitation: Invitation
) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadRequest("--certificate and --key go together")
    if invitation.address.scheme != "https":
        raise BadRequest("a certificate is shown over https alone")
    return certificate, key


def _text(path: bytes, status: str, found: Mapping[str, Any]) -> str:
    if status == "failed":
        return f"failed  {found['words']}"
    label, notes = found.get("exhibit"), ""
    if status == "quarantined":
        label = f"quarantined {found['quarantine']}"
        notes = "  the declared digest is another; kept, without a number"
    elif found["error"]:
        notes = f"  {found['error']}"
    return (
        f"{label}  {found['sha256']}  {found['size']} bytes  entry {found['entry']}  "
        f"{shown(path)}{notes}"
    )
