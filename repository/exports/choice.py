"""Which personal fields go along: chosen by who exports, within what the rules let out.

A field that is withheld stays as a commitment in its entry: every proof holds without it. Chosen
by `FIELD` or `EXHIBIT:FIELD`, the latter before the former.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from custody import canonical
from custody.commitment import Opening
from custody.entry import WITHHELD, Act
from custody.errors import CustodyError
from repository import Repository
from repository.bundle import BundleMade
from repository.errors import BadRequest, ExportBlocked
from repository.exports.kept import Kept
from repository.exports.report_words import Phrase
from repository.models import Case
from repository.naming import shown

_AUTHORS = ("actor_name", "detail")  # what tags, notes and assessments tell


@dataclass(frozen=True, slots=True)
class Choice:
    """What is revealed (if anything is named: nothing else) and what is withheld."""

    reveal: tuple[str, ...] = ()
    withhold: tuple[str, ...] = ()
    full: tuple[str, ...] = ()  # tag manifests of the bundle that this one is a redaction of

    def __bool__(self) -> bool:
        """Say whether anything was chosen."""
        return bool(self.reveal or self.withhold)

    def keeps(self, number: str | None, name: str) -> bool:
        """Say whether a field of an entry about an exhibit (None: of the house) is opened."""
        for one in (f"{number}:{name}", name):
            if one in self.withhold or one in self.reveal:
                return one not in self.withhold
        return not self.reveal

    def check(self, numbers: Collection[str], annotations: Sequence[str]) -> None:
        """Refuse a choice that cannot be meant.

        Raises:
            BadRequest: no such field or exhibit, one both revealed and withheld, or annotations,
                which tell their authors, beside what would not.
        """
        for one in (*self.reveal, *self.withhold):
            number, _, name = one.rpartition(":")
            if name not in WITHHELD or (number and number not in numbers):
                raise BadRequest(
                    f"{shown(one[:80])} is neither a field nor EXHIBIT:FIELD of this export; "
                    f"fields: {', '.join(sorted(WITHHELD))}"
                )
        both = set(self.reveal) & set(self.withhold)
        if both:
            raise BadRequest(f"{', '.join(sorted(both))}: either revealed or withheld")
        if annotations and not all(self.keeps(one, name) for one in numbers for name in _AUTHORS):
            raise BadRequest("annotations tell who wrote them and what; leave those out too")

    def close(
        self, history: Sequence[Kept], openings: dict[int, dict[str, Opening]]
    ) -> list[tuple[str, str]]:
        """Take out the openings that are not to go; say how many fields of which names."""
        counted: dict[str, int] = {}
        for entry in history:
            number = entry.fields.get("exhibit", {}).get("number")
            opened = openings[entry.index]
            for name in [name for name in opened if not self.keeps(number, name)]:
                del opened[name]
                counted[name] = counted.get(name, 0) + 1
        return [
            (
                Phrase("left.choice", count=count, name=name),
                Phrase("left.choice.why"),
            )
            for name, count in sorted(counted.items())
        ]

    def close_quoted(self, number: str, told: dict[str, Any] | None) -> None:
        """Take out of a quoted history, and those it quotes in turn, what is not to go."""
        while told is not None:
            for entry in told["entries"]:
                opened = entry["openings"]
                entry["openings"] = {k: v for k, v in opened.items() if self.keeps(number, k)}
            told = told.get("quoted")


EVERYTHING = Choice()  # that the rules let out


def full_version(repo: Repository, code: str, closing: bytes) -> tuple[str, ...]:
    """Return the tag manifests of a bundle that this repository closed, by what closes it.

    Raises:
        BadRequest: it closes no bundle, or one of another case.
        ExportBlocked: our ledger has no such entry.
    """
    try:
        told = canonical.loads(closing.removesuffix(b"\n"))
        index, body = told["closed"]["index"], told["closed"]["body"]
        fields = canonical.loads(body.encode())
        outputs = [str(one) for one in fields["outputs"]]
    except (CustodyError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRequest("it does not close a bundle; name the folder of the full one") from error
    try:
        own = repo.ledger.entry(index)
    except CustodyError as error:
        raise ExportBlocked("this ledger has no such entry: it is no bundle of ours") from error
    if own.body != body.encode() or fields["type"] != Act.REPORT_GENERATED:
        raise ExportBlocked("this ledger has another entry there: it is no bundle of ours")
    with repo.database.reading() as session:
        made = session.get(BundleMade, str(fields.get("request_id")))
        if made is not None and session.get_one(Case, made.case_id).code != code:
            raise BadRequest(f"it closes a bundle of another case than {shown(code)}")
    return tuple(outputs)
