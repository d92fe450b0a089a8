"""What an exhibit answers: told to both sides, to its owner alone, or to nobody. Pure.

That there is a match hands nothing over: it says whom to ask. So it is told where asking is what a
marking wants (H0, H1, H2), and hidden where the mere fact was entrusted to few (decision 0036).
"""

from collections.abc import Iterable
from enum import IntEnum

from repository.conditions import Marking

BOTH, OWNER = "both", "owner"
MODES = (BOTH, OWNER)  # how an institution takes part: its answers go to both, or to it alone


class Answer(IntEnum):
    """To whom a match with an exhibit is told; of several rules the lowest counts."""

    NOBODY = 0  # as if it were not there
    OWNER = 1  # whoever asks is told "no hit"; the owner is told who asked, and decides
    BOTH = 2


def answer_of(markings: Iterable[Marking], purpose: str | None = None) -> Answer:
    """Return what an exhibit answers, by its markings and those it inherits.

    Args:
        markings: of its case, its submission, itself, and all that it was taken out of.
        purpose: the code of the purpose stated by whoever asks.
    """
    return min((_of(one, purpose) for one in markings), default=Answer.BOTH)


def _of(marking: Marking, purpose: str | None) -> Answer:
    if marking.withdrawn:
        return Answer.NOBODY  # it may not be used at all, and this is a use
    consented = "partners" in marking.consent
    hidden = (
        marking.sealed
        or purpose in marking.excluded_uses
        or marking.tlp in ("AMBER+STRICT", "RED")
        or (
            not consented
            and (marking.lead_only or marking.handling == "H3" or bool(marking.conditions))
        )
    )
    return Answer.OWNER if hidden else Answer.BOTH
