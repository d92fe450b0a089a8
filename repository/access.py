"""decide(person, act, thing, purpose, now) -> Decision: the whole access policy, pure.

Whatever no rule allows is refused, with every reason. To know who may do what, read this file:
1. `ALLOWED`: which role allows which act. A role counts where it was granted on the case, until
   the grant ends; some roles of the house count on every case (`EVERYWHERE`).
2. `_narrowed`: submitters see what they handed over, counsel and experts what was disclosed to
   their party, and nothing else. Whoever has a role of `ALONE` in the house acts in no other.
   A role on a further case that an exhibit belongs to counts for `ASSOCIATED` acts.
3. `_forbidden`: what the markings of the case, the submission and the exhibit forbid. Each is
   applied in turn, so that the strictest decides. What an owner keeps leaves by its consent alone.
4. `_privileged`: what may be privileged is closed to everybody with another part in the case until
   a reviewer decided, who has none.
5. `STEP_UP`: what needs a recent sign-in, where somebody is signed in with a browser.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from repository.agreed import Consent, all_agree, lapsed
from repository.conditions import Marking
from repository.purpose import RECIPIENT_OF, Purpose

ROLES = (
    "investigator", "analyst", "prosecutor", "custodian", "auditor", "partner", "submitter",
    "counsel", "expert", "reviewer", "administrator",
)  # fmt: skip
PARTIES = frozenset({"counsel", "expert"})
ALONE = frozenset({"submitter", "counsel", "expert", "reviewer", "auditor", "administrator"})
EVERYWHERE = frozenset({"custodian", "auditor"})
GRANTABLE = tuple(role for role in ROLES if role != "administrator")  # on a case

IDENTIFYING = ("source",)  # fields that say who somebody protected is: shown by two persons alone
INTERNAL = frozenset(
    {"association", "annotation"}
)  # entries whose values are not for parties or outside


class Right(StrEnum):
    """What a person may ask to do."""

    OPEN_CASE = "open-case"
    SITUATIONS = "situations"  # list those that one may know of
    LIST = "list"  # those exhibits of a case that one may consult
    CONSULT = "consult"  # what a case, a submission or an exhibit is
    HISTORY = "history"  # an exhibit's entries
    FACTS = "facts"  # what was read out of an exhibit
    INGEST = "ingest"
    IMPORT = "import"  # take in another repository's bundle
    RETRIEVE = "retrieve"
    EXTRACT = "extract"  # have an exhibit looked at again
    EXPORT = "export"
    DISCLOSE = "disclose"
    DISCLOSED = "disclosed"  # list what was disclosed to a party; counsel and experts: to theirs
    RELEASE = "release"  # give custody of an exhibit up to another institution
    RECEIVE = "receive"  # take custody over of what was released to one's institution
    ANSWER = "answer"  # refuse what was released to it
    TRANSFER = "transfer"  # see what was released, and take a release back
    ASSOCIATE = "associate"  # have an exhibit belong to a further case
    SHARE = "share"  # the same, with a case of another institution
    REVIEW = "review"  # the disclosure register of a proceeding
    ACKNOWLEDGE = "acknowledge"  # that one's party got what was disclosed to it
    CONFIRM = "confirm"  # that one got a bundle, as its recipient
    ANNOTATE = "annotate"  # say something of it for the case team, and read what was said
    PRIVILEGE = "privilege"  # say that something may be privileged
    JUDGE = "judge"  # as a reviewer: whether it is
    HOLD = "hold"  # keep from erasure, for a matter
    MARK = "mark"  # say how something is to be handled
    PROTECT = "protect"  # put identities into the vault, and see codenames
    REQUEST = "request"  # ask for an act of two persons, or for an owner's consent
    CONSENT = "consent"  # see what the own institution is asked for; refuse and withdraw
    AGREE = "agree"  # give its consent
    REVEAL = "reveal"  # who a source is, where two persons permitted it
    DISPOSE = "dispose"  # ask for the erasure of an exhibit
    GOVERN = "govern"  # people, tokens, quarantine
    LET_IN = "let-in"  # somebody to a case; and say for which uses an institution is known
    DECIDE = "decide"  # as a second person
    MATCH = "match"  # ask whether others hold something, and read notices
    AUDIT = "audit"  # the ledger and the access log
    INSTALL = "install"  # stores and backups


_PARTICIPANTS = frozenset({"investigator", "analyst", "prosecutor", "custodian"})
_ANSWERING = frozenset({"investigator", "prosecutor", "custodian", "submitter"})
_LOOKING = frozenset(ROLES) - {"auditor", "administrator", "reviewer"}
ALLOWED: Mapping[Right, frozenset[str]] = {
    Right.OPEN_CASE: frozenset({"investigator", "custodian"}),
    Right.SITUATIONS: _PARTICIPANTS | {"auditor", "partner"},
    Right.LIST: _LOOKING | {"reviewer"},
    Right.CONSULT: _LOOKING | {"reviewer"},
    Right.HISTORY: _PARTICIPANTS | PARTIES | {"auditor"},
    Right.FACTS: _PARTICIPANTS | PARTIES | {"partner", "reviewer"},
    Right.INGEST: frozenset({"investigator", "custodian", "submitter"}),
    Right.IMPORT: frozenset({"investigator", "custodian"}),
    Right.RETRIEVE: PARTIES | {"analyst", "custodian", "partner", "reviewer"},
    Right.EXTRACT: frozenset({"investigator", "analyst", "custodian", "reviewer"}),
    Right.EXPORT: frozenset({"prosecutor", "custodian"}),
    Right.DISCLOSE: frozenset({"prosecutor", "custodian"}),
    Right.DISCLOSED: PARTIES | {"prosecutor", "custodian"},
    Right.RELEASE: frozenset({"prosecutor", "custodian"}),
    Right.RECEIVE: _PARTICIPANTS | {"partner"},
    Right.ANSWER: _PARTICIPANTS | {"partner"},
    Right.TRANSFER: frozenset({"prosecutor", "custodian"}),
    Right.ASSOCIATE: frozenset({"investigator", "prosecutor", "custodian"}),
    Right.SHARE: frozenset({"prosecutor", "custodian"}),
    Right.REVIEW: frozenset({"prosecutor", "custodian"}),
    Right.ACKNOWLEDGE: PARTIES,
    Right.CONFIRM: PARTIES | {"partner"},
    Right.ANNOTATE: _PARTICIPANTS,
    Right.PRIVILEGE: _PARTICIPANTS | PARTIES,
    Right.JUDGE: frozenset({"reviewer"}),
    Right.HOLD: frozenset({"investigator", "prosecutor", "custodian"}),
    Right.MARK: frozenset({"investigator", "custodian", "submitter"}),
    Right.PROTECT: frozenset({"investigator", "prosecutor", "custodian"}),
    Right.REQUEST: _PARTICIPANTS,
    Right.CONSENT: _ANSWERING,
    Right.AGREE: _ANSWERING,
    Right.REVEAL: _LOOKING,
    Right.DISPOSE: frozenset({"custodian"}),
    Right.GOVERN: frozenset({"custodian"}),
    Right.LET_IN: frozenset({"custodian"}),
    Right.DECIDE: frozenset({"custodian"}),
    Right.MATCH: _PARTICIPANTS | {"partner"},
    Right.AUDIT: frozenset({"auditor", "custodian"}),
    Right.INSTALL: frozenset({"administrator", "custodian"}),
}

SHOWING = frozenset(  # what a seal and a circle of readers stop
    {
        Right.LIST, Right.CONSULT, Right.HISTORY, Right.FACTS, Right.INGEST, Right.RETRIEVE,
        Right.EXTRACT, Right.EXPORT, Right.DISCLOSE, Right.PROTECT, Right.REVEAL, Right.RELEASE,
        Right.RECEIVE, Right.IMPORT, Right.TRANSFER, Right.ASSOCIATE, Right.SHARE, Right.REVIEW,
        Right.ACKNOWLEDGE, Right.PRIVILEGE, Right.JUDGE, Right.DISCLOSED, Right.ANNOTATE,
    }
)  # fmt: skip
LEAVING = frozenset({Right.EXPORT, Right.DISCLOSE, Right.SHARE, Right.RELEASE, Right.RECEIVE})
TAKING = LEAVING | {Right.RETRIEVE}
USING = TAKING | {Right.FACTS, Right.EXTRACT}
ASSOCIATED = frozenset(  # what a grant on a further case allows on an exhibit
    {
        Right.LIST, Right.CONSULT, Right.HISTORY, Right.FACTS, Right.RETRIEVE, Right.EXPORT,
        Right.DISCLOSE, Right.REVIEW, Right.ACKNOWLEDGE, Right.ANNOTATE, Right.PRIVILEGE,
    }
)  # fmt: skip
# What needs a recent sign-in: what lets something leave or somebody in, and acts of two persons on
# either side.
STEP_UP = LEAVING | {
    Right.REQUEST, Right.DISPOSE, Right.REVEAL, Right.DECIDE, Right.AGREE, Right.LET_IN,
}  # fmt: skip
STALE = "step-up-required"


@dataclass(frozen=True, slots=True)
class Held:
    """A role granted on the case in question, for whom, and until when."""

    role: str
    party: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: the role in the house, the institution, and what was granted on the case."""

    id: str
    role: str
    organisation: str | None = None
    held: tuple[Held, ...] = ()
    ended_at: datetime | None = None
    only: str | None = None  # the one submission that the presented token adds to
    acknowledged: bool = False  # shows that it was given the receipt of that submission's list
    recent_until: datetime | None = None  # of a session: how long its sign-in counts as recent


@dataclass(frozen=True, slots=True)
class Thing:
    """What an act is about: the house, or a case, or a submission or exhibit in its case."""

    kind: str = "house"  # house, case, submission, exhibit, consent
    exists: bool = True
    organisation: str | None = None  # whose case it is; None: the house's own
    submission: str | None = None
    submitter: str | None = None  # the person who handed it over
    disclosed_to: frozenset[str] = frozenset()
    released_to: str | None = None  # the institution that may answer a transfer of custody
    by_association: tuple[Held, ...] = ()  # on its further cases; of parties, if disclosed to them
    markings: tuple[Marking, ...] = ()
    consents: tuple[Consent, ...] = ()  # of owners of it, given once; in force or not
    owner: str | None = None  # of a consent: the institution that answers
    privileged: bool = False  # it may be, or is: itself, or what it was taken out of
    holds_privileged: bool = False  # a member of it may be, or is
    permitted: Mapping[str, datetime] = field(default_factory=dict)  # by two persons, until when


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the act is allowed, the role in which it is done, and all reasons of a refusal."""

    allowed: bool
    role: str
    reasons: tuple[str, ...] = ()


def decide(
    person: Who, act: Right, thing: Thing, purpose: Purpose | None, now: datetime
) -> Decision:
    """Decide an act: allowed only if no rule has a reason against it."""
    reasons = []
    if not thing.exists:
        reasons.append(f"unknown-{thing.kind}")
    if person.ended_at is not None and person.ended_at <= now:
        reasons.append("person-ended")
    if person.only is not None and not _in_scope(person, act, thing):
        reasons.append("token-scope")
    if act in STEP_UP and person.recent_until is not None and person.recent_until <= now:
        reasons.append(STALE)
    if act in LEAVING and purpose is not None and purpose.left:
        reasons.append("recipient-left")
    role, against = _role(person, act, thing, now)
    reasons += against
    reasons += _privileged(person, act, thing)
    if thing.exists and thing.kind != "house":
        for marking in thing.markings:
            reasons += _forbidden(marking, person, act, thing, purpose, now)
    found = tuple(dict.fromkeys(reasons))
    return Decision(not found, role, found)


def _in_scope(person: Who, act: Right, thing: Thing) -> bool:
    """Say whether a token for one submission is good for an act.

    It adds; and whoever shows the acknowledgement of the list is told what became of its files,
    which says nothing to them that they had not sent.
    """
    if thing.submission != person.only:
        return False
    told = thing.kind == "submission" and act is Right.CONSULT and person.acknowledged
    return act is Right.INGEST or told


def _role(person: Who, act: Right, thing: Thing, now: datetime) -> tuple[str, list[str]]:
    """Return the role in which the act is done, and what speaks against every one there is."""
    allowed = ALLOWED.get(act, frozenset())
    held = [one for one in person.held if one.until is None or one.until > now]
    everywhere = person.role in EVERYWHERE and person.organisation in (None, thing.organisation)
    given = thing.released_to and _released(person, thing)
    if thing.kind in ("house", "consent") or everywhere or given:
        held.append(Held(person.role))
    if act in ASSOCIATED:
        held += [one for one in thing.by_association if one.until is None or one.until > now]
    if person.role in ALONE:
        held = [one for one in held if one.role == person.role]
    if not held:
        known = (*person.held, *thing.by_association)
        expired = any(one.until is not None and one.until <= now for one in known)
        return person.role, ["grant-expired" if expired else "no-grant"]
    fitting = sorted(
        (one for one in held if one.role in allowed),
        key=lambda one: (one.role != person.role, one.role),
    )
    if not fitting:
        return person.role, ["role"]
    against = [_narrowed(one, person, act, thing) for one in fitting]
    for one, reason in zip(fitting, against, strict=True):
        if reason is None:
            return one.role, []
    return fitting[0].role, [reason for reason in against if reason]


def _narrowed(held: Held, person: Who, act: Right, thing: Thing) -> str | None:
    """Return why a role that allows the act does not reach this thing."""
    if act in (Right.CONSENT, Right.AGREE):
        mine = thing.owner is not None and person.organisation == thing.owner
        return None if mine else "not-owner"
    if act in (Right.LIST, Right.DISCLOSED):  # lists are made of what may be consulted
        return None
    if act is Right.CONFIRM:  # whoever has the bundle proves it by its digest
        return None
    if act in (Right.RECEIVE, Right.ANSWER) and not _released(person, thing):
        return "not-recipient"
    if held.role == "submitter":
        begins = act is Right.INGEST and thing.kind == "case"
        return None if begins or thing.submitter == person.id else "not-own"
    if held.role == "reviewer":
        return None if thing.privileged or thing.holds_privileged else "not-for-review"
    if held.role in PARTIES:
        disclosed = held.party in thing.disclosed_to or held in thing.by_association
        return None if disclosed else "not-disclosed"
    return None


def _privileged(person: Who, act: Right, thing: Thing) -> list[str]:
    """Return what closes a thing to the case team because it may be privileged.

    Of a container that only holds something privileged, the bytes are closed, not what it is.
    """
    roles = {one.role for one in (*person.held, *thing.by_association)}  # ended ones too
    independent = roles == {"reviewer"} and person.role not in EVERYWHERE
    if independent:
        return []
    whole = USING | {Right.ANNOTATE}
    closed = whole if thing.privileged else TAKING if thing.holds_privileged else frozenset()
    found = ["privileged"] if act in closed else []
    return [*found, "not-independent"] if act is Right.JUDGE else found


def _released(person: Who, thing: Thing) -> bool:
    """Say whether custody of a thing was released to somebody's own institution."""
    return person.organisation == thing.released_to


def _forbidden(
    marking: Marking, person: Who, act: Right, thing: Thing, purpose: Purpose | None, now: datetime
) -> list[str]:
    """Return what one marking has against an act."""
    found = []
    unsealed = thing.permitted.get("unsealing")
    outside = any(one.role == "partner" for one in (*person.held, *thing.by_association)) or (
        None not in (person.organisation, thing.organisation)
        and person.organisation != thing.organisation
    )
    if act in SHOWING:
        open_to = person.id in marking.named or (unsealed is not None and unsealed > now)
        if marking.sealed and not open_to:
            found.append("sealed")
        if marking.tlp in ("AMBER+STRICT", "RED") and outside and act is not Right.RECEIVE:
            found.append("tlp")  # of what is released, consent decides (`_kept`)
    ends = thing.consents and lapsed(marking.owners, thing.consents, _names(person, thing), now)
    if act in USING and (marking.withdrawn or ends):
        found.append("consent-withdrawn")
    if act in (Right.RETRIEVE, Right.FACTS) and outside and _unshared(marking, person, thing, now):
        found.append("owner-consent")
    if act in USING and purpose is not None and _excluded(marking, act, purpose):
        found.append("excluded-use")
    if act in TAKING:
        if marking.authority_required and not (purpose and purpose.authority):
            found.append("authority-required")
        if marking.handling == "H0" and purpose is not None and purpose.code == "other":
            found.append("handling-h0")
    if act in LEAVING:
        found += _kept(marking, purpose, thing, now)
    return found


def _excluded(marking: Marking, act: Right, purpose: Purpose) -> bool:
    """Say whether a provider excluded the stated use, or words hide which use it is."""
    if purpose.code in marking.excluded_uses:
        return True  # whatever was assured
    hidden = act in TAKING and purpose.code == "other"
    return hidden and bool(set(marking.excluded_uses) - set(purpose.assured))


def _names(person: Who, thing: Thing) -> set[str]:
    """Return as which recipient a person got something: the institution, and the parties."""
    parties = {one.party for one in (*person.held, *thing.by_association) if one.party}
    kinds = {"defence"} if parties else set()
    return parties | kinds | ({person.organisation} if person.organisation else set())


def _unshared(marking: Marking, person: Who, thing: Thing, now: datetime) -> bool:
    """Say whether an owner has to agree before another institution reads it, and has not."""
    if "partners" in marking.consent:
        return False
    names = _names(person, thing) | {"partners"}
    others = set(marking.owners) - {person.organisation}
    return not all_agree(others, thing.consents, lambda one: one.in_force(now) and one.meets(names))


def kept_by_provider(thing: Thing, purpose: Purpose, now: datetime) -> list[str]:
    """Return what a provider's conditions have against letting something leave for a purpose."""
    found = []
    for marking in thing.markings:
        found += _kept(marking, purpose, thing, now)
        if marking.withdrawn:
            found.append("consent-withdrawn")
    return list(dict.fromkeys(found))


def _kept(marking: Marking, purpose: Purpose | None, thing: Thing, now: datetime) -> list[str]:
    """Return what a marking has against letting something leave for a purpose."""
    found = []
    recipient = RECIPIENT_OF.get(purpose.code if purpose else "", "partners")
    owners = marking.owners
    agreed = owners and all_agree(owners, thing.consents, lambda one: one.covers(purpose, now))
    if marking.contradictions():
        found.append("conditions-contradict")
    if recipient not in marking.consent and not agreed:
        if marking.handling == "H1" and recipient in ("court", "defence"):
            found.append("handling-h1")
        if marking.handling in ("H2", "H3"):
            found.append(f"handling-{marking.handling.lower()}")
        if marking.lead_only:
            found.append("lead-only")
        if marking.conditions:
            found.append("provider-conditions")
        if marking.tlp in ("AMBER", "AMBER+STRICT", "RED"):
            found.append("tlp")
        if marking.owner is not None:
            found.append("owner-consent")
    if not agreed and purpose and set(marking.excluded_uses) & set(purpose.practised):
        found.append("excluded-use-recipient")
    assured = purpose.assured if purpose else ()
    if set(marking.excluded_uses) - set(assured):
        found.append("excluded-use")
    return found
