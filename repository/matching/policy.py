"""What an exhibit answers: told to both sides, to its owner alone, or to nobody. Pure.

That there is a match hands nothing over: it says whom to ask. So it is told where asking is what a
marking wants (H0, H1, H2), and hidden where the mere fact was entrusted to few (decision 0036),
unless its owner agreed for whoever would be told.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from repository.agreed import Consent, all_agree, lapsed
from repository.conditions import Marking

BOTH, OWNER = "both", "owner"
MODES = (BOTH, OWNER)  # how an institution takes part: its answers go to both, or to it alone


class Answer(IntEnum):
    """To whom a match with an exhibit is told; of several rules the lowest counts."""

    NOBODY = 0  # as if it were not there
    OWNER = 1  # whoever asks is told "no hit"; the owner is told who asked, and decides
    BOTH = 2


@dataclass(frozen=True, slots=True)
class Asker:
    """Who would be told of a match, for which purpose (None: none was stated), and when."""

    organisation: str
    purpose: str | None
    now: datetime

    def was_given(self, consents: Iterable[Consent]) -> list[Consent]:
        """Return the consents that are good for this asker, this purpose and now."""
        return [
            one
            for one in consents
            if one.meets(self.names) and one.in_force(self.now)
            and one.purpose in (None, self.purpose)
        ]  # fmt: skip

    @property
    def names(self) -> set[str]:
        """Return as which recipient owners may have agreed for it."""
        return {self.organisation, "partners"}


def answer_of(
    markings: Iterable[Marking], asker: Asker, consents: Collection[Consent] = ()
) -> Answer:
    """Return what an exhibit answers, by its markings and those it inherits.

    Args:
        markings: of its case, its submission, itself, and all that it was taken out of.
        asker: who would be told.
        consents: what owners of it agreed to, in force or not.
    """
    return min((_of(one, asker, consents) for one in markings), default=Answer.BOTH)


def _of(marking: Marking, asker: Asker, consents: Collection[Consent]) -> Answer:
    if marking.withdrawn:
        return Answer.NOBODY  # it may not be used at all, and this is a use
    owners = marking.owners
    agreed = owners and all_agree(owners, asker.was_given(consents), lambda _: True)
    kept = marking.lead_only or marking.handling == "H3" or bool(marking.conditions)
    hidden = (
        marking.sealed
        or asker.purpose in marking.excluded_uses
        or lapsed(marking.owners, consents, asker.names, asker.now)
        or (marking.tlp in ("AMBER+STRICT", "RED") and not agreed)
        or (kept and not agreed and "partners" not in marking.consent)
    )
    return Answer.OWNER if hidden else Answer.BOTH
