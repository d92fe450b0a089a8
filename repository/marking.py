"""Mark how a case, a submission or an exhibit is to be handled: tightened at once, by one person.

Whatever a change would loosen waits for a second person (`approvals`). A change that does both is
refused: made as two, the tightening counts at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from custody.canonical import dumps
from custody.entry import Act, Actor, Draft, ExhibitRef
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_case, on_exhibit, on_submission
from repository.conditions import EXCLUDED_USES, HANDLING, RECIPIENTS, SEVERAL, TLP, Marking
from repository.errors import BadRequest
from repository.exhibits import ref
from repository.facts import markings
from repository.models import Case, Exhibit, Person
from repository.naming import shown, split_number
from repository.rules import Marking as Row

MAX_WORDS = 2_000
MAX_NAMED = 500
MAX_OWNER = 500
_OF_VERSION = frozenset({"version", "held"})  # follow from the rest; entries before had neither


@dataclass(frozen=True, slots=True)
class Subject:
    """A case, a submission or an exhibit that an act is about, as the caller named it."""

    id: str
    name: str
    case: Case
    exhibit: Exhibit | None = None

    @property
    def ref(self) -> ExhibitRef | None:
        """Return the exhibit as entries name it."""
        return ref(self.exhibit) if self.exhibit else None


def find_subject(
    repo: Repository, caller: Caller, right: Right, named: str, *, attempted: Act
) -> tuple[Actor, Subject]:
    """Return the actor of an act on whatever is named: exhibit, submission or case.

    Raises:
        UnknownCase, UnknownExhibit, UnknownSubmission, AccessDenied: recorded.
    """
    if split_number(named) is not None:
        actor, case, exhibit = on_exhibit(repo, caller, right, named, attempted=attempted)
        return actor, Subject(exhibit.id, exhibit.number, case, exhibit)
    if named.startswith("SUB-"):
        actor, case, submission = on_submission(repo, caller, right, named, attempted=attempted)
        return actor, Subject(submission.id, submission.id, case)
    actor, case = on_case(repo, caller, right, named, attempted=attempted)
    return actor, Subject(case.id, case.code, case)


def show_marking(repo: Repository, caller: Caller, named: str) -> Marking:
    """Return the marking of a case, a submission or an exhibit; recorded as a look at it.

    Raises:
        UnknownCase, UnknownExhibit, UnknownSubmission, AccessDenied: recorded.
    """
    actor, subject = find_subject(repo, caller, Right.CONSULT, named, attempted=Act.CONSULTATION)
    repo.ledger.record(
        Draft(
            Act.CONSULTATION,
            actor,
            reason="marking",
            exhibit=subject.ref,
            withheld={"case": subject.case.code},
            subject=None if subject.exhibit else subject.case.id,
        )
    )
    return current(repo, subject.id)


def current(repo: Repository, subject: str) -> Marking:
    """Return the marking in force; the default where nobody set one."""
    with repo.database.reading() as session:
        return markings(session, [subject]).get(subject, Marking())


def checked(repo: Repository, new: Marking) -> Marking:
    """Return a marking whose every value is one of its vocabulary.

    Raises:
        BadRequest: another word, H3 without its words, or somebody named who is not registered.
    """
    check_words(new)
    if len(new.named) > MAX_NAMED:
        raise BadRequest(f"at most {MAX_NAMED} persons are named")
    if new.named and not new.sealed:
        raise BadRequest("persons are named for something that is sealed")
    with repo.database.reading() as session:
        for person in new.named:
            if session.get(Person, person) is None:
                raise BadRequest(f"nobody is registered as {shown(person)}")
    return Marking.from_json(new.to_json())


def carried(codes: Mapping[str, Any], detail: Mapping[str, Any]) -> Marking:
    """Return the marking that another repository's entry states: its codes, and what it opens.

    Words that are not told restrict all the same. Whom it names are persons of another house.

    Raises:
        BadRequest, TypeError, ValueError: it states what nobody here could keep.
    """
    told = detail.get("marking", detail.get("to"))
    known = {name: value for name, value in codes.items() if name not in _OF_VERSION}
    if told is not None:
        new = Marking.from_json(told)
        plain = {name: value for name, value in _plain(new).items() if name not in _OF_VERSION}
        if plain != known:
            raise BadRequest("the codes of a marking are not those of its words")
    else:
        words = ("restriction", "conditions")
        untold = {name: f"not told here; {codes[name]}" for name in words if name in known}
        new = Marking.from_json({**known, **untold, "named": []})
    new = replace(new, named=())
    for name in ("lead_only", "withdrawn", "authority_required", "sealed"):
        if not isinstance(getattr(new, name), bool):
            raise BadRequest(f"{name} is true or false")
    check_words(new)
    return Marking.from_json(new.to_json())


def check_words(new: Marking) -> None:
    """Refuse a marking that says what there is not.

    Raises:
        BadRequest: another word, H3 without its words, or texts that are empty or too long.
    """
    for value, allowed in (
        *(((new.handling,), HANDLING), ((new.tlp,), TLP)),
        *((new.excluded_uses, EXCLUDED_USES), (new.consent, RECIPIENTS)),
    ):
        for one in value:
            if one is not None and one not in allowed:
                raise BadRequest(f"{shown(one)} is none of {', '.join(allowed)}")
    if (new.handling == "H3") != (new.restriction is not None):
        raise BadRequest("H3 says in words what is restricted, and it alone")
    for text in (new.restriction, new.conditions):
        if text is not None and not (text.strip() and len(text) <= MAX_WORDS):
            raise BadRequest(f"conditions have 1 to {MAX_WORDS} characters")
    if new.owner is not None and not (new.owner.strip() and len(new.owner) <= MAX_OWNER):
        raise BadRequest(f"an owner has a name of 1 to {MAX_OWNER} characters")


def tighten(
    repo: Repository, actor: Actor, subject: Subject, new: Marking, *, motive: str
) -> Marking:
    """Put a marking in force that allows nothing more than the one before.

    Raises:
        BadRequest: it would, or was changed meanwhile.
    """
    with repo.database.writing() as session:
        row = session.get(Row, subject.id, with_for_update={"key_share": True})
        old = Marking.from_json(row.marking) if row else Marking()
        if old.loosened_by(new):
            raise BadRequest("the marking was changed meanwhile; look at it and try again")
        if old != new:
            put(repo, session, actor, subject, old, new, motive=motive)
    return new


def put(
    repo: Repository,
    session: Session,
    actor: Actor,
    subject: Subject,
    old: Marking,
    new: Marking,
    *,
    motive: str,
) -> None:
    """Write a marking and its entry; whether it may be is decided before."""
    row = session.get(Row, subject.id)
    if row is None:
        row = Row(subject=subject.id, case_id=subject.case.id, marking={}, index=-1)
        session.add(row)
    row.marking = new.to_json()
    session.flush()
    draft = change_draft(actor, subject.ref, subject.case, subject.name, old, new, motive)
    [entry] = repo.ledger.append(session, [draft])
    row.index = entry.index


def change_draft(
    actor: Actor,
    exhibit: ExhibitRef | None,
    case: Case,
    name: str,
    old: Marking,
    new: Marking,
    motive: str,
) -> Draft:
    """Return the entry about a change of the marking of something called `name`."""
    return Draft(
        act_of(old, new),
        actor,
        exhibit=exhibit,
        plain={"handling": _plain(new)},
        withheld={
            "case": case.code,
            "motive": motive,
            "detail": {"subject": name, "from": old.to_json(), "to": new.to_json()},
        },
        subject=None if exhibit else case.id,
    )


def version(marking: Marking) -> str:
    """Return the digest that tells one version of conditions from any other."""
    return f"sha256:{sha256(dumps(marking.to_json())).hexdigest()}"


def together(markings: Sequence[Marking]) -> dict[str, Any]:
    """Return what several markings come to, in codes, and which versions they are; for entries."""
    if not markings:
        return {}
    found: dict[str, Any] = {"versions": list(dict.fromkeys(version(one) for one in markings))}
    for name, scale in (("handling", HANDLING), ("tlp", TLP)):
        values = [scale.index(value) for one in markings if (value := getattr(one, name))]
        if values:
            found[name] = scale[max(values)]
    uses = {use for one in markings for use in one.excluded_uses}
    if uses:
        found["excluded_uses"] = sorted(uses)
    for name in ("lead_only", "withdrawn", "authority_required", "sealed"):
        if any(getattr(one, name) for one in markings):
            found[name] = True
    return found


def handling(markings: Sequence[Marking]) -> dict[str, Any]:
    """Return the field of entries that says under which conditions an act was done."""
    found = together(markings)
    return {"handling": found} if found else {}


def act_of(old: Marking, new: Marking) -> Act:
    """Return the type of entry that a change of marking is."""
    if old.sealed != new.sealed:
        return Act.SEALING if new.sealed else Act.UNSEALING
    if set(old.consent) - set(new.consent) or (new.withdrawn and not old.withdrawn):
        return Act.CONSENT_WITHDRAWN
    if set(new.consent) - set(old.consent):
        return Act.CONSENT_RECORDED
    return Act.HANDLING_CHANGE


def handling_of(marking: Marking) -> dict[str, Any]:
    """Return the field of an entry that says what restricted a thing then; none if nothing did."""
    found = _plain(marking)
    return {"handling": found} if found else {}


def told_with(marking: Marking, **more: Any) -> dict[str, Any]:
    """Return the withheld field that goes with `handling_of`: the marking in its words."""
    told = {"marking": marking.to_json()} if _plain(marking) else {}
    return {"detail": {**told, **more}} if told or more else {}


def strictest(markings: Sequence[Marking]) -> Marking:
    """Return one marking that allows nothing that one of these forbids."""
    values: dict[str, Any] = {}
    for name in ("restriction", "conditions"):
        said = dict.fromkeys(text for one in markings if (text := getattr(one, name)))
        values[name] = "\n".join(said) or None
    for name, scale in (("handling", HANDLING), ("tlp", TLP)):
        found = [value for one in markings if (value := getattr(one, name))]
        values[name] = max(found, key=scale.index, default=None)
    for name in ("lead_only", "withdrawn", "authority_required", "sealed"):
        values[name] = any(getattr(one, name) for one in markings)
    # Whom one provider consents to, another may not: consent is what all agree on that restrict.
    agreed = [set(one.consent) for one in markings if _plain(replace(one, consent=()))]
    named = [set(one.named) for one in markings if one.sealed]
    values["excluded_uses"] = {use for one in markings for use in one.excluded_uses}
    values["consent"] = set.intersection(*agreed) if agreed else set()
    values["named"] = set.intersection(*named) if named else set()
    owners = {owner for one in markings for owner in one.owners}
    values["owner"] = SEVERAL.join(sorted(owners)) or None
    return Marking.from_json({k: sorted(v) if isinstance(v, set) else v for k, v in values.items()})


def _plain(marking: Marking) -> dict[str, Any]:
    """Return the codes of a marking that restrict; words as their digest, persons as a number."""
    found = {name: value for name, value in marking.to_json().items() if value}
    owner = found.pop("owner", None)  # an institution: it stands in `detail`
    if found or owner:
        found["version"] = version(marking)
    if marking.contradictions():
        found["held"] = marking.contradictions()
    if marking.named:
        found["named"] = len(marking.named)
    for name in ("restriction", "conditions"):
        if name in found:
            found[name] = f"sha256:{sha256(found[name].encode()).hexdigest()}"
    return found
