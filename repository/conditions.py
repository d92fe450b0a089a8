"""How a case, a submission or an exhibit is to be handled: the marking and its words. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

HANDLING = ("H0", "H1", "H2", "H3")
TLP = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
EXCLUDED_USES = ("death-penalty", "trial-in-absentia", "immigration", "intelligence")
RECIPIENTS = ("court", "defence", "partners")  # whom a provider consents to
SEVERAL = "; "  # between the names of several owners


@dataclass(frozen=True, slots=True)
class Marking:
    """How a case, a submission or an exhibit is to be handled; the default restricts nothing."""

    handling: str | None = None  # Europol: one of HANDLING
    restriction: str | None = None  # H3 in words
    tlp: str | None = None
    excluded_uses: tuple[str, ...] = ()
    lead_only: bool = False  # Rome Statute 54(3)(e)
    conditions: str | None = None  # the provider's, in words: a human being decides
    consent: tuple[str, ...] = ()  # RECIPIENTS to whom the provider lets it go all the same
    withdrawn: bool = False  # the provider or source withdrew consent
    authority_required: bool = False
    sealed: bool = False
    named: tuple[str, ...] = ()  # ids of the persons who may know of it while it is sealed
    owner: str | None = None  # the institution whose consent sharing needs; or `owners`

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the institutions whose consent sharing needs: of several, that of each.

        What came from another repository may be under the conditions of all that it was under
        there, as one marking (`marking.strictest`).

        >>> Marking(owner="NCB; Heir").owners
        ('NCB', 'Heir')
        """
        return tuple(self.owner.split(SEVERAL)) if self.owner else ()

    def to_json(self) -> dict[str, Any]:
        """Return what is kept; lists are sorted, so that equal markings are equal."""
        found = asdict(self)
        return {k: sorted(v) if isinstance(v, tuple) else v for k, v in found.items()}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Marking":
        """Return a marking that was kept."""
        values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
        return cls(**values)

    def loosened_by(self, new: "Marking") -> list[str]:
        """Return in which fields a new marking allows more: that takes a second person."""
        found = [
            name
            for name, scale in (("handling", HANDLING), ("tlp", TLP))
            if _rank(getattr(new, name), scale) < _rank(getattr(self, name), scale)
        ]
        found += [
            name
            for name in ("lead_only", "withdrawn", "authority_required", "sealed")
            if getattr(self, name) and not getattr(new, name)
        ]
        found += [
            name
            for name in ("restriction", "conditions")
            if getattr(self, name) and getattr(self, name) != getattr(new, name)
        ]
        if set(self.owners) - set(new.owners):
            found.append("owner")
        if set(self.excluded_uses) - set(new.excluded_uses):
            found.append("excluded_uses")
        if set(new.consent) - set(self.consent):
            found.append("consent")
        if self.sealed and set(new.named) - set(self.named):
            found.append("named")
        return sorted(found)

    def contradictions(self) -> list[str]:
        """Return which conditions cannot both be meant: nothing leaves until a person decided."""
        found = []
        kept = self.handling in ("H2", "H3") or self.lead_only
        if self.tlp in ("CLEAR", "GREEN") and kept:
            found.append("open-by-tlp-and-kept-by-handling")
        if self.tlp in ("AMBER+STRICT", "RED") and "partners" in self.consent:
            found.append("closed-by-tlp-and-open-to-partners")
        return found


def _rank(value: str | None, scale: tuple[str, ...]) -> int:
    return scale.index(value) if value else -1
