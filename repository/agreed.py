"""Consent: what an owner agreed to, for whom, for what and until when; pure, for `access`."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from repository.purpose import RECIPIENT_OF, Purpose


@dataclass(frozen=True, slots=True)
class Consent:
    """What an owner agreed to: for whom, for what and until when; and whether that was withdrawn.

    The recipient is an institution, a party, or one of `conditions.RECIPIENTS`: any of that kind.
    """

    owner: str
    recipient: str
    purpose: str | None = None
    until: datetime | None = None
    withdrawn: bool = False

    def in_force(self, now: datetime) -> bool:
        """Say whether it holds now."""
        return not self.withdrawn and (self.until is None or self.until > now)

    def covers(self, purpose: Purpose | None, now: datetime) -> bool:
        """Say whether something may leave for a purpose by it."""
        if purpose is None or not self.in_force(now):
            return False
        kind = RECIPIENT_OF.get(purpose.code, "partners")
        return self.purpose in (None, purpose.code) and self.meets({kind, purpose.recipient or ""})

    def meets(self, names: Collection[str]) -> bool:
        """Say whether one of these is its recipient."""
        return self.recipient.casefold() in {name.casefold() for name in names}


def all_agree(
    owners: Iterable[str], consents: Iterable[Consent], fits: Callable[[Consent], bool]
) -> bool:
    """Say whether each of some owners has agreed to what fits: none speaks for another."""
    agreed = {one.owner for one in consents if fits(one)}
    return agreed.issuperset(owners)


def lapsed(
    owners: Iterable[str], consents: Iterable[Consent], names: Collection[str], now: datetime
) -> bool:
    """Say whether what an owner had agreed to for a recipient of these names holds no more."""
    mine = [one for one in consents if one.meets(names)]
    asked = {one.owner for one in mine}.intersection(owners)
    return not all_agree(asked, mine, lambda one: one.in_force(now))
