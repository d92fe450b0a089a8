"""Which entries a journey leaves: counted for its test, and kept for `tests.journeys.entries`."""

from collections import Counter

from tests.house import House

KEPT: dict[str, Counter[str]] = {}


def left(journey: str, house: House, start: int) -> Counter[str]:
    """Return how many entries of which type and outcome the ledger has since an index."""
    found = Counter(
        f"{e.fields['type']}/{e.fields['outcome']}" for e in house.repo.ledger.entries(start)
    )
    KEPT[journey] = found
    return found
