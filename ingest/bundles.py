"""import_bundle(): another repository's court bundle, verified, its custody quoted, ours begun.

In order: 1. the bundle is in a folder, taken out of a tar within bounds where it came as one;
2. our own verifier makes every claim, the key among them: it must be pinned (`counterparts`);
3. what does not verify is put into quarantine whole, as it came, with the reason; 4. else each
exhibit is taken in like any file, its digests declared as they were registered there, and
registered together with its quoted history and the conditions it was given under. The same bundle
again is one result.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from custody import verify
from custody.entry import Act, Actor, uuid7
from ingest.batch import Failure, ingest
from ingest.bundle_files import check_folder, pack, unpack
from ingest.errors import BadBundle, BundleHeld, SourceIncomplete
from ingest.quoted import Quoted, imported
from ingest.register import Outcome, registered_before
from ingest.sources import Source, Thing
from repository import Repository
from repository.access import IDENTIFYING, Right
from repository.authorise import Caller, on_case
from repository.conditions import Marking
from repository.counterparts import keys_of_ledger
from repository.errors import BadRequest, TransferAnswered
from repository.marking import carried
from repository.models import Case
from repository.naming import of_recorded, shown
from repository.purpose import parse
from repository.stated import stated_motive
from repository.submissions import Declaration, complete, open_submission
from repository.workplace import workplace

_NEEDED = (*verify.REQUIRED, "canonical", "registration", "key-trusted")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """One exhibit of a bundle: what it is called there, and what became of it here."""

    their_number: str
    origin: str
    outcome: Outcome

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "exhibit": self.outcome.number,
            "from": self.their_number,
            "origin": self.origin,
            "sha256": self.outcome.sha256,
            "size": self.outcome.size,
            "entry": self.outcome.index,
            "status": self.outcome.status,
        }


def import_bundle(
    repo: Repository,
    caller: Caller,
    code: str,
    source: Path | BinaryIO,
    *,
    purpose: str | None,
    size: int | None = None,
) -> list[Taken]:
    """Take a bundle of another repository into a case.

    Args:
        repo: the repository.
        caller: who imports.
        code: the case.
        source: the bundle's folder, its tar, or the tar as a stream.
        purpose: as stated; sharing if nothing is.
        size: how many bytes the stream is to have, if that is known.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadBundle: there is no bundle there; nothing was kept.
        BundleHeld: it does not verify; it is kept in quarantine as it came.
        SourceIncomplete: the stream ended too early; nothing was kept.
    """
    actor, case = on_case(repo, caller, Right.IMPORT, code, attempted=Act.SUBMISSION)
    declared = Declaration(purpose=parse(purpose or "sharing"))
    with workplace(repo) as work:
        place = _came(source, work, size)
        try:
            folder = place if place.is_dir() else _unpacked(place, work)
            quoted = _believed(repo, folder, work)
        except _Unverified as found:
            _hold(repo, actor, case, declared, work, place, found)
        outcomes = _taken(repo, actor, case, declared, quoted)
    return [Taken(one.their_number, one.origin, outcomes[one.their_id]) for one, _ in quoted]


def refuse_bundle(
    repo: Repository, caller: Caller, code: str, source: Path | BinaryIO, *, motive: str
) -> list[int]:
    """Refuse to take over what a bundle releases to us; return the indexes of the entries.

    Nothing of it is kept. Whoever released it is told by the receipts of these entries.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive (recorded), or the bundle releases nothing to us.
        TransferAnswered: it was taken in before.
        BadBundle: there is no bundle there, or one that does not verify.
    """
    actor, case = on_case(repo, caller, Right.IMPORT, code, attempted=Act.TRANSFER_REFUSED)
    stated_motive(repo, caller, motive, Act.TRANSFER_REFUSED, case=case)
    with workplace(repo) as work:
        place = _came(source, work, None)
        try:
            quoted = _believed(repo, place if place.is_dir() else _unpacked(place, work), work)
        except _Unverified as found:
            raise BadBundle(f"the bundle does not verify ({found.detail})") from found
    released = {one.their_id: one.release for one, _ in quoted if one.release is not None}
    if not released:
        raise BadRequest("the bundle releases nothing to this repository; just do not import it")
    with repo.database.reading() as session:
        if imported(session, case, quoted[0][0].bundle, released):
            raise TransferAnswered("it was taken in before; it cannot be refused any more")
    drafts = [one.refusal(actor, case, motive) for one, _ in quoted if one.release is not None]
    return [entry.index for entry in repo.ledger.record(*drafts)]


def _taken(
    repo: Repository,
    actor: Actor,
    case: Case,
    declared: Declaration,
    quoted: Sequence[tuple[Quoted, Thing]],
) -> dict[str, Outcome]:
    """Register what was not registered before; return what became of each, by its id there."""
    bundle = quoted[0][0].bundle
    wanted = {one.their_id: one.release for one, _ in quoted}
    with repo.database.reading() as session:
        known = imported(session, case, bundle, wanted)
    outcomes = {name: registered_before(repo, one) for name, one in known.items()}
    new = [(one, thing) for one, thing in quoted if one.their_id not in known]
    if not new:
        return outcomes
    sources = [b"bundle", bundle.encode()]
    submission, _ = open_submission(repo, actor, case, declared, sources=sources)
    results = ingest(repo, actor, case, submission, [thing for _, thing in new])
    for (one, _), result in zip(new, results, strict=True):
        if isinstance(result, Failure):
            raise result.error
        outcomes[one.their_id] = result
    complete(repo, submission)
    return outcomes


class _Unverified(Exception):
    """Why a bundle is not believed: a short code, and words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


# --- getting at it


def _came(source: Path | BinaryIO, work: Path, size: int | None) -> Path:
    """Return the folder or the tar that a bundle came as."""
    if not isinstance(source, Path):
        tar = work / "bundle.tar"
        _spooled(source, tar, size)
        return tar
    if source.is_dir() and not (source / "bagit.txt").is_file():
        raise BadBundle(f"{shown(str(source))} is no bundle: it has no bagit.txt")
    if not source.is_dir() and not source.is_file():
        raise BadBundle(f"there is no bundle {shown(str(source))}")
    return source


def _unpacked(tar: Path, work: Path) -> Path:
    folder = work / "bundle"
    folder.mkdir()
    with tar.open("rb") as file:
        try:
            unpack(file, folder)
        except BadBundle as error:
            raise _Unverified("bundle-unreadable", str(error)) from error
    return folder


def _spooled(source: BinaryIO, tar: Path, size: int | None) -> None:
    count = 0
    with tar.open("xb") as out:
        while block := source.read(_BLOCK):
            out.write(block)
            count += len(block)
    if size is not None and count != size:
        raise SourceIncomplete(f"{count} of {size} bytes came; send the bundle again")


# --- believing it


def _believed(repo: Repository, folder: Path, work: Path) -> list[tuple[Quoted, Thing]]:
    """Return what is in a bundle whose every claim our own verifier makes.

    Raises:
        _Unverified: one fails, or one that is needed cannot be made.
    """
    try:
        check_folder(folder)
    except BadBundle as error:
        raise _Unverified("bundle-limits", str(error)) from error
    trust = _trust(repo, folder, work)
    try:
        found = verify.Examination(folder, trust)
    except verify.WrongUse as error:
        raise _Unverified("bundle-unreadable", str(error)) from error
    for one in found.findings:
        if one.outcome == "fail":
            raise _Unverified(f"bundle-{_word(one.claim)}", f"{one.claim}: {one.detail}")
    if trust is None:
        raise _Unverified("key-unknown", "no key of the ledger that signed it is pinned here")
    for one in found.findings:
        if one.claim in _NEEDED and one.outcome != "pass":
            raise _Unverified(f"bundle-{_word(one.claim)}", f"{one.claim}: {one.detail}")
    return _exhibits(repo, found)


def _word(claim: str) -> str:
    return claim.replace(".", "-")


def _trust(repo: Repository, folder: Path, work: Path) -> Path | None:
    """Return a trust file of the keys pinned for the ledger that a bundle says it is from."""
    try:
        with (folder / "ledger" / "checkpoint").open("rb") as file:
            origin = file.readline(1_000).decode().removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        return None  # the verifier says what is wrong
    with repo.database.reading() as session:
        keys = keys_of_ledger(session, origin)
    if not keys:
        return None
    trust = work / "trust"
    listed = [{"vkey": str(one), "from": 0, "to": None} for one in keys]
    found = {"v": 1, "kind": "evidence-trust", "origin": origin, "keys": listed, "tsa_roots": []}
    trust.write_text(json.dumps(found))
    return trust


# --- what is in it


def _exhibits(repo: Repository, found: verify.Examination) -> list[tuple[Quoted, Thing]]:
    """Return the exhibits of a verified bundle, each with its quoted history and conditions."""
    histories: dict[str, list[dict[str, Any]]] = {}
    for entry in found.entries:
        about = entry["fields"].get("exhibit")
        if about:
            histories.setdefault(about["id"], []).append(entry)
    own = {str(one.key) for one in repo.ledger.key_history()}
    common: dict[str, Any] = {
        "origin": found.note.origin if found.note else "",
        "bundle": found.measured[verify.TAGS]["digests"]["sha256"],
        "claims": {one.claim: one.outcome for one in found.findings},
        "request_id": uuid7(repo.clock(), repo.random),
    }
    made = []
    for item in found.document["exhibits"]:
        history = histories[item["id"]]
        release = _release(history, own)
        quoted = Quoted(
            their_id=item["id"],
            their_number=item["number"],
            sha256=item["sha256"],
            count=len(history),
            document=_document(found, item, history),
            marking=_marking(history),
            release=_digest_of(release["body"]) if release else None,
            transfer=f"TRF-{release['fields']['request_id']}" if release else None,
            released_at=release["fields"]["at"] if release else None,
            **common,
        )
        made.append((quoted, Thing(_sources(found, item, history), quoted=quoted)))
    return made


def _sources(
    found: verify.Examination, item: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> tuple[Source, ...]:
    """Return the files of an exhibit, each with the digests they registered it with."""
    parts = [
        part
        for entry in history
        if entry["fields"]["type"] == Act.REGISTRATION
        for part in entry["fields"]["parts"]
    ]
    names = _names(history, len(parts))
    made = []
    for name, part, file in zip(names, parts, item["files"], strict=True):
        place = found.files[file]
        size = found.measured[file]["size"]
        path = f"{item['number']}/".encode() + name
        made.append(Source(os.fsencode(place), path, size, declared=dict(part["digests"])))
    return tuple(made)


def _names(history: Sequence[Mapping[str, Any]], count: int) -> list[bytes]:
    """Return what the files were called when they came there; numbers, where that is not told."""
    plain = [f"part {n}".encode() for n in range(1, count + 1)]
    for entry in history:
        if entry["fields"]["type"] != Act.RECEIPT:
            continue
        opened = {name: one["value"] for name, one in entry["openings"].items()}
        told = opened.get("detail", {})
        several = told.get("names") if isinstance(told, dict) else None
        given = several if count > 1 else [opened.get("name")]
        try:
            names = [of_recorded(one) for one in given or ()]
        except ValueError:
            return plain
        fits = len(names) == count and all(0 < len(one) <= 4_096 for one in names)
        return names if fits and b"\0" not in b"".join(names) else plain
    return plain


def _release(history: Sequence[dict[str, Any]], own: set[str]) -> dict[str, Any] | None:
    """Return the entry that released an exhibit to this repository, if that still holds."""
    last = None
    for entry in history:
        fields = entry["fields"]
        if fields["type"] != Act.TRANSFER_RELEASED:
            continue
        if fields["outcome"] == "aborted":
            same = last and last["fields"].get("request_id") == fields.get("request_id")
            last = None if same else last  # taken back
        elif "verification" in fields:
            detail = entry["openings"].get("detail", {}).get("value")
            to = detail.get("counterpart") if isinstance(detail, dict) else None
            named = [one for one in to if isinstance(one, str)] if isinstance(to, list) else []
            last = entry if own.intersection(named) else last
    return last


def _marking(history: Sequence[Mapping[str, Any]]) -> Marking:
    """Return under which conditions an exhibit was given: what the last entry about them says.

    Raises:
        _Unverified: conditions that nobody here could keep.
    """
    for entry in reversed(history):
        codes = entry["fields"].get("handling")
        if codes is None:
            continue
        detail = entry["openings"].get("detail", {}).get("value", {})
        try:
            return carried(codes, detail)
        except (BadRequest, TypeError, ValueError, AttributeError) as error:
            why = f"the conditions in entry {entry['index']} cannot be read: {error}"
            raise _Unverified("conditions-unreadable", why) from error
    return Marking()


def _document(
    found: verify.Examination,
    item: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> bytes:
    """Return the quoted history of one exhibit (docs/format.md 7.2): its entries as they came."""
    names = ("checkpoint", "policy", "trust")
    ledger = {name: found.files[f"ledger/{name}"].read_text() for name in names}
    before = found.files.get(f"quoted/{item['number']}.json")
    quoted = {
        "v": 1,
        "kind": "quoted-history",
        "tree_size": found.document["tree_size"],
        "request_id": found.document["request_id"],
        "exhibit": dict(item),
        **ledger,
        "entries": [
            {
                **{name: entry[name] for name in ("index", "body", "proof")},
                # who a source is takes two persons here too: it is not taken over
                "openings": {k: v for k, v in entry["openings"].items() if k not in IDENTIFYING},
            }
            for entry in history
        ],
        "quoted": json.loads(before.read_bytes()) if before else None,  # the verifier read it
    }
    return json.dumps(quoted, ensure_ascii=False, separators=(",", ":")).encode()


def _digest_of(body: str) -> str:
    return f"sha256:{sha256(body.encode()).hexdigest()}"


# --- not believing it


def _hold(
    repo: Repository,
    actor: Actor,
    case: Case,
    declared: Declaration,
    work: Path,
    place: Path,
    why: _Unverified,
) -> None:
    """Put a bundle into quarantine as it came: one file, whatever is in it.

    Raises:
        BundleHeld: always.
    """
    tar = place
    if place.is_dir():
        tar = work / "held.tar"
        with tar.open("xb") as out:
            out.writelines(pack(place))
    with tar.open("rb") as file:
        digest = f"sha256:{_sha256(file)}"
    sources = [b"bundle", digest.encode(), why.reason.encode()]
    submission, _ = open_submission(repo, actor, case, declared, sources=sources)
    source = Source(
        os.fsencode(tar), b"bundle.tar", tar.stat().st_size, declared={"sha256": digest}
    )
    [result] = ingest(repo, actor, case, submission, [Thing((source,), held=why.reason)])
    if isinstance(result, Failure):
        raise result.error
    raise BundleHeld(
        f"the bundle does not verify ({why.detail}); it is kept in quarantine as "
        f"{result.quarantine or result.number} and nothing of it is given out",
        reason=why.reason,
        quarantine=str(result.quarantine),
        index=result.index,
    )


def _sha256(file: BinaryIO) -> str:
    digest = sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
