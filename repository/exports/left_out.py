"""What a bundle does not hold, and why: said in its report and in its entries."""

from collections.abc import Collection, Sequence

from custody.commitment import Opening
from repository import Repository
from repository.access import IDENTIFYING, INTERNAL, PARTIES
from repository.exports.kept import Kept
from repository.exports.report_words import Phrase
from repository.publication import Seals

ALWAYS = (
    (Phrase("left.extraction"), Phrase("left.extraction.why")),
    (Phrase("left.others"), Phrase("left.others.why")),
)
REVIEW = "disclosure-review"
NUMBER = "number-given"


def numbers_in(
    history: Sequence[Kept], openings: dict[int, dict[str, Opening]], case: str
) -> set[int]:
    """Return the entries that give exhibits the numbers by which this proceeding cites them."""
    return {
        entry.index
        for entry in history
        if entry.fields["type"] == "annotation"
        and entry.fields.get("reason") == NUMBER
        and "case" in openings[entry.index]
        and openings[entry.index]["case"].value == case
    }


def closed(
    history: Sequence[Kept],
    openings: dict[int, dict[str, Opening]],
    case: str | None,
    *,
    chosen: Collection[int] = (),
) -> list[tuple[str, str]]:
    """Take out the openings that are not for the reader; say how many, and how many were erased.

    Reviews of `case` stay open; None: the reader is a party, and none does. What the case team says
    of an exhibit is in no bundle, but for the entries of `chosen`.
    """
    erased = parties = internal = identifying = said = 0
    for entry in history:
        opened = openings[entry.index]
        erased += len(set(entry.fields.get("_sd", {})) - set(opened))
        if entry.fields["actor"]["role"] in PARTIES:
            parties += len(opened)
            opened.clear()
        if entry.index in chosen:
            continue
        if entry.fields["type"] == "annotation" and entry.fields.get("reason") != REVIEW:
            said += len(opened)
            opened.clear()
        if entry.fields["type"] in INTERNAL and not _of_case(opened, case):
            internal += len(opened)
            opened.clear()
        identifying += sum(opened.pop(name, None) is not None for name in IDENTIFYING)
    counted = {
        "erased": erased,
        "parties": parties,
        "internal": internal,
        "said": said,
        "identifying": identifying,
    }
    return [
        (Phrase(f"left.{name}", count=count), Phrase(f"left.{name}.why"))
        for name, count in counted.items()
        if count
    ]


def absent(exhibits: int) -> tuple[str, str]:
    """Say of a bundle by reference that the bytes of its exhibits, so many, are not in it."""
    return Phrase("left.reference", count=exhibits), Phrase("left.reference.why")


def _of_case(opened: dict[str, Opening], case: str | None) -> bool:
    """Say whether an entry is about this proceeding, and no further case is named in it."""
    detail = opened["detail"].value if "detail" in opened else {}
    further = isinstance(detail, dict) and "case" in detail
    return case is not None and not further and "case" in opened and opened["case"].value == case


def unsealed(repo: Repository, sealed: Seals, problems: Sequence[str]) -> list[tuple[str, str]]:
    """Say which cosignatures and time-stamps the checkpoint lacks, and why."""
    found: list[tuple[str, str]] = []
    why = "; ".join(problems) or Phrase("left.later.why")
    if not repo.policy.witnesses:
        found.append((Phrase("left.witnesses"), Phrase("left.witnesses.why")))
    elif not repo.policy.satisfied(sealed.cosigned.keys()):
        found.append((Phrase("left.quorum", answered=len(sealed.cosigned)), why))
    if not repo.settings.tsa_urls:
        found.append((Phrase("left.tokens"), Phrase("left.tokens.why")))
    elif not sealed.tokens:
        found.append((Phrase("left.tokens"), why))
    return found
