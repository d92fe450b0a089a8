"""Read exhibits back from a repository that was only restored for a drill: nothing is written.

What was read is put on record in the repository that the drill was about (`drilled`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from custody.entry import Act, Actor, Draft, ExhibitRef
from custody.errors import LedgerDamaged
from custody.findings import Finding
from repository import Repository
from repository.errors import IntegrityError, RepositoryError
from repository.exhibits import find_exhibit, ref
from repository.retrieve import recorded_parts, verified_bytes


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What came of reading one exhibit: the finding, and which digests were compared."""

    finding: Finding
    exhibit: ExhibitRef
    expected: tuple[str, ...]
    observed: tuple[str, ...]

    def entry(self, actor: Actor) -> Draft:
        """Return the entry about it."""
        return Draft(
            Act.FIXITY_CHECK,
            actor,
            self.finding.outcome,
            reason="restore-drill",
            exhibit=self.exhibit,
            plain={
                "verification": {"expected": [*self.expected], "observed": [*self.observed]},
            },
            withheld={"detail": self.finding.detail},
        )


def read_back(repo: Repository, numbers: Sequence[str]) -> Iterator[ReadBack]:
    """Read exhibits whole, each chunk compared with the ledger; a failure is a finding."""
    for number in numbers:
        with repo.database.reading() as session:
            exhibit = find_exhibit(session, number)
        assert exhibit is not None  # they were listed from this database
        expected: list[str] = []
        observed: list[str] = []
        try:
            parts = recorded_parts(repo, exhibit)
            expected += [part.root for part in parts]
            for part in parts:
                for _ in verified_bytes(repo, exhibit, part, 0, part.size - 1):
                    continue
                observed.append(part.root)
            size = sum(part.size for part in parts)
            found = Finding("object", number, "pass", f"{size} bytes match the registration")
        except (IntegrityError, LedgerDamaged) as error:
            found = Finding("object", number, "fail", str(error))
        except RepositoryError as error:
            found = Finding("object", number, "not-done", str(error))
        yield ReadBack(found, ref(exhibit), tuple(expected), tuple(observed))
