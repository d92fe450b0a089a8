"""What an export gathers once its exhibits are in the bag: entries, openings, and what is lacking.

The files beside the exhibits (`tag_files`) are made of this alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from custody.checkpoint import SignedCheckpoint
from custody.commitment import Opening
from custody.errors import BadOpening
from custody.longevity import Record, records
from repository.exports.job import Job
from repository.exports.kept import Kept, entries_of
from repository.exports.left_out import ALWAYS, closed, numbers_in, unsealed
from repository.exports.report_words import Phrase
from repository.exports.said import Said, said_of
from repository.models import Exhibit
from repository.publication import Seals, seals_of
from repository.purpose import RECIPIENT_OF
from repository.succession import named_gaps


@dataclass(frozen=True, slots=True)
class Gathered:
    """An export whose exhibits are packed, as everything else in its bag is made of it."""

    job: Job
    signed: SignedCheckpoint  # of the tree that everything is proved in
    sealed: Seals  # cosignatures and time-stamps of that checkpoint
    listed: Sequence[tuple[Exhibit, list[str]]]  # with the names of its parts, in order
    payload: Sequence[tuple[str, str, int]]  # path, hex sha256, size
    history: Sequence[Kept]  # by index; that of the house last
    openings: dict[int, dict[str, Opening]]  # by index: those that go along
    last_seq: dict[str, int]  # by exhibit
    said: Said  # what goes along of what the case team says of them
    left_out: list[tuple[str, str]]
    records: Sequence[Record] = ()  # evidence records over some of its entries
    # How many volumes (0: by reference) and in which each exhibit is; None: one bag has all.
    volumes: tuple[int, tuple[int, ...]] | None = None
    documents: list[dict[str, Any]] = field(default_factory=list)  # what was signed, and as what

    @property
    def by_reference(self) -> bool:
        """Say whether the exhibits' files are not in it."""
        return self.volumes is not None and self.volumes[0] == 0

    @property
    def size(self) -> int:
        """Return the size of the tree that everything is proved in."""
        return self.signed.checkpoint.size

    def values(self, entry: Kept) -> dict[str, Any]:
        """Return the values of an entry that go along, by field."""
        return {name: opening.value for name, opening in self.openings[entry.index].items()}


def gather(
    job: Job,
    signed: SignedCheckpoint,
    listed: Sequence[tuple[Exhibit, list[str]]],
    payload: Sequence[tuple[str, str, int]],
    problems: Sequence[str],
) -> Gathered:
    """Gather what is proved in a tree about the exhibits of an export.

    Args:
        job: the export.
        signed: the checkpoint of that tree.
        listed: its exhibits, with the names of their files.
        payload: those files, as they were measured.
        problems: why the checkpoint lacks cosignatures or time-stamps.

    Raises:
        BadOpening: an opening that would go along does not belong to its entry.
    """
    size = signed.checkpoint.size
    entries = entries_of(job.repo, job.exhibits, size, house=size - 1)
    history, openings = entries.history, entries.openings
    sealed = seals_of(job.repo, size)
    reader = None if RECIPIENT_OF.get(job.purpose.code) == "defence" else job.case.code
    said = said_of(job.repo, job.exhibits, job.annotations, size=size)
    told = said.entries | numbers_in(history, openings, job.case.code)
    left_out = [*ALWAYS, *closed(history, openings, reader, chosen=told)]
    left_out += job.choice.close(history, openings)
    for index, name in entries.unfit:
        if name in openings[index]:
            raise BadOpening(f"the opening of {name} does not belong to entry {index}")
    left_out += unsealed(job.repo, sealed, problems)
    records, covered = _records(job, history, size)
    if covered < size:
        left_out.append((Phrase("left.records", size=covered), Phrase("left.records.why")))
    left_out += [
        (
            Phrase("left.gap", origin=gap.origin, first=gap.start, last=gap.end - 1),
            Phrase("left.gap.why", entry=gap.entry),
        )
        for gap in named_gaps(job.repo)
    ]
    left_out += [(number, Phrase("left.key")) for number in job.erased]
    left_out += job.instead
    return Gathered(
        job,
        signed,
        sealed,
        listed,
        tuple(payload),
        history,
        openings,
        entries.count,
        said,
        left_out,
        records,
    )


def _records(job: Job, history: Sequence[Kept], size: int) -> tuple[list[Record], int]:
    """Return the evidence records that cover entries of a bundle, and how far any reaches."""
    with job.repo.database.reading() as session:
        made = [one for one in records(session) if one.hi <= size]
    found = [one for one in made if any(one.lo <= entry.index < one.hi for entry in history)]
    return found, max((one.hi for one in made), default=0)
