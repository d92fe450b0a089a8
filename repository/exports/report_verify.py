"""Section K of the custody report: how its reader checks everything without the institution."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from repository.exports.report_entries import Row, tables, text, title
from repository.exports.report_heading import Heading
from repository.exports.report_words import type_words, word

COMMANDS = {
    "bundle": ["python3 -I verify.py ."],
    "trust": ["python3 -I verify.py . --trust FILE"],
    "files": ["sha256sum -c manifest-sha256.txt", "sha256sum -c tagmanifest-sha256.txt"],
    "key": ["sed -n 's/^log //p' ledger/policy | tr -d '\\n' | sha256sum"],
    "payload": ["LC_ALL=C sort manifest-sha256.txt | sha256sum"],
}


def payload_digest(files: Sequence[tuple[str, str, int]]) -> str:
    """Return the digest that `manifest-sha256.txt` of the bundle will have: of its payload."""
    payload = sorted(
        (digest.removeprefix("sha256:"), path)
        for path, digest, _ in files
        if path.startswith("data/")
    )
    lines = "".join(f"{hexed}  {path}\n" for hexed, path in payload)
    return f"sha256:{sha256(lines.encode()).hexdigest()}"


def verify(
    heading: Heading,
    rows: Sequence[Row],
    files: Sequence[tuple[str, str, int]],
    *,
    elsewhere: bool,
) -> Iterator[dict[str, Any]]:
    """Yield section K: commands, keys, checkpoint, codes to compare, files, types, and limits.

    `elsewhere`: the exhibits' files are not in the bundle, and its list of them is empty.
    """
    compared = f"{heading.key_name}\n{heading.key_fingerprint}\n{heading.tree_size}\n{heading.root}"
    used = sorted({row.type for row in rows})
    yield text("K.intro")
    yield title("K.bundle")
    yield _code(COMMANDS["bundle"])
    yield text("K.bundle.says")
    yield title("K.files")
    yield _code(COMMANDS["files"])
    yield title("K.key")
    yield _code([heading.key_fingerprint])
    yield _code(COMMANDS["key"])
    yield text("K.key.says")
    yield text("K.trust")
    yield _code(COMMANDS["trust"])
    if heading.keys:
        yield text("K.keys")
        yield _code(heading.keys)
    yield title("K.checkpoint")
    yield _code(heading.checkpoint.removesuffix("\n").split("\n"))
    yield text("K.checkpoint.says")
    yield _qr(compared, "K.qr")
    if files and not elsewhere:
        yield _qr(payload_digest(files), "K.qr-bundle")
        yield _code(COMMANDS["payload"])
    yield title("K.proofs")
    yield text("K.proofs.says")
    yield title("K.listing")
    if not files:
        yield text("K.listing.none")
    if elsewhere:
        yield text("K.listing.elsewhere")
    yield from tables(
        ("path", "size", "digest"), [5, 2, 14], ["name", "code", "code"],
        [[path, str(size), digest] for path, digest, size in files],
    )  # fmt: skip
    yield text("K.listing.says")
    yield title("K.types")
    unknown = ("", word("unknown-type"))
    yield from tables(
        ("type", "meaning"), [4, 8], ["code", "text"],
        [[name, ": ".join(filter(None, type_words(name) or unknown))] for name in used],
    )  # fmt: skip
    yield title("K.not")
    yield text("K.not.says")


def _code(lines: Sequence[str]) -> dict[str, Any]:
    return {"kind": "code", "lines": list(lines)}


def _qr(content: str, name: str) -> dict[str, Any]:
    return {
        "kind": "qr", "content": content, "text": word(name), "lines": content.split("\n"),
        "alt": word("K.qr.alt", content=content.replace("\n", ", ")),
    }  # fmt: skip
