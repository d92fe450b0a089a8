"""Finding: one result of a check; and how a run of checks gathers them."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: what was checked, on what, `pass | fail | not-done`, and the detail."""

    check: str
    subject: str
    outcome: str
    detail: str


def failed(check: str, subject: str, detail: str) -> Finding:
    """Return a failure."""
    return Finding(check, subject, "fail", detail)


def passed(check: str, detail: str, subject: str = "all") -> Finding:
    """Return a pass."""
    return Finding(check, subject, "pass", detail)


def undone(check: str, detail: str, subject: str = "all") -> Finding:
    """Return a check that could not be made; it never looks like a pass."""
    return Finding(check, subject, "not-done", detail)
