"""The custody report of a bundle as files: composed from its entries, printed in volumes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from sqlalchemy import select

from custody.checkpoint import SignedCheckpoint
from custody.publish import unwitnessed_since
from repository import software
from repository.bundle import BundleMade
from repository.exports.bag import CORES
from repository.exports.chosen import marking_words
from repository.exports.gathered import Gathered
from repository.exports.job import Job
from repository.exports.report import FULL, ExhibitFacts, Heading, Row, Source, volumes
from repository.exports.report_words import Phrase, speaking
from repository.exports.signatures import signed_document
from repository.publication import Seals

REPORT = "custody-report.pdf"
_AT_ONCE = min(2, CORES)  # volumes in print: 100,000 entries are to stay within 1 GiB
# Beside so many exhibits, which the exporting process remembers, volumes are shorter for it.
_MANY = 10_000
_SHORTER = 3_000  # lines
_SAID_BY = {  # a field of the house's entry, and the fact of the heading that tells the same
    "actor_name": "asked_by", "case": "case_title", "recipient": "recipient",
    "purpose": "purpose", "authority": "authority",
}  # fmt: skip


def file_name(volume: int) -> str:
    """Return the path of a volume in the bag; the first has the report's own name."""
    return REPORT if volume == 1 else f"custody-report-{volume}.pdf"


def report(found: Gathered) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Yield the custody report as PDF, volume by volume, composed from entries alone.

    Raises:
        GlyphMissing, RenderFailed: it cannot be printed.
    """
    from repository.exports.pdf import render  # brings a typesetter: on first use

    source = Source(
        _heading(found.job, found.signed, found.sealed),
        [ExhibitFacts(one.number, one.id, tuple(names)) for one, names in found.listed],
        [Row(entry.index, entry.fields, found.values(entry)) for entry in found.history],
        list(found.left_out),  # what signing adds comes after the report
        [(path, f"sha256:{hexed}", size) for path, hexed, size in found.payload],
        found.job.language,
        _statements(found),
        by_reference=found.by_reference,
    )
    for number, pdf in enumerate(printed(source, render), 1):
        name = file_name(number)
        yield name, [signed_document(found, name, pdf)]


def printed(source: Source, render: Callable[[Mapping[str, Any]], bytes]) -> Iterator[bytes]:
    """Yield each volume of a report as `render` prints it, a few at once and in order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting: deque[Future[bytes]] = deque()
        full = FULL if len(source.exhibits) <= _MANY else _SHORTER
        composed = volumes(source, file_name, full=full)
        while True:
            for volume in islice(composed, _AT_ONCE - len(waiting)):  # no more in memory at once
                waiting.append(pool.submit(render, volume))
            if not waiting:
                return
            yield waiting.popleft().result()


def _statements(found: Gathered) -> list[tuple[str, str, int]]:
    """Return what custodians stated of bundles with these exhibits: kind, report, its entry."""
    mine = {exhibit.id for exhibit, _ in found.listed}
    of_case = BundleMade.case_id == found.job.case.id
    query = select(BundleMade).where(of_case).order_by(BundleMade.index)
    with found.job.repo.database.reading() as session:
        return [
            (kind, row.report_id, index)
            for row in session.scalars(query)
            if row.statements and mine.intersection(row.exhibits)
            for kind, index in row.statements
            if index < found.size
        ]


def _heading(job: Job, signed: SignedCheckpoint, sealed: Seals) -> Heading:
    key = signed.signed_by[0]
    with speaking(job.language):
        marking = marking_words(list(job.markings.values()), job.purpose)
    return Heading(
        report_id=job.request_id,
        case=job.case.code,
        case_title=job.case.title,
        asked_by=job.actor.name or job.actor.id,
        recipient=job.recipient,
        purpose=": ".join(filter(None, (job.purpose.code, job.purpose.text))),
        authority=job.purpose.authority,
        generated_at=job.at,
        generator=software(),
        tree_size=signed.checkpoint.size,
        root=f"sha256:{signed.checkpoint.root.hex()}",
        key_name=key.name,
        key_fingerprint=key.fingerprint,
        checkpoint=sealed.own,
        marking=marking,
        witnesses=sealed.witnesses(_no_witness(job)),
        time_stamps=sealed.dated(),
        keys=tuple(str(known.key) for known in job.repo.ledger.key_history()),
        closed=frozenset(
            said for field, said in _SAID_BY.items() if not job.choice.keeps(None, field)
        ),
    )


def _no_witness(job: Job) -> Phrase:
    """Return what stands in the place of witnesses where none cosigned the bundle's checkpoint."""
    repo = job.repo
    since = unwitnessed_since(repo.ledger, repo.policy) if repo.policy.witnesses else None
    return Phrase("witnesses.since", since=since) if since else Phrase("witnesses.none")
