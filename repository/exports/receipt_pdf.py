"""A receipt on paper, for people: what was handed in, where it stands, and how to check it.

That of an exhibit is one page; that of a submission goes on with its list.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from custody.checkpoint import Checkpoint
from custody.cosignature import cosignatures, moment
from custody.entry import parse_body, timestamp
from custody.errors import CustodyError
from custody.note import Note, VerifierKey
from custody.quorum import parse as parse_policy
from custody.receipt import AnyReceipt, Proof, Receipt, SubmissionReceipt
from custody.timestamp import read as read_token
from repository.exports.pdf import render_page
from repository.naming import shown

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


LIST_WORDS = {
    **WORDS,
    "title": "Receipt of a submission",
    "announced": "What was announced",
    "complete": "What became of what was handed in",
    "files": "Files",
    "digest": "SHA-256 of the list",
    "n": "No.",
    "name": "Name",
    "bytes": "Bytes",
    "became": "Became",
    "sha256": "SHA-256",
    "stands": "Entry",
    "alt": "The digest of the list and the root of the ledger's tree as a code",
    "list": "The list",
    "registered": "Recorded",
}
_LEFT_OUT = (
    "It does not show who handed the bytes in, what they are, or whether what they depict is true. "
    "Files stand under the names they came with; what was declared of persons, the case and the "
    "purpose are left out."
)
LIST_SHOWS = {
    "announced": (
        (
            "Before their bytes came, the repository recorded the digest of this list. It shows "
            "which files were announced, with their sizes and the digests declared; not that they "
            "arrived, which the receipt at the end says."
        ),
        _LEFT_OUT,
    ),
    "complete": (
        (
            "The repository recorded the digest of this list when the submission ended. It shows "
            "which bytes were registered, set apart, or never came. Each exhibit has a receipt of "
            "its own."
        ),
        _LEFT_OUT,
    ),
}
STATES = {
    "quarantined": "set apart: another digest was declared",
    "incomplete": "kept; other parts of its thing did not come",
    "not-arrived": "did not arrive",
}
MAX_FILES = 2_000  # on paper; the file has them all
MAX_NAME = 200  # characters of a name on paper


def receipt_pdf(receipt: Receipt, *, generated_at: datetime) -> bytes:
    """Return the receipt of an exhibit as one page (PDF/A-3a, PDF/UA-1 by Typst's claim).

    The same receipt and time give the same bytes. Nothing is verified here; the page says how.

    Args:
        receipt: completed, if witnesses have answered.
        generated_at: the page's own date.

    Raises:
        MalformedEntry, MalformedNote: the receipt cannot be read.
        GlyphMissing, RenderFailed: the page cannot be made.
    """
    digits = receipt.sha256.removeprefix("sha256:")
    what = [
        (WORDS["exhibit"], receipt.exhibit, "text"),
        (WORDS["digest"], _grouped(digits), "code"),
        (WORDS["size"], _number(receipt.size, "bytes"), "text"),
        (WORDS["submission"], receipt.submission, "code"),
    ]
    data = _data(receipt, WORDS, (WORDS["what"], what), SHOWS)
    data["made"] = f"{receipt.exhibit}, page made {timestamp(generated_at)}"
    return render_page("receipt.typ", data, at=generated_at)


def submission_receipt_pdf(
    receipt: SubmissionReceipt, files: Iterable[dict[str, Any]], *, generated_at: datetime
) -> bytes:
    """Return the receipt of a submission as pages: the same facts, then a row for each file.

    Of more than `MAX_FILES` files the pages say only how many there are.

    Args:
        receipt: completed, if witnesses have answered.
        files: its list, checked (`SubmissionReceipt.check_list`).
        generated_at: the pages' own date.

    Raises:
        MalformedEntry, MalformedNote: the receipt cannot be read.
        GlyphMissing, RenderFailed: the pages cannot be made.
    """
    listed = [_row(one) for one in files if receipt.count <= MAX_FILES]
    what = [
        (LIST_WORDS["submission"], receipt.submission, "code"),
        (LIST_WORDS["files"], _number(receipt.count), "text"),
        (LIST_WORDS["digest"], _grouped(receipt.sha256.removeprefix("sha256:")), "code"),
    ]
    if not listed:
        what.append((LIST_WORDS["list"], f"more than {MAX_FILES} files: in the JSON file", "text"))
    shows = LIST_SHOWS[receipt.stage]
    data = _data(receipt, LIST_WORDS, (LIST_WORDS[receipt.stage], what), shows)
    data["files"] = listed
    data["made"] = f"{receipt.submission}, {receipt.stage}, made {timestamp(generated_at)}"
    return render_page("receipt.typ", data, at=generated_at)


def _data(
    receipt: AnyReceipt,
    words: dict[str, str],
    what: tuple[str, list[tuple[str, str, str]]],
    shows: Sequence[str],
) -> dict[str, Any]:
    fields = parse_body(receipt.body.encode())
    head = Checkpoint.parse_text(Note.parse(Proof.parse(receipt.proof).note).text)
    where = [
        (words["registered"], str(fields["at"]), "text"),
        (words["entry"], f"{_number(receipt.index)} of a tree of {_number(head.size)}", "text"),
        (words["ledger"], head.origin, "text"),
        (words["root"], _grouped(head.root.hex()), "code"),
        (words["key"], _grouped(VerifierKey.parse(receipt.key).fingerprint), "code"),
    ]
    sections = [
        what,
        (words["where"], where),
        (words["who"], [*_witnesses(receipt), *_stamps(receipt)]),
    ]
    return {
        "words": words,
        "language": "en",
        "sections": [
            {"title": title, "rows": [{"name": n, "value": v, "form": f} for n, v, f in found]}
            for title, found in sections
        ],
        "files": [],
        "shows": list(shows),
        "check": CHECK,
        "qr": {
            "kind": "qr",
            "content": f"{receipt.sha256}\n{head.origin} {head.size} {head.root.hex()}",
            "alt": words["alt"],
        },
    }


def _row(file: dict[str, Any]) -> dict[str, Any]:
    """Return a file of a list as a row: number, name, size, what it became, digest."""
    name = file["path"] if isinstance(file["path"], str) else shown(file["path"])
    digest = file.get("sha256") or file.get("digests", {}).get("sha256") or ""
    digits = digest.removeprefix("sha256:")
    became = STATES.get(file.get("status", ""), "")
    if "exhibit" in file:
        became = file["exhibit"] + (f", part {file['part']}" if "part" in file else "")
    if "entry" in file:
        became += f"\nentry {_number(file['entry'])}"
    if file.get("further"):
        became += "\nnot announced"
    return {
        "number": _number(file["n"]),
        "path": name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…",
        "bytes": _number(file["size"]),
        "became": became.split("\n"),
        "digest": [digits[:32], digits[32:]] if digits else ["–"],
    }


def _number(value: int, unit: str = "") -> str:
    return f"{value:,} {unit}".strip().replace(",", "\u202f")


def _witnesses(receipt: AnyReceipt) -> list[tuple[str, str, str]]:
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


def _stamps(receipt: AnyReceipt) -> list[tuple[str, str, str]]:
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
