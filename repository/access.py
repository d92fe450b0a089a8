"""decide(standing, right) -> Decision: the whole access policy, pure.

One table of roles per right; whatever is not in it is denied. A custodian of the house acts on
every case; everybody else needs a role granted on the case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

ROLES = ("investigator", "analyst", "prosecutor", "custodian")


class Right(StrEnum):
    """What a person may ask to do."""

    OPEN_CASE = "open-case"
    CONSULT = "consult"
    INGEST = "ingest"
    RETRIEVE = "retrieve"
    EXTRACT = "extract"  # have an exhibit looked at again
    EXPORT = "export"
    GOVERN = "govern"  # people, grants, tokens, quarantine, verification


ALLOWED: Mapping[Right, frozenset[str]] = {
    Right.OPEN_CASE: frozenset({"investigator", "custodian"}),
    Right.CONSULT: frozenset(ROLES),
    Right.INGEST: frozenset({"investigator", "custodian"}),
    Right.RETRIEVE: frozenset({"analyst", "custodian"}),
    Right.EXTRACT: frozenset({"investigator", "analyst", "custodian"}),
    Right.EXPORT: frozenset({"prosecutor", "custodian"}),
    Right.GOVERN: frozenset({"custodian"}),
}
HOUSE_RIGHTS = frozenset({Right.OPEN_CASE, Right.GOVERN})


@dataclass(frozen=True, slots=True)
class Standing:
    """Who asks: the role in the house, and the roles granted on the case in question."""

    role: str
    case_roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the act is allowed, the role in which it is done, and the reason of a refusal."""

    allowed: bool
    role: str
    reason: str | None = None


def decide(standing: Standing, right: Right) -> Decision:
    """Decide an act on a case, or on the house for the rights that concern the house.

    Reasons of refusal: `no-grant` (no part in the case), `role` (a part, but not this right).
    """
    allowed = ALLOWED.get(right, frozenset())
    roles = set(standing.case_roles)
    if right in HOUSE_RIGHTS or standing.role == "custodian":
        roles.add(standing.role)
    fitting = sorted(roles & allowed)
    if fitting:
        # The role of the house first: a custodian stays one in the record.
        return Decision(True, standing.role if standing.role in fitting else fitting[0])
    if not roles:
        return Decision(False, standing.role, "no-grant")
    return Decision(False, standing.role, "role")
