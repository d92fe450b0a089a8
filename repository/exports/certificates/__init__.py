"""Statements of a custodian, filled in from a bundle's entries: to edit, and as a signed PDF.

They are made of a bundle of this house, verified first; that they were made is an entry. What they
state is counted from entries; what only a person knows is a blank.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from custody import verify as offline
from custody.append import take_lock
from custody.entry import Act, Actor, Draft, timestamp, uuid7
from custody.errors import NoSuchEntry
from repository import Repository, software
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.bundle import BundleMade
from repository.errors import BadRequest, ExportBlocked, IntegrityError
from repository.exports.bundles import find
from repository.exports.certificates.facts import Facts, read
from repository.exports.certificates.statements import BLANK, LAWS, Statement, statement
from repository.exports.handing import check_state, own_files
from repository.exports.signatures import Signed, signed_pdf
from repository.installed import digests_of
from repository.models import Case
from repository.purpose import Purpose
from repository.stated import stated_purpose
from repository.workplace import workplace

KINDS = tuple(LAWS)
# Without its closing entry a bundle is whatever somebody made of it.
_NEEDED = frozenset(offline.REQUIRED) - {"complete"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A statement that was made: its two files, what is open, and how it is signed."""

    kind: str
    report: str
    word: bytes
    signed: Signed
    unresolved: tuple[str, ...]


def certify(
    repo: Repository, caller: Caller, *, kind: str, code: str, bundle: Path, purpose: str | None
) -> Certificate:
    """Return a statement about the exhibits of a bundle; recorded.

    Args:
        repo: the repository.
        caller: who makes it.
        kind: one of `KINDS`.
        code: the case that the bundle is of.
        bundle: its folder.
        purpose: as stated; `court` if nothing is said.

    Raises:
        PurposeTooLong, UnknownCase, AccessDenied: refused and recorded.
        BadRequest: no bundle of this house and case.
        IntegrityError: the bundle does not verify.
        GlyphMissing, RenderFailed, SignatureUnavailable: the PDF cannot be made.
    """
    act = Act.REPORT_GENERATED
    stated = stated_purpose(repo, caller, purpose or "court", act)
    actor, case = on_case(repo, caller, Right.EXPORT, code, attempted=act, purpose=stated)
    if not bundle.is_dir():
        raise BadRequest(f"{bundle} is no folder of a bundle")
    try:
        claims = offline.verify_path(bundle, None)
    except offline.WrongUse as error:
        raise BadRequest(f"{bundle} is no folder of a bundle") from error
    for one in claims:
        if one.outcome == "fail" or (one.outcome == "not-done" and one.claim in _NEEDED):
            said = f"{one.claim} is {one.outcome}: {one.detail}"
            raise IntegrityError(f"the bundle does not verify: {said}")
    facts = read(bundle)
    _check_ours(repo, facts, code)
    return _made(repo, actor, case, stated, kind, facts)


def certify_export(
    repo: Repository, caller: Caller, export_id: str, *, kind: str, purpose: str | None
) -> Certificate:
    """Return a statement about the exhibits of an export that is kept for download; recorded.

    The bundle's own files are compared with what was stored and with the tag manifest that the
    ledger has; exhibits were compared when it was made, and are again with every download.

    Raises:
        UnknownExport: there is none, or it is somebody else's; recorded.
        PurposeTooLong, UnknownCase, AccessDenied: refused and recorded.
        ExportNotReady, ExportBlocked, ExportEnded: there is no bundle yet, or no more.
        IntegrityError: a file is not what was stored.
        GlyphMissing, RenderFailed, SignatureUnavailable: the PDF cannot be made.
    """
    act = Act.REPORT_GENERATED
    row, code = find(repo, caller, export_id, act)
    stated = stated_purpose(repo, caller, purpose or "court", act)
    actor, case = on_case(repo, caller, Right.EXPORT, code, attempted=act, purpose=stated)
    check_state(row)
    with workplace(repo) as place:
        folder = own_files(repo, row.id, place)
        facts = read(folder)
        tags = (folder / offline.TAGS).read_text().splitlines()
        listed = {path: digest for digest, _, path in (line.partition("  ") for line in tags)}
        for path, digest in listed.items():
            if sha256((folder / path).read_bytes()).hexdigest() != digest:
                raise IntegrityError(f"{path} of {row.id} is not what was listed")
    if facts.manifest != row.manifest:
        raise IntegrityError(f"the tag manifest of {row.id} is not the one that was recorded")
    _check_ours(repo, facts, code)
    return _made(repo, actor, case, stated, kind, facts)


def _made(
    repo: Repository, actor: Actor, case: Case, stated: Purpose, kind: str, facts: Facts
) -> Certificate:
    """Make the two files of a statement and record that."""
    act = Act.REPORT_GENERATED
    facts.installed = digests_of(repo, facts.programs)
    at = repo.clock()
    said = statement(kind, facts)
    from repository.exports.certificates.word_file import word_file  # on first use
    from repository.exports.pdf import render_page

    made = f"{facts.report}, made {timestamp(at)} by {software()}"
    pdf = render_page("certificate.typ", _data(said, made), at=at)
    signed = signed_pdf(repo, pdf, reason=f"statement {kind}, report {facts.report}")
    word = word_file(said, at)
    outputs = [f"sha256:{sha256(data).hexdigest()}" for data in (signed.pdf, word)]
    draft = Draft(
        act, actor, reason="certificate", request_id=uuid7(at, repo.random),
        plain={"count": len(facts.exhibits), "inputs": [facts.manifest], "outputs": outputs},
        withheld={
            "purpose": stated.to_json(), "case": case.code,
            "detail": {"certificate": kind, "report": facts.report},
        },
        subject=case.id,
    )  # fmt: skip
    with repo.database.writing() as session:
        take_lock(session)
        [entry] = repo.ledger.append(session, [draft])
        made_row = session.get(BundleMade, facts.report)
        if made_row is not None:  # bundles of before have none
            made_row.statements = [*made_row.statements, [kind, entry.index]]
    return Certificate(kind, facts.report, word, signed, said.unresolved)


def _check_ours(repo: Repository, facts: Facts, code: str) -> None:
    """Refuse a bundle of another house, or of another case."""
    try:
        own = repo.ledger.entry(int(facts.last["index"])).body.decode() == facts.last["body"]
    except NoSuchEntry:
        own = False
    if not own:
        raise BadRequest("this bundle was made by another house; a statement is made where it was")
    if facts.case != code:
        raise ExportBlocked(f"the bundle is not of the case {code}")


def _data(said: Statement, made: str) -> dict[str, object]:
    return {
        "language": "en",
        "title": said.title,
        "made": made,
        "open": "Still open",
        "sections": [
            {
                "title": section.title,
                "whole": section is said.sections[-1],
                "blocks": [
                    {
                        "kind": block.kind,
                        "label": block.name,
                        "lines": [BLANK] if block.kind == "blank" else block.value.split("\n"),
                    }
                    for block in section.blocks
                ],
            }
            for section in said.sections
        ],
        "unresolved": list(said.unresolved),
    }
