"""The first entries of an exhibit: collection, receipt, digests, registration; or quarantine.

What does not fit into one entry stands in several: digests of many parts, and the parts of a
registration (docs/format.md 2.3).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, ExhibitRef
from ingest.staging import Received, Staged
from repository.exhibits import part_json
from repository.models import Case, Exhibit, Part, Quarantined
from repository.naming import recorded_name
from repository.submissions import Declaration

ROOM = 48_000  # bytes of parts in one entry; an entry holds 65,535 with all that stands around them
TOGETHER = 48  # parts whose digests stand in one entry, at most 880 bytes each


def history(
    actor: Actor, case: Case, declaration: Declaration, received: Received, exhibit: Exhibit
) -> list[Draft]:
    """Return an exhibit's first entries: collection, receipt, digests, registration."""
    about = ExhibitRef(exhibit.id, exhibit.number, exhibit.sha256, exhibit.size)
    purpose = {"purpose": declaration.purpose.to_json(), "case": case.code}
    drafts = []
    if declaration.collection:
        drafts.append(
            Draft(
                Act.COLLECTION,
                actor,
                exhibit=about,
                plain={"occurred_at": declaration.occurred_at} if declaration.occurred_at else {},
                withheld=declaration.collection,
            )
        )
    drafts.append(
        Draft(
            Act.RECEIPT,
            actor,
            exhibit=about,
            plain={"location": received.parts[0].stored.location()},
            withheld={**_names(received), **purpose},
        )
    )
    drafts += calculations(actor, received, about)
    drafts += _registrations(actor, case, received, about)
    return drafts


def calculations(actor: Actor, received: Received, about: ExhibitRef | None) -> list[Draft]:
    """Return the digests at source (declared) and at receipt (computed): two facts.

    Parts with the same verdict share an entry: nothing declared, all as declared, or different.
    """
    groups: dict[str, list[Staged]] = {}
    for part in received.parts:
        outcome = "done"  # nothing was declared, so nothing was compared
        if part.declared:
            outcome = "fail" if part.mismatches else "pass"
        groups.setdefault(outcome, []).append(part)
    return [
        _calculation(actor, outcome, some[start : start + TOGETHER], about)
        for outcome, some in groups.items()
        for start in range(0, len(some), TOGETHER)
    ]


def quarantine(actor: Actor, case: Case, received: Received, kept: Quarantined) -> list[Draft]:
    """Return the entries about a thing that waits: a declared digest is another, or it is held."""
    detail: dict[str, Any] = {"quarantine": kept.id, "submission": kept.submission_id}
    names = _names(received)
    detail.update(names.pop("detail", {}))
    if len(received.parts) > 1:
        detail["keys"] = [part.stored.key for part in received.parts]
    drafts = calculations(actor, received, None)
    drafts.append(
        Draft(
            Act.QUARANTINE,
            actor,
            reason=received.held or "digest-mismatch",
            plain={
                "location": received.parts[0].stored.location(),
                "outputs": [received.sha256],
            },
            withheld={**names, "case": case.code, "detail": detail},
            subject=received.exhibit_id,
        )
    )
    return drafts


def part_row(staged: Staged) -> Part:
    """Return the row of a part."""
    return Part(
        exhibit_id=staged.exhibit_id,
        part=staged.part,
        size=staged.size,
        digests=staged.digests,
        chunk_count=staged.chunk_count,
        chunk_root=staged.chunk_root,
        stored=staged.stored.to_json(),
        further=[one.to_json() for one in staged.objects[1:]] or None,
        manifest={**staged.manifest.to_json(), "plain_sha256": staged.manifest_sha256},
        encryption=staged.encryption,
    )


def _names(received: Received) -> dict[str, Any]:
    """Return the original name, and of several parts each one's, as withheld fields."""
    found: dict[str, Any] = {"name": recorded_name(received.path)}
    if len(received.parts) > 1:
        found["detail"] = {"names": [recorded_name(part.path) for part in received.parts]}
    return found


def _calculation(
    actor: Actor, outcome: str, parts: Sequence[Staged], about: ExhibitRef | None
) -> Draft:
    return Draft(
        Act.MESSAGE_DIGEST_CALCULATION,
        actor,
        outcome,
        reason="digest-mismatch" if outcome == "fail" else None,
        exhibit=about,
        plain={
            "verification": {
                "expected": [one for part in parts for one in sorted(part.declared.values())],
                "observed": [one for part in parts for one in sorted(part.digests.values())],
            }
        },
        subject=parts[0].exhibit_id,
    )


def _registrations(
    actor: Actor, case: Case, received: Received, about: ExhibitRef
) -> Iterator[Draft]:
    """Yield the registration; with parts for more than one entry, the further ones after it."""
    groups = _fitting([part_json(part_row(part)) for part in received.parts])
    for parts in groups:
        plain: dict[str, Any] = {"parts": parts}
        if len(groups) > 1:
            plain["count"] = len(received.parts)
        yield Draft(
            Act.REGISTRATION, actor, exhibit=about, plain=plain, withheld={"case": case.code}
        )


def _fitting(parts: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    groups: list[list[dict[str, Any]]] = [[]]
    room = ROOM
    for part in parts:
        size = len(dumps(part)) + 1
        if size > room and groups[-1]:
            groups.append([])
            room = ROOM
        groups[-1].append(part)
        room -= size
    return groups
