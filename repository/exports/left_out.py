"""What a bundle does not hold, and why: said in its report and in its entries."""

from collections.abc import Collection, Sequence

from custody.commitment import Opening
from custody.entry import CustodyEntry
from repository import Repository
from repository.access import IDENTIFYING, INTERNAL, PARTIES
from repository.publication import Seals

ALWAYS = (
    (
        "extraction records (metadata read from the exhibits)",
        "their digests are in the entries metadata_extraction; ask for them separately",
    ),
    (
        "entries about other exhibits and about the house",
        "they are not about the exhibits of this bundle",
    ),
)
REVIEW = "disclosure-review"
NUMBER = "number-given"
SECTIONS_LEFT_OUT = (
    "sections C, F, G, I and J of the custody report",
    "this version of the program does not make them yet",
)


def numbers_in(
    history: Sequence[CustodyEntry], openings: dict[int, dict[str, Opening]], case: str
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
    history: Sequence[CustodyEntry],
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
    counted = (
        (erased, "withheld fields", "their openings were erased"),
        (parties, "fields of what parties read", "what a party looked at is told to no other"),
        (internal, "fields about reviews and further cases", "they are not for this reader"),
        (
            said,
            "fields of tags, notes and assessments",
            "they are for the case team, and were not chosen",
        ),
        (identifying, "fields that name a source", "who it is takes two persons' permission"),
    )
    return [
        (f"the values of {count} {what}", f"{why}; the commitments stay in the entries")
        for count, what, why in counted
        if count
    ]


def _of_case(opened: dict[str, Opening], case: str | None) -> bool:
    """Say whether an entry is about this proceeding, and no further case is named in it."""
    detail = opened["detail"].value if "detail" in opened else {}
    further = isinstance(detail, dict) and "case" in detail
    return case is not None and not further and "case" in opened and opened["case"].value == case


def unsealed(repo: Repository, sealed: Seals, problems: Sequence[str]) -> list[tuple[str, str]]:
    """Say which cosignatures and time-stamps the checkpoint lacks, and why."""
    why = "; ".join(problems) or "another act followed before they could be asked for"
    found = []
    if not repo.policy.witnesses:
        found.append(("cosignatures of witnesses", "no witness is configured: it is unwitnessed"))
    elif not repo.policy.satisfied(sealed.cosigned.keys()):
        what = f"cosignatures of witnesses beyond the {len(sealed.cosigned)} that answered"
        found.append((what, why))
    if not repo.settings.tsa_urls:
        found.append(("time-stamp tokens", "no time-stamping authority is configured"))
    elif not sealed.tokens:
        found.append(("time-stamp tokens", why))
    return found
