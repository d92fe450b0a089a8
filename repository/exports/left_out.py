"""What a bundle leaves out, and why: said in it, so that nothing is missing unseen."""

from collections.abc import Sequence

from custody.commitment import Opening
from custody.entry import CustodyEntry
from repository import Repository
from repository.access import IDENTIFYING, PARTIES
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
SECTIONS_LEFT_OUT = (
    "sections C, F, G, H, I and J of the custody report",
    "this version of the program does not make them yet",
)


def closed(
    history: Sequence[CustodyEntry], openings: dict[int, dict[str, Opening]]
) -> list[tuple[str, str]]:
    """Take out the openings that are not for the reader; say how many, and how many were erased."""
    erased = parties = identifying = 0
    for entry in history:
        opened = openings[entry.index]
        erased += len(set(entry.fields.get("_sd", {})) - set(opened))
        if entry.fields["actor"]["role"] in PARTIES:
            parties += len(opened)
            opened.clear()
        identifying += sum(opened.pop(name, None) is not None for name in IDENTIFYING)
    counted = (
        (erased, "withheld fields", "their openings were erased"),
        (parties, "fields of what parties read", "what a party looked at is told to no other"),
        (identifying, "fields that name a source", "who it is takes two persons' permission"),
    )
    return [
        (f"the values of {count} {what}", f"{why}; the commitments stay in the entries")
        for count, what, why in counted
        if count
    ]


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
