"""Read the receipts in a file, of whichever kind: an exhibit's, a submission's, or transfers'."""

import json
from typing import BinaryIO

from custody.bundle_receipt import KIND as BUNDLE
from custody.canonical import loads_any
from custody.errors import MalformedEntry
from custody.receipt import (
    LIST,
    MAX_HEAD,
    AnyReceipt,
    Receipt,
    SubmissionReceipt,
    TransferReceipt,
)

MAX_SEVERAL = 64 << 20  # bytes of a file of receipts of transfers


def read_receipts(file: BinaryIO) -> list[AnyReceipt]:
    """Return what a file holds: one receipt, or several of transfers (docs/format.md 6.2).

    Nothing is verified; of a submission's receipt the list is left to be read.

    Raises:
        NotCanonical, MalformedEntry, BadOpening: not a receipt.
    """
    first = file.readline(MAX_HEAD)
    if first.endswith(LIST + b"\n"):
        return [SubmissionReceipt.parse(first)]
    data = first + file.read(MAX_SEVERAL)
    found = loads_any(data)
    known = found if isinstance(found, dict) else {}
    if isinstance(known.get("items"), list):
        if not known["items"]:
            raise MalformedEntry("there is no receipt in this file")
        return [TransferReceipt.parse(json.dumps(one).encode()) for one in known["items"]]
    if known.get("kind") == BUNDLE:
        raise MalformedEntry(
            "this is what a recipient signed for a bundle; beside that bundle it is checked by: "
            "python3 verify.py BUNDLE --receipt FILE"
        )
    if known.get("kind") == "transfer-receipt":
        return [TransferReceipt.parse(data)]
    return [Receipt.parse(data)]
