"""A receipt on one page, for people: what was handed in, where it stands, and how to check it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from custody.checkpoint import Checkpoint
from custody.cosignature import cosignatures, moment
from custody.entry import parse_body, timestamp
from custody.errors import CustodyError
from custody.note import Note, VerifierKey
from custody.quorum import parse as parse_policy
from custody.receipt import Proof, Receipt
from custody.timestamp import read as read_token
from repository.exports.pdf import render_page

WORDS = {
    "title": "Receipt of evidence",
    "what": "What was handed in",
    "where": "Where it stands in the custody ledger",
    "who": "Who vouches for the ledger",
    "proves": "What this receipt shows, and what it does not",
    "check": "How to check it, without us",
    "exhibit": "Exhibit",
    "submission": "Submission",
    "digest": "SHA-256",
    "size": "Size",
    "registered": "Registered",
    "entry": "Entry",
    "ledger": "Ledger",
    "root": "Root of the tree",
    "key": "Fingerprint of the ledger's key",
    "witnesses": "Witnesses",
    "stamps": "Time-stamps",
    "alt": "The digest of the exhibit and the root of the ledger's tree as a code",
}
SHOWS = (
    (
        "At the time of registration the repository recorded bytes of this size and digest under "
        "this number. If the ledger were cut or rewritten afterwards, this receipt would "
        "contradict it."
    ),
    (
        "It does not show who handed the bytes in, what they are, or whether what they depict is "
        "true. It leaves out every name, the case, the purpose and the content."
    ),
)
CHECK = (
    "The same receipt as a file (JSON) carries the entry, its proof and the signatures. With that "
    "file: evidence receipt check FILE, or python verify.py FILE. Compare the fingerprint above "
    "with one that you got another way. The digest of your own copy: sha256sum FILE."
)


def receipt_pdf(receipt: Receipt, *, generated_at: datetime) -> bytes:
    """Return the receipt as one page (PDF/A-3a, PDF/UA-1 by Typst's claim).

    The same receipt and time give the same bytes. Nothing is verified here; the page says how.

    Args:
        receipt: completed, if witnesses have answered.
        generated_at: the page's own date.

    Raises:
        MalformedEntry, MalformedNote: the receipt cannot be read.
        GlyphMissing, RenderFailed: the page cannot be made.
    """
    fields = parse_body(receipt.body.encode())
    head = Checkpoint.parse_text(Note.parse(Proof.parse(receipt.proof).note).text)
    digits = receipt.sha256.removeprefix("sha256:")
    fingerprint = VerifierKey.parse(receipt.key).fingerprint
    number = f"{receipt.index:,} of a tree of {head.size:,}".replace(",", "\u202f")
    rows: list[tuple[str, list[tuple[str, str, str]]]] = [
        (
            WORDS["what"],
            [
                (WORDS["exhibit"], receipt.exhibit, "text"),
                (WORDS["digest"], _grouped(digits), "code"),
                (WORDS["size"], f"{receipt.size:,} bytes".replace(",", "\u202f"), "text"),
                (WORDS["submission"], receipt.submission, "code"),
            ],
        ),
        (
            WORDS["where"],
            [
                (WORDS["registered"], str(fields["at"]), "text"),
                (WORDS["entry"], number, "text"),
                (WORDS["ledger"], head.origin, "text"),
                (WORDS["root"], _grouped(head.root.hex()), "code"),
                (WORDS["key"], _grouped(fingerprint), "code"),
            ],
        ),
        (WORDS["who"], [*_witnesses(receipt), *_stamps(receipt)]),
    ]
    data: dict[str, Any] = {
        "words": WORDS,
        "language": "en",
        "sections": [
            {"title": title, "rows": [{"name": n, "value": v, "form": f} for n, v, f in found]}
            for title, found in rows
        ],
        "shows": list(SHOWS),
        "check": CHECK,
        "made": f"{receipt.exhibit}, page made {timestamp(generated_at)}",
        "qr": {
            "kind": "qr",
            "content": f"{receipt.sha256}\n{head.origin} {head.size} {head.root.hex()}",
            "alt": WORDS["alt"],
        },
    }
    return render_page("receipt.typ", data, at=generated_at)


def _witnesses(receipt: Receipt) -> list[tuple[str, str, str]]:
    since = f"none yet: unwitnessed since {receipt.unwitnessed_since}"
    if not receipt.policy:
        return [(WORDS["witnesses"], since, "text")]
    try:
        policy = parse_policy(receipt.policy)
        found = cosignatures(Proof.parse(receipt.proof).note, policy.keys)
    except CustodyError as error:
        return [(WORDS["witnesses"], f"cannot be read: {error}", "text")]
    lines = [
        f"{key.name}, {timestamp(moment(seconds))}"
        for key, seconds in sorted(found.items(), key=lambda item: item[1])
    ]
    if not (found and policy.satisfied(found)):
        lines.append(f"no quorum yet: unwitnessed since {receipt.unwitnessed_since}")
    return [(WORDS["witnesses"], line, "text") for line in lines[:6]]


def _stamps(receipt: Receipt) -> list[tuple[str, str, str]]:
    lines: list[str] = []
    for _, der in receipt.tokens:
        try:
            token = read_token(der)
        except CustodyError as error:
            lines.append(f"cannot be read: {error}")
            continue
        lines.append(f"{token.authority}, {timestamp(token.time)}")
    chosen: Sequence[str] = list(dict.fromkeys(lines))[:4] or ["none"]
    return [(WORDS["stamps"], line, "text") for line in chosen]


def _grouped(digits: str) -> str:
    return " ".join(digits[i : i + 16] for i in range(0, len(digits), 16))
