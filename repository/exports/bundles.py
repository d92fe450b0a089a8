"""Exports that are asked for and fetched later: a worker makes them, sealed, for some days.

Everything is decided when it is asked, once more when it is made, and again with every download.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from custody.entry import Act, Draft, timestamp, uuid7
from custody.errors import EvidenceError
from repository import Repository
from repository.access import Right, decide
from repository.authorise import Caller, of_case, on_case, refuse, who
from repository.bundle import Bundle, BundleMade
from repository.bundle_receipts import of_report, receipt_json
from repository.errors import (
    BadRequest,
    ExportBlocked,
    UnknownExport,
)
from repository.exhibits import find_exhibit
from repository.exports import export
from repository.exports.archive import SealedBag, draw_key, parts_of
from repository.exports.bag import check_spread
from repository.exports.choice import Choice
from repository.exports.chosen import picked
from repository.exports.encryption import check_recipients
from repository.exports.fonts import check_language, check_printed
from repository.exports.interrupted import LATER
from repository.exports.job import TWINS, Job, entries_about
from repository.exports.said import check_choice, check_recipient
from repository.models import Case, Person
from repository.naming import shown
from repository.people import SYSTEM
from repository.purpose import Purpose, parse
from repository.stated import for_recipient, stated_purpose
from repository.stores import STAGING


def ask(
    repo: Repository,
    caller: Caller,
    code: str,
    *,
    numbers: Sequence[str],
    purpose: str | None,
    authority: str | None = None,
    assured: Sequence[str] = (),
    recipient: str | None = None,
    annotations: Sequence[str] = (),
    stamped: str | None = None,
    twins: Sequence[str] = TWINS,
    language: str = "en",
    reveal: Sequence[str] = (),
    withhold: Sequence[str] = (),
    redaction_of: str | None = None,
    volume_size: int | None = None,
    by_reference: bool = False,
    encrypt_to: Sequence[str] = (),
    drawn: str | None = None,
) -> Bundle:
    """Ask for an export of exhibits of a case (none named: all the caller knows of); recorded.

    Args:
        repo: the repository.
        caller: who exports.
        code: the case.
        numbers: its exhibits.
        purpose, authority, assured, recipient, annotations, stamped, twins, language:
            as `export`.
        reveal, withhold: personal fields, as `choice.Choice`.
        redaction_of: the report of the full bundle that this one is a redaction of.
        volume_size: how many bytes of exhibits are in one volume at most; None: all in one bag.
        by_reference: exhibits are not in it.
        encrypt_to: public keys that each download is encrypted to.
        drawn: the id of the request, where a client drew it; the same again changes nothing.

    Raises:
        PurposeRequired, UnknownCase, UnknownExhibit, AccessDenied: refused and recorded.
        ExportBlocked: nothing to export.
        GlyphMissing: the fonts of that language are not installed, or none prints its own words.
        BadRequest: options that contradict each other.
    """
    check_language(language)
    check_printed(purpose, recipient, authority)
    check_spread(volume_size, by_reference=by_reference)
    check_recipient(recipient)
    attempted = Act.REPORT_GENERATED
    stated = stated_purpose(
        repo, caller, purpose, attempted, authority=authority, assured=assured,
        recipient=recipient,
    )  # fmt: skip
    actor, case = on_case(repo, caller, Right.EXPORT, code, attempted=attempted, purpose=stated)
    found = picked(repo, caller, case, numbers, stated, stamped)
    check_choice(repo, found.exhibits, annotations)
    chosen = Choice(tuple(reveal), tuple(withhold), _full(repo, case, redaction_of))
    chosen.check({one.number for one in found.exhibits}, annotations)
    keys = check_recipients(encrypt_to)
    if all(one.erased_at is not None for one in found.exhibits):
        raise ExportBlocked(f"case {code} has no exhibits that could be exported")
    at = repo.clock()
    row = Bundle(
        id=f"EXP-{drawn or uuid7(at, repo.random)}",
        case_id=case.id,
        person_id=actor.id,
        assurance=actor.assurance,
        asked={
            "exhibits": found.asked,
            "purpose": purpose,
            "authority": authority,
            "assured": list(assured),
            "recipient": recipient,
            "annotations": list(annotations),
            "stamped": stamped,
            "twins": list(twins),
            "language": language,
            "reveal": list(reveal),
            "withhold": list(withhold),
            "full": list(chosen.full),
            "volume_size": volume_size,
            "by_reference": by_reference,
            "encrypt_to": keys,
        },
        asked_at=at,
        state="asked",
    )
    withheld: dict[str, Any] = {"purpose": stated.to_json(), "case": case.code}
    withheld |= {"authority": authority} if authority else {}
    withheld |= {"recipient": recipient} if recipient else {}
    draft = Draft(
        Act.CONSULTATION,
        actor,
        reason="export-asked",
        plain={"count": len(found.exhibits)},
        withheld={**withheld, "detail": {"export": row.id}},
        subject=case.id,
    )
    with repo.database.writing() as session:
        if drawn is not None and (made := session.get(Bundle, row.id)) is not None:
            return made
        session.add(row)
        session.flush()
        repo.ledger.append(session, [draft])
    return row


def _full(repo: Repository, case: Case, report_id: str | None) -> tuple[str, ...]:
    """Return the tag manifests of the full bundle of a report of the same case.

    Raises:
        BadRequest: there is none.
    """
    made = of_report(repo, report_id)
    if report_id is not None and (made is None or made.case_id != case.id):
        raise BadRequest(f"no bundle {shown(report_id)} of this case is the full one")
    return tuple(made.manifests) if made else ()


def find(repo: Repository, caller: Caller, bundle_id: str, attempted: Act) -> tuple[Bundle, str]:
    """Return an export of the caller's own, and the code of its case.

    Raises:
        UnknownExport: there is none, or it is somebody else's; recorded.
    """
    with repo.database.reading() as session:
        row = session.get(Bundle, bundle_id)
        code = session.get_one(Case, row.case_id).code if row else ""
    if row is None or row.person_id != caller.person.id:
        unknown = UnknownExport(f"there is no export {shown(bundle_id)} that you asked for")
        refuse(repo, caller, attempted, ["unknown-export"], unknown, asked=bundle_id)
    return row, code


def show(repo: Repository, caller: Caller, bundle_id: str) -> dict[str, Any]:
    """Return how far an export is; what it tells, its asking has put on record.

    Raises:
        UnknownExport, UnknownCase, AccessDenied: not the caller's any more; recorded.
    """
    row, code = find(repo, caller, bundle_id, Act.CONSULTATION)
    on_case(repo, caller, Right.CONSULT, code, attempted=Act.CONSULTATION)
    return view(row, code, of_report(repo, row.report_id))


def own(
    repo: Repository, caller: Caller, *, after: tuple[datetime, str] | None = None, limit: int
) -> list[tuple[Bundle, str]]:
    """Return the exports that the caller asked for, newest first, each with the code of its case.

    Of cases that the caller may know of no more nothing is told. What it tells, its asking has put
    on record. `after` is when the last one that was seen was asked for, and its id.
    """
    query = (
        select(Bundle, Case)
        .join(Case, Case.id == Bundle.case_id)
        .where(Bundle.person_id == caller.person.id)
        .order_by(Bundle.asked_at.desc(), Bundle.id.desc())
    )
    if after is not None:
        query = query.where(tuple_(Bundle.asked_at, Bundle.id) < after)
    found: list[tuple[Bundle, str]] = []
    with repo.database.reading() as session:
        mine: dict[str, bool] = {}
        for row, case in session.execute(query).yield_per(limit):
            if case.id not in mine:
                asking, thing = who(session, caller, case), of_case(session, caller, case)
                decision = decide(asking, Right.CONSULT, thing, None, repo.clock())
                mine[case.id] = decision.allowed
            if mine[case.id]:
                found.append((row, case.code))
            if len(found) == limit:
                break
    return found


def view(row: Bundle, code: str, made: BundleMade | None = None) -> dict[str, Any]:
    """Return an export as the API answers it; `made`: its finished bundle."""
    return {
        "export": row.id,
        "case": code,
        "state": row.state,
        "reason": row.reason,
        "exhibits": row.asked["exhibits"],
        "recipient": row.asked["recipient"],
        "asked_at": timestamp(row.asked_at),
        "report": row.report_id if row.state == "ready" else None,
        "tree_size": row.tree_size,
        "manifest": row.manifest,
        "manifests": made.manifests if made else [row.manifest] if row.manifest else [],
        "size": row.size,
        "encrypted": bool(row.asked.get("encrypt_to")),
        "left_out": [{"what": what, "why": why} for what, why in row.left_out or ()],
        "until": timestamp(row.until) if row.until else None,
        "receipt": receipt_json(made),
    }


def purpose_of(repo: Repository, row: Bundle) -> Purpose:
    """Return the purpose that was stated when an export was asked for."""
    asked = row.asked
    said = parse(asked["purpose"], authority=asked["authority"], assured=asked["assured"])
    return for_recipient(repo, said, asked["recipient"])


# --- what a worker does


def waiting(repo: Repository, *, limit: int) -> list[str]:
    """Return the exports that are to be made, longest waiting first."""
    query = (
        select(Bundle.id)
        .where(Bundle.state.in_(("asked", "making")))
        .order_by(Bundle.asked_at)
        .limit(limit)
    )
    with repo.database.reading() as session:
        return list(session.scalars(query))


def make(repo: Repository, bundle_id: str) -> None:
    """Make an export, as the person who asked for it; one that may not be made has failed.

    Raises:
        StoreUnavailable, LedgerUnavailable, …: not now; it is tried again, from the beginning.
    """
    with repo.database.writing() as session:
        row = session.get(Bundle, bundle_id, with_for_update={"key_share": True})
        if row is None or row.state not in ("asked", "making"):
            return
        before, row.report_id = row.report_id, uuid7(repo.clock(), repo.random)
        row.state, row.wrapped = "making", draw_key(repo)
        caller = Caller(session.get_one(Person, row.person_id), row.assurance)
        case = session.get_one(Case, row.case_id)
    if before is not None:
        _interrupted(repo, row, caller, case, before)
    asked = row.asked
    bag = SealedBag(
        repo, row.wrapped, row.id, volume_size=asked.get("volume_size"),
        by_reference=asked.get("by_reference", False),
    )  # fmt: skip
    choice = Choice(*(tuple(asked.get(name, ())) for name in ("reveal", "withhold", "full")))
    try:
        made = export(
            repo, caller, code=case.code, numbers=asked["exhibits"], into=bag,
            purpose=asked["purpose"], recipient=asked["recipient"], authority=asked["authority"],
            assured=asked["assured"], annotations=asked.get("annotations", ()),
            stamped=asked.get("stamped"),
            twins=asked.get("twins", TWINS), language=asked.get("language", "en"),
            request_id=row.report_id, choice=choice, encrypt_to=asked.get("encrypt_to", ()),
        )  # fmt: skip
    except LATER:
        _put(repo, row, state="asked", report_id=None, wrapped=None)
        raise
    except EvidenceError as error:  # refused by rule, or what is stored is not what was taken in
        _put(repo, row, state="failed", reason=error.code, wrapped=None)
        return
    volumes = bag.layouts(made.listed)
    layout = {"volumes": volumes, "about": [exhibit.id for exhibit, _ in made.listed]}
    ends = [parts_of(one)[-1] for one in volumes]
    _put(
        repo, row, state="ready", layout=layout, asked={**asked, "exhibits": made.exhibits},
        size=sum(end.start + end.length for end in ends),
        manifest=made.manifest, tree_size=made.tree_size,
        left_out=[list(one) for one in made.left_out],
        until=repo.clock() + timedelta(days=repo.settings.export_days),
    )  # fmt: skip


def give_up(session: Session, repo: Repository, bundle_id: str, _reason: str) -> None:
    """Put on record that an export cannot be made."""
    row = session.get_one(Bundle, bundle_id, with_for_update={"key_share": True})
    if row.state not in ("asked", "making"):
        return  # somebody could
    row.state, row.reason, row.wrapped = "failed", "not-made", None
    session.flush()
    draft = Draft(
        Act.REPORT_GENERATED, SYSTEM, "error", reason="not-made",
        request_id=row.report_id or row.id.removeprefix("EXP-"),
        withheld={"detail": {"export": row.id}}, subject=row.case_id,
    )  # fmt: skip
    repo.ledger.append(session, [draft])


def expire(repo: Repository) -> None:
    """End exports whose time is over: their key is forgotten, and what was kept is removed."""
    now = repo.clock()
    over = update(Bundle).where(Bundle.state == "ready", Bundle.until <= now)
    with repo.database.writing() as session:
        session.execute(over.values(state="ended", wrapped=None, layout=None))
    # Names begin with the hour they were given; what a crash left goes the same way.
    kept = f"x/{now - timedelta(days=repo.settings.export_days + 1):%Y%m%d%H}/"
    for one in takewhile(lambda one: one.key < kept, repo.store.versions(STAGING, "x/")):
        repo.store.discard(one)


def _put(repo: Repository, row: Bundle, **values: Any) -> None:
    """Change the row of a try, unless another try has begun since."""
    mine = update(Bundle).where(
        Bundle.id == row.id, Bundle.report_id == row.report_id, Bundle.state == "making"
    )
    with repo.database.writing() as session:
        session.execute(mine.values(**values))


def _interrupted(repo: Repository, row: Bundle, caller: Caller, case: Case, before: str) -> None:
    """Put on record that a try ended with its process, before another one begins."""
    with repo.database.reading() as session:
        found = [find_exhibit(session, number) for number in row.asked["exhibits"]]
    job = Job(
        repo, caller.actor(), case, [one for one in found if one is not None],
        purpose_of(repo, row), row.asked["recipient"], request_id=before,
        at=timestamp(repo.clock()), erased=[],
    )  # fmt: skip
    repo.ledger.record(*entries_about(job, "aborted", reason="interrupted"))
