"""import_bundle(): another repository's court bundle, verified, its custody quoted, ours begun.

In order: 1. the bundle is in a folder, taken out of a tar within bounds where it came as one;
2. our own verifier makes every claim, the key among them: it must be pinned (`counterparts`);
3. what does not verify is put into quarantine whole, as it came, with the reason; 4. else each
exhibit is taken in like any file, its digests declared as they were registered there, and
registered together with its quoted history and the conditions it was given under. The same bundle
again is one result. A bundle in volumes comes volume by volume, in any order: each is verified by
itself, and whoever imports one is told which of the others have not come.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from custody import verify
from custody.entry import Act, Actor
from ingest.batch import Failure, ingest
from ingest.bundle_exhibits import Unverified, exhibits_of
from ingest.bundle_files import check_folder, pack, unpack
from ingest.errors import BadBundle, BundleHeld, SourceIncomplete
from ingest.quoted import Quoted, imported
from ingest.register import Outcome, registered_before
from ingest.sources import Source, Thing
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case
from repository.counterparts import keys_of_ledger
from repository.errors import BadRequest, TransferAnswered
from repository.models import Case
from repository.naming import shown
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


@dataclass(frozen=True, slots=True)
class Volume:
    """Which volume of how many came, of the bundle of which report, and which have not come."""

    report: str
    number: int
    volumes: int
    missing: list[int]

    def to_json(self) -> dict[str, Any]:
        """Return it as the API answers it."""
        return {
            "report": self.report,
            "number": self.number,
            "volumes": self.volumes,
            "missing": self.missing,
        }

    def __str__(self) -> str:
        comma = ", "
        left = comma.join(str(one) for one in self.missing)
        return f"volume {self.number} of {self.volumes} of the bundle {self.report}; " + (
            f"not here yet: {left}" if left else "all of them are here"
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken in; of a bundle in several volumes, which of them it was."""

    taken: list[Taken]
    volume: Volume | None


def places_of(paths: Sequence[Path]) -> list[Path]:
    """Return what is to be imported, one after the other: for a folder of volumes, each of them.

    Raises:
        BadBundle: several are named, and one is no volume of the same bundle.
    """
    places: list[Path] = []
    for path in paths:
        inner = sorted(path.glob("volume-*"), key=lambda one: (len(one.name), one.name))
        places += inner if inner and not (path / "bagit.txt").exists() else [path]
    if len(places) < 2:
        return places
    closings = [one / verify.CLOSING for one in places]
    for place, closing in zip(places, closings, strict=True):
        if not closing.is_file():
            raise BadBundle(
                f"{shown(str(place))} is no folder of a finished volume; name it alone, or not"
            )
        if closing.read_bytes() != closings[0].read_bytes():
            raise BadBundle(
                f"{shown(str(place))} is a volume of another bundle than {shown(str(places[0]))}; "
                "nothing was taken in"
            )
    return places


def import_bundle(
    repo: Repository,
    caller: Caller,
    code: str,
    source: Path | BinaryIO,
    *,
    purpose: str | None,
    size: int | None = None,
    payload: Sequence[Path] = (),
) -> Imported:
    """Take a bundle of another repository, or one volume of it, into a case.

    Args:
        repo: the repository.
        caller: who imports.
        code: the case.
        source: the bundle's folder, its tar, or the tar as a stream.
        purpose: as stated; sharing if nothing is.
        size: how many bytes the stream is to have, if that is known.
        payload: folders with exhibits that the bundle has not itself.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest, BadBundle: there is no bundle there, or none of its exhibits; nothing was kept.
        BundleHeld: it does not verify; it is kept in quarantine as it came.
        SourceIncomplete: the stream ended too early; nothing was kept.
    """
    actor, case = on_case(repo, caller, Right.IMPORT, code, attempted=Act.SUBMISSION)
    declared = Declaration(purpose=parse(purpose or "sharing"))
    with workplace(repo) as work:
        place = _came(source, work, size)
        try:
            folder = place if place.is_dir() else _unpacked(place, work)
            found = _believed(repo, folder, work, payload)
            quoted = exhibits_of(repo, found)
        except Unverified as why:
            _hold(repo, actor, case, declared, work, place, why)
        outcomes = _taken(repo, actor, case, declared, quoted)
        taken = [Taken(one.their_number, one.origin, outcomes[one.their_id]) for one, _ in quoted]
        return Imported(taken, _volume(repo, case, found))


def refuse_bundle(
    repo: Repository, caller: Caller, code: str, source: Path | BinaryIO, *, motive: str
) -> list[int]:
    """Refuse to take over what a bundle releases to us; return the indexes of the entries.

    Nothing of it is kept. Whoever released it is told by the receipts of these entries.

    Raises:
        UnknownCase, AccessDenied: not for this caller; recorded.
        BadRequest: no motive (recorded), or the bundle releases nothing to us.
        TransferAnswered: it was taken in before.
        BadRequest, BadBundle: there is no bundle there, or one that does not verify.
    """
    actor, case = on_case(repo, caller, Right.IMPORT, code, attempted=Act.TRANSFER_REFUSED)
    stated_motive(repo, caller, motive, Act.TRANSFER_REFUSED, case=case)
    with workplace(repo) as work:
        place = _came(source, work, None)
        try:
            folder = place if place.is_dir() else _unpacked(place, work)
            quoted = exhibits_of(repo, _believed(repo, folder, work))
        except Unverified as found:
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


# --- getting at it


def _came(source: Path | BinaryIO, work: Path, size: int | None) -> Path:
    """Return the folder or the tar that a bundle came as."""
    if not isinstance(source, Path):
        tar = work / "bundle.tar"
        _spooled(source, tar, size)
        return tar
    if source.is_dir() and not (source / "bagit.txt").is_file():
        raise BadRequest(f"{shown(str(source))} is no bundle: it has no bagit.txt")
    if not source.is_dir() and not source.is_file():
        raise BadRequest(f"there is no bundle {shown(str(source))}")
    return source


def _unpacked(tar: Path, work: Path) -> Path:
    folder = work / "bundle"
    folder.mkdir()
    with tar.open("rb") as file:
        try:
            unpack(file, folder)
        except BadBundle as error:
            raise Unverified("bundle-unreadable", str(error)) from error
    root = folder
    while not (root / "bagit.txt").exists():  # a download has the bag in folders of its name
        inner = list(root.iterdir())
        if len(inner) != 1 or not inner[0].is_dir():
            return folder
        root = inner[0]
    return root


def _spooled(source: BinaryIO, tar: Path, size: int | None) -> None:
    count = 0
    with tar.open("xb") as out:
        while block := source.read(_BLOCK):
            out.write(block)
            count += len(block)
    if size is not None and count != size:
        raise SourceIncomplete(f"{count} of {size} bytes came; send the bundle again")


# --- believing it


def _believed(
    repo: Repository, folder: Path, work: Path, payload: Sequence[Path] = ()
) -> verify.Examination:
    """Return a bundle whose every claim our own verifier makes.

    Of a volume, exhibits that are in the others are not asked for.

    Raises:
        Unverified: one fails, or one that is needed cannot be made.
        BadBundle: it has none of its exhibits, by plan.
    """
    try:
        check_folder(folder)
    except BadBundle as error:
        raise Unverified("bundle-limits", str(error)) from error
    trust = _trust(repo, folder, work)
    try:
        found = verify.Examination(folder, trust, payload=tuple(payload))
    except verify.WrongUse as error:
        raise Unverified("bundle-unreadable", str(error)) from error
    for one in found.findings:
        if one.outcome == "fail":
            raise Unverified(f"bundle-{_word(one.claim)}", f"{one.claim}: {one.detail}")
    if trust is None:
        said = "no key of the ledger that signed it is pinned here: evidence counterpart add"
        raise Unverified("key-unknown", said)
    elsewhere = bool(found.absent)  # what is in no volume here, or on no disk that was named
    for one in found.findings:
        if one.claim == "complete" and elsewhere:
            continue
        if one.claim in _NEEDED and one.outcome != "pass":
            raise Unverified(f"bundle-{_word(one.claim)}", f"{one.claim}: {one.detail}")
    if elsewhere and not found.volume:
        absent = ", ".join(found.absent)
        raise BadBundle(
            f"the bundle is by reference, and {shown(absent)} are not there; "
            "say with --payload DIR where they are"
        )
    return found


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


# --- volumes


def _volume(repo: Repository, case: Case, found: verify.Examination) -> Volume | None:
    """Return which volume it was, and which others none was imported of into this case."""
    if not found.volume:
        return None
    closed = json.loads(found.files[verify.CLOSING].read_bytes())["closed"]
    bundles = json.loads(closed["body"])["outputs"]  # the verifier compared them
    wanted = {item["id"]: None for item in found.document["exhibits"]}
    with repo.database.reading() as session:
        missing = [
            n for n, one in enumerate(bundles, 1) if not imported(session, case, one, wanted)
        ]
    return Volume(found.document["request_id"], found.volume, len(bundles), missing)


# --- not believing it


def _hold(
    repo: Repository,
    actor: Actor,
    case: Case,
    declared: Declaration,
    work: Path,
    place: Path,
    why: Unverified,
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
