"""Files from outside that commands compare the ledger with: checkpoints and receipts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from custody.receipts import read_receipts
from repository.errors import BadRequest
from repository.naming import shown
from repository.outside import Known

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def outside_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--checkpoint` and `--receipt`."""
    for name, also, what in (
        ("--receipt", "receipts", "A receipt"),
        ("--checkpoint", "checkpoints", "A checkpoint"),
    ):
        said = f"{what} that was kept outside; the witnesses of the policy are asked anyway."
        command = click.option(name, also, multiple=True, type=_FILE, help=said)(command)
    return command


def known_outside(checkpoints: Sequence[Path], receipts: Sequence[Path]) -> Known:
    """Return what the files hold; nothing is verified yet.

    Raises:
        BadRequest: a file cannot be read.
    """
    found = []
    try:
        notes = [file.read_bytes().decode("utf-8", "replace") for file in checkpoints]
        for file in receipts:
            with file.open("rb") as opened:
                found += read_receipts(opened)
    except OSError as error:
        raise BadRequest(f"{shown(error.filename)} cannot be read: {error.strerror}") from error
    return Known(tuple(notes), tuple(found))
