"""Look at what was read out of exhibits and made of them: every look is an entry first."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from custody.entry import Act, Draft
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_exhibit
from repository.closed_members import check_open
from repository.errors import Erased, IntegrityError, NotExtracted
from repository.exhibits import latest_run, ref
from repository.keys import unwrap
from repository.models import DerivedObject, Exhibit, ExtractionRun
from repository.retrieve import recorded_parts
from repository.sealed import read_document
from repository.stores import Stored


def show_record(repo: Repository, caller: Caller, number: str) -> dict[str, Any]:
    """Return what the newest run read out of an exhibit; recorded with the record's digest.

    Raises:
        UnknownExhibit: not for this caller; recorded.
        NotExtracted: nobody has looked at it yet.
        Erased: it was erased, and its records with it.
        IntegrityError: the stored record is not the one that its entry names.
    """
    return record_at(repo, caller, number)[2]


def record_at(
    repo: Repository, caller: Caller, number: str, run: int | None = None
) -> tuple[Exhibit, ExtractionRun, dict[str, Any]]:
    """Return an exhibit, one of its runs (None: the newest) and the record; recorded as above.

    Raises:
        UnknownExhibit, NotExtracted, Erased, IntegrityError: as `show_record`.
    """
    exhibit, found = _seen(repo, caller, number, "extraction-record", run)
    return exhibit, found, record_of(repo, exhibit, found)


def read_derivative(
    repo: Repository, caller: Caller, number: str, kind: str, *, locator: str = ""
) -> tuple[str, bytes]:
    """Return the media type and bytes of something made of an exhibit by its newest run.

    Args:
        repo: the repository.
        caller: who looks.
        number: the exhibit.
        kind: thumbnail, preview, page, text …
        locator: of which part of the exhibit: "", "page=2", "t=12".

    Raises:
        UnknownExhibit, Erased: as `show_record`.
        AccessDenied: it is of a member that may be privileged; recorded.
        NotExtracted: there is no such derivative.
        IntegrityError: it is not the one that the record names.
    """
    exhibit, run = _seen(repo, caller, number, "derivative", locator=locator)
    made = record_of(repo, exhibit, run)["derivatives"]
    asked = (kind, locator)
    places = [n for n, one in enumerate(made, 1) if (one["kind"], one["locator"]) == asked]
    if not places:
        raise NotExtracted(f"the newest run made no {kind} of {exhibit.number}")
    one = made[places[0] - 1]
    query = select(DerivedObject).where(
        DerivedObject.exhibit_id == exhibit.id,
        DerivedObject.run == run.run,
        DerivedObject.number == places[0],
    )
    with repo.database.reading() as session:
        row = session.scalars(query).one()
    return str(one["mime"]), derived_bytes(repo, exhibit, row, one)


def derived_bytes(
    repo: Repository, exhibit: Exhibit, row: DerivedObject, said: Mapping[str, Any]
) -> bytes:
    """Return something made of an exhibit, for the program's own use; showing it is an entry.

    Raises:
        IntegrityError: it is not the one that the record, which said so, names.
    """
    data = _read(repo, exhibit, row.stored)
    if f"sha256:{sha256(data).hexdigest()}" != said["sha256"]:
        raise IntegrityError(f"{exhibit.number}: its {row.kind} is not the one that was made")
    return data


def _seen(
    repo: Repository,
    caller: Caller,
    number: str,
    reason: str,
    wanted: int | None = None,
    locator: str = "",
) -> tuple[Exhibit, ExtractionRun]:
    """Return an exhibit and one of its runs, None being the newest, once that look is recorded."""
    actor, case, exhibit = on_exhibit(repo, caller, Right.FACTS, number, attempted=Act.CONSULTATION)
    if locator.startswith("member=") and actor.role != "reviewer":
        member = locator.removeprefix("member=")
        check_open(repo, caller, case, exhibit, [member], Act.CONSULTATION)
    with repo.database.reading() as session:
        run = latest_run(session, exhibit.id)
        if wanted is not None and run is not None:
            run = session.get(ExtractionRun, (exhibit.id, wanted))
    if exhibit.erased_at is not None:
        raise Erased(f"{exhibit.number} was erased, and with it what was read out of it")
    if run is None:
        raise NotExtracted(
            f"{exhibit.number} has not been looked at yet; a worker will"
            if wanted is None
            else f"{exhibit.number} has no run {wanted}"
        )
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason=reason,
            exhibit=ref(exhibit),
            plain={"outputs": [run.record_sha256]},
            withheld={"case": case.code},
        )
    )
    return exhibit, run


def record_of(repo: Repository, exhibit: Exhibit, run: ExtractionRun) -> dict[str, Any]:
    """Return the record of a run, for the program's own use; showing it is an entry.

    Raises:
        IntegrityError: the stored record is not the one that its entry names.
    """
    data = _read(repo, exhibit, run.record)
    if f"sha256:{sha256(data).hexdigest()}" != run.record_sha256:
        raise IntegrityError(f"{exhibit.number}: the record of run {run.run} is another")
    found: dict[str, Any] = json.loads(data)
    return found


def _read(repo: Repository, exhibit: Exhibit, stored: dict[str, Any]) -> bytes:
    sealed = recorded_parts(repo, exhibit)[0].encryption is not None
    key = unwrap(repo, exhibit.id) if sealed else None
    return read_document(repo.store, Stored.from_json(stored), key=key)
