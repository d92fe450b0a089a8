"""decide(): pure, deny by default; the whole table written out, and every marking."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repository.access import (
    ALLOWED,
    ASSOCIATED,
    LEAVING,
    ROLES,
    SHOWING,
    TAKING,
    USING,
    Held,
    Right,
    Thing,
    Who,
    decide,
)
from repository.agreed import Consent
from repository.conditions import HANDLING, TLP, Marking
from repository.purpose import Purpose

NOW = datetime(2026, 11, 27, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
HOUSE = {
    Right.OPEN_CASE, Right.GOVERN, Right.DECIDE, Right.AUDIT, Right.INSTALL, Right.SITUATIONS,
    Right.MATCH,
}  # fmt: skip
LOOKING = {Right.LIST, Right.CONSULT, Right.REVEAL}
RECIPIENT = {Right.RECEIVE, Right.ANSWER}
ANSWERING = {Right.CONSENT, Right.AGREE}
RECEIVED = {Right.ACKNOWLEDGE, Right.CONFIRM}
ABOUT = set(Right) - HOUSE - ANSWERING - {Right.JUDGE}
PARTY = {
    *LOOKING, Right.HISTORY, Right.FACTS, Right.RETRIEVE, Right.ACKNOWLEDGE, Right.PRIVILEGE,
    Right.DISCLOSED, Right.CONFIRM,
}  # fmt: skip

EXPECTED = {
    "investigator": {
        *LOOKING, Right.OPEN_CASE, Right.HISTORY, Right.FACTS, Right.INGEST, Right.EXTRACT,
        Right.MARK, Right.REQUEST, Right.PROTECT, Right.ASSOCIATE, Right.HOLD, Right.SITUATIONS,
        *ANSWERING, Right.IMPORT, Right.MATCH, *RECIPIENT, Right.PRIVILEGE,
        Right.ANNOTATE,
    },
    "analyst": {
        *LOOKING, Right.HISTORY, Right.FACTS, Right.RETRIEVE, Right.EXTRACT, Right.REQUEST,
        Right.SITUATIONS, Right.MATCH, *RECIPIENT, Right.PRIVILEGE,
        Right.ANNOTATE,
    },
    "prosecutor": {
        *LOOKING, Right.HISTORY, Right.FACTS, Right.EXPORT, Right.DISCLOSE, Right.REQUEST,
        Right.PROTECT, Right.ASSOCIATE, Right.SHARE, Right.HOLD, Right.SITUATIONS, Right.REVIEW,
        *ANSWERING, Right.RELEASE, Right.TRANSFER, Right.MATCH, *RECIPIENT, Right.PRIVILEGE,
        Right.DISCLOSED, Right.ANNOTATE,
    },
    "custodian": set(Right) - {Right.ACKNOWLEDGE, Right.CONFIRM, Right.JUDGE},
    "auditor": {Right.HISTORY, Right.AUDIT, Right.SITUATIONS},
    "partner": {
        *LOOKING, Right.FACTS, Right.RETRIEVE, Right.SITUATIONS, Right.MATCH, *RECIPIENT,
        Right.CONFIRM,
    },
    "submitter": {*LOOKING, Right.INGEST, Right.MARK, *ANSWERING},
    "counsel": PARTY,
    "expert": PARTY,
    "reviewer": {
        Right.LIST, Right.CONSULT, Right.FACTS, Right.RETRIEVE, Right.EXTRACT, Right.JUDGE,
    },
    "administrator": {Right.INSTALL},
}  # fmt: skip
EXHIBIT = Thing("exhibit", submission="SUB-1", submitter="p", disclosed_to=frozenset({"defence"}))
PURPOSE = Purpose("analysis", "", "warrant 7")
CLOSED = replace(EXHIBIT, privileged=True, holds_privileged=True)
HOLDING = replace(EXHIBIT, holds_privileged=True)


def holder(role: str, house: str | None = None) -> Who:
    """Return a person p with a role on the case; counsel and experts act for the defence."""
    party = "defence" if role in ("counsel", "expert") else None
    return Who("p", house or role, held=(Held(role, party),))


def able(right: Right) -> Who:
    """Return a person whose role allows a right."""
    return holder("counsel" if right in RECEIVED else "custodian")


def marked(**values: object) -> Thing:
    return replace(EXHIBIT, markings=(Marking(**values),))


def reasons(person: Who, act: Right, thing: Thing, purpose: Purpose | None = PURPOSE) -> set[str]:
    return set(decide(person, act, thing, purpose, NOW).reasons)


@pytest.mark.parametrize(("role", "right"), list(itertools.product(ROLES, Right)))
def test_a_role_allows_its_acts_and_no_other(role, right):
    if right in ANSWERING:
        asked = Thing("consent", owner="Unit")
        found = decide(Who("p", role, "Unit"), right, asked, None, NOW)
    elif right in HOUSE:
        found = decide(Who("p", role), right, Thing(), None, NOW)
    else:
        about = CLOSED if role == "reviewer" else EXHIBIT
        found = decide(holder(role), right, about, PURPOSE, NOW)
    assert found.allowed == (right in EXPECTED[role])


@pytest.mark.parametrize(("role", "right"), list(itertools.product(ROLES, sorted(ABOUT))))
def test_without_a_grant_only_roles_of_the_whole_house_reach_a_case(role, right):
    found = decide(Who("p", role), right, EXHIBIT, PURPOSE, NOW)
    assert found.allowed == (role in ("custodian", "auditor") and right in EXPECTED[role])
    assert found.allowed or found.reasons in (("no-grant",), ("role",))


def test_a_custodian_of_an_institution_reaches_its_own_cases_only():
    own = replace(EXHIBIT, organisation="Unit")
    other = replace(EXHIBIT, organisation="Tribunal")
    custodian = Who("p", "custodian", organisation="Unit")
    assert decide(custodian, Right.RETRIEVE, own, PURPOSE, NOW).allowed
    assert reasons(custodian, Right.RETRIEVE, other) == {"no-grant"}
    assert reasons(custodian, Right.RETRIEVE, EXHIBIT) == {"no-grant"}


def test_an_act_nobody_listed_is_denied():
    assert set(ALLOWED) == set(Right)
    asked = decide(holder("custodian"), "invented", EXHIBIT, PURPOSE, NOW)  # type: ignore[arg-type]
    assert not asked.allowed
    assert not decide(Who("p", "invented"), Right.CONSULT, EXHIBIT, PURPOSE, NOW).allowed


def test_the_role_acted_in_is_the_one_that_allows_it():
    both = Who("p", "investigator", held=(Held("analyst"), Held("prosecutor")))
    found = decide(both, Right.EXPORT, EXHIBIT, PURPOSE, NOW)
    assert (found.allowed, found.role) == (True, "prosecutor")


@pytest.mark.parametrize("role", ["administrator", "submitter", "counsel", "expert", "auditor"])
def test_whoever_acts_alone_is_given_nothing_by_other_grants(role):
    person = Who("p", role, held=(Held("analyst"), Held("custodian"), Held("prosecutor")))
    assert reasons(person, Right.RETRIEVE, EXHIBIT)
    assert reasons(person, Right.EXPORT, EXHIBIT)


def test_a_submitter_sees_what_was_handed_over_by_this_person_alone():
    assert reasons(holder("submitter"), Right.CONSULT, replace(EXHIBIT, submitter="q")) == {
        "not-own"
    }
    assert reasons(holder("submitter"), Right.CONSULT, Thing("case")) == {"not-own"}
    assert not reasons(holder("submitter"), Right.INGEST, Thing("case"))


@pytest.mark.parametrize("role", ["counsel", "expert"])
def test_a_party_reads_what_was_disclosed_to_it(role):
    assert not reasons(holder(role), Right.RETRIEVE, EXHIBIT)
    other = replace(EXHIBIT, disclosed_to=frozenset({"prosecution"}))
    assert reasons(holder(role), Right.RETRIEVE, other) == {"not-disclosed"}
    assert reasons(holder(role), Right.CONSULT, replace(EXHIBIT, disclosed_to=frozenset())) == {
        "not-disclosed"
    }


@pytest.mark.parametrize("right", list(Right))
def test_a_token_for_one_submission_adds_to_it_and_does_nothing_else(right):
    for role in ROLES:
        bound = replace(holder(role), only="SUB-1")
        allowed = decide(bound, right, EXHIBIT, PURPOSE, NOW).allowed
        assert allowed == (right is Right.INGEST and Right.INGEST in EXPECTED[role])
        assert not decide(bound, right, replace(EXHIBIT, submission="SUB-2"), PURPOSE, NOW).allowed


def test_grants_and_people_end():
    past = Who("p", "analyst", held=(Held("analyst", until=NOW),))
    assert reasons(past, Right.RETRIEVE, EXHIBIT) == {"grant-expired"}
    still = Who("p", "analyst", held=(Held("analyst", until=LATER),))
    assert not reasons(still, Right.RETRIEVE, EXHIBIT)
    assert reasons(replace(still, ended_at=NOW), Right.RETRIEVE, EXHIBIT) == {"person-ended"}


@pytest.mark.parametrize("right", sorted(SHOWING))
@pytest.mark.parametrize("role", ROLES)
def test_sealed_is_for_those_who_are_named_or_were_permitted(role, right):
    sealed = marked(sealed=True, named=("q",))
    assert "sealed" in reasons(holder(role), right, sealed)
    assert "sealed" not in reasons(holder(role), right, marked(sealed=True, named=("p",)))
    permitted = replace(sealed, permitted={"unsealing": LATER})
    assert "sealed" not in reasons(holder(role), right, permitted)
    assert "sealed" in reasons(holder(role), right, replace(sealed, permitted={"unsealing": NOW}))


def test_the_strictest_of_all_markings_decides():
    thing = replace(EXHIBIT, markings=(Marking(), Marking(sealed=True), Marking(tlp="CLEAR")))
    assert reasons(holder("analyst"), Right.RETRIEVE, thing) == {"sealed"}


def test_all_reasons_are_told_not_only_the_first():
    thing = marked(sealed=True, withdrawn=True, authority_required=True)
    found = reasons(Who("p", "analyst", held=()), Right.RETRIEVE, thing, Purpose("other", ""))
    assert found == {"no-grant", "sealed", "consent-withdrawn", "authority-required"}


@pytest.mark.parametrize("right", sorted(ABOUT))
def test_withdrawn_consent_stops_every_use_but_not_the_record(right):
    found = reasons(able(right), right, marked(withdrawn=True))
    assert found == ({"consent-withdrawn"} if right in USING else set())


@pytest.mark.parametrize("right", sorted(ABOUT))
def test_an_authority_is_stated_where_one_is_required(right):
    thing = marked(authority_required=True)
    without = reasons(able(right), right, thing, Purpose("analysis", ""))
    assert without == ({"authority-required"} if right in TAKING else set())
    assert not reasons(able(right), right, thing)


@pytest.mark.parametrize(
    ("marking", "code", "expected"),
    [
        ({"handling": "H1"}, "court", {"handling-h1"}),
        ({"handling": "H1"}, "disclosure", {"handling-h1"}),
        ({"handling": "H1"}, "sharing", set()),
        ({"handling": "H1", "consent": ("court",)}, "court", set()),
        ({"handling": "H2"}, "sharing", {"handling-h2"}),
        ({"handling": "H2", "consent": ("court",)}, "sharing", {"handling-h2"}),
        ({"handling": "H3", "restriction": "ask us"}, "court", {"handling-h3"}),
        ({"handling": "H0"}, "other", {"handling-h0"}),
        ({"lead_only": True}, "disclosure", {"lead-only"}),
        ({"lead_only": True, "consent": ("defence",)}, "disclosure", set()),
        ({"conditions": "not to the media"}, "sharing", {"provider-conditions"}),
        ({"tlp": "AMBER"}, "sharing", {"tlp"}),
        ({"tlp": "GREEN"}, "sharing", set()),
        ({"excluded_uses": ("death-penalty",)}, "court", {"excluded-use"}),
    ],
)
def test_what_leaves_needs_what_its_provider_asks(marking, code, expected):
    for act in LEAVING:
        found = reasons(holder("prosecutor"), act, marked(**marking), Purpose(code, ""))
        assert found == expected


def test_an_excluded_use_is_ruled_out_by_the_recipient_in_writing():
    thing = marked(excluded_uses=("death-penalty", "immigration"))
    half = Purpose("court", "", assured=("immigration",))
    whole = Purpose("court", "", assured=("immigration", "death-penalty"))
    assert reasons(holder("prosecutor"), Right.EXPORT, thing, half) == {"excluded-use"}
    assert not reasons(holder("prosecutor"), Right.EXPORT, thing, whole)


@pytest.mark.parametrize("act", sorted(USING))
def test_a_use_that_its_provider_excluded_is_refused_wherever_it_is_stated(act):
    thing = marked(excluded_uses=("immigration",))
    assured = Purpose("immigration", "", assured=("immigration",))
    assert reasons(holder("custodian"), act, thing, assured) == {"excluded-use"}
    other = Purpose("intelligence", "", assured=("immigration",))
    assert not reasons(holder("custodian"), act, thing, other)


@pytest.mark.parametrize("act", sorted(TAKING))
def test_words_alone_do_not_hide_an_excluded_use(act):
    thing = marked(excluded_uses=("immigration",))
    words = Purpose("other", "a hearing about asylum")
    assert reasons(holder("custodian"), act, thing, words) == {"excluded-use"}
    assured = Purpose("other", "a hearing", assured=("immigration",))
    assert not reasons(holder("custodian"), act, thing, assured)


def test_a_closed_circle_keeps_partners_and_other_institutions_out():
    thing = replace(marked(tlp="AMBER+STRICT"), organisation="Unit")
    assert reasons(holder("partner"), Right.RETRIEVE, thing) == {"tlp"}
    other = replace(holder("analyst"), organisation="Tribunal")
    assert reasons(other, Right.RETRIEVE, thing) == {"tlp"}
    assert not reasons(replace(other, organisation="Unit"), Right.RETRIEVE, thing)


@pytest.mark.parametrize("right", sorted(ABOUT))
@pytest.mark.parametrize("role", sorted(set(ROLES) - {"reviewer"}))
def test_what_may_be_privileged_is_closed_to_everybody_with_another_part(role, right):
    whole = USING | {Right.ANNOTATE}
    assert ("privileged" in reasons(holder(role), right, CLOSED)) == (right in whole)
    assert ("privileged" in reasons(holder(role), right, HOLDING)) == (right in TAKING)


@pytest.mark.parametrize("right", sorted(EXPECTED["reviewer"] - {Right.LIST}))
def test_a_reviewer_sees_what_may_be_privileged_and_nothing_else(right):
    assert not reasons(holder("reviewer"), right, CLOSED)
    assert not reasons(holder("reviewer"), right, HOLDING)
    assert reasons(holder("reviewer"), right, EXHIBIT) == {"not-for-review"}


@pytest.mark.parametrize(
    "other", [Held("analyst"), Held("analyst", until=NOW), Held("counsel", "D")]
)
def test_who_has_or_had_another_part_in_the_case_is_not_independent(other):
    both = Who("p", "analyst", held=(Held("reviewer"), other))
    assert "not-independent" in reasons(both, Right.JUDGE, CLOSED)
    assert "privileged" in reasons(both, Right.RETRIEVE, CLOSED)
    further = replace(CLOSED, by_association=(other,))
    assert "not-independent" in reasons(holder("reviewer"), Right.JUDGE, further)
    everywhere = Who("p", "custodian", held=(Held("reviewer"),))
    assert "not-independent" in reasons(everywhere, Right.JUDGE, CLOSED)
    nobody = Who("p", "analyst", organisation="Unit")
    receiving = replace(CLOSED, released_to="Unit")
    assert "privileged" in reasons(nobody, Right.RECEIVE, receiving)


def test_loosening_is_told_field_by_field_and_tightening_is_none():
    strict = Marking(
        "H2", None, "RED", ("immigration",), True, "words", (), True, True, True, ("p",)
    )
    assert strict.loosened_by(Marking()) == sorted(
        ["handling", "tlp", "excluded_uses", "lead_only", "conditions", "withdrawn",
         "authority_required", "sealed"]
    )  # fmt: skip
    assert Marking().loosened_by(strict) == []
    assert strict.loosened_by(strict) == []
    assert strict.loosened_by(replace(strict, named=("p", "q"))) == ["named"]
    assert strict.loosened_by(replace(strict, consent=("court",))) == ["consent"]
    assert strict.loosened_by(replace(strict, named=())) == []
    for scale, name in ((HANDLING, "handling"), (TLP, "tlp")):
        for low, high in itertools.pairwise((None, *scale)):
            assert Marking(**{name: high}).loosened_by(Marking(**{name: low})) == [name]
    assert Marking.from_json(strict.to_json()) == strict


@pytest.mark.parametrize("right", sorted(set(Right) - {Right.JUDGE}))
def test_what_needs_a_recent_sign_in_is_stopped_by_an_old_one_alone(right):
    thing = Thing() if right in HOUSE else EXHIBIT
    thing = Thing("consent", owner="Unit") if right in ANSWERING else thing
    asking = replace(able(right), organisation="Unit" if right in ANSWERING else None)
    old, new = (replace(asking, recent_until=at) for at in (NOW, LATER))
    needs = right in {
        Right.EXPORT, Right.DISCLOSE, Right.SHARE, Right.RELEASE, Right.RECEIVE, Right.DECIDE,
        Right.REVEAL, Right.AGREE,
        Right.REQUEST, Right.DISPOSE, Right.LET_IN,
    }  # fmt: skip
    assert reasons(old, right, thing) == ({"step-up-required"} if needs else set())
    assert reasons(new, right, thing) == set()


def test_custody_released_to_an_institution_is_for_its_people_alone_and_only_to_answer():
    released = replace(EXHIBIT, organisation="Unit", released_to="Tribunal")
    there = Who("p", "partner", organisation="Tribunal")
    for right in (Right.RECEIVE, Right.ANSWER):
        assert decide(there, right, released, PURPOSE, NOW).allowed
        assert reasons(replace(there, organisation="Elsewhere"), right, released) == {"no-grant"}
        own = Who("q", "custodian", organisation="Unit", held=(Held("custodian"),))
        assert reasons(own, right, released) == {"not-recipient"}
        assert reasons(Who("p", "counsel", organisation="Tribunal"), right, released) == {"role"}
    for right in (Right.CONSULT, Right.RETRIEVE, Right.HISTORY, Right.TRANSFER, Right.RELEASE):
        assert not decide(there, right, EXHIBIT, PURPOSE, NOW).allowed
    withdrawn = replace(released, markings=(Marking(withdrawn=True),))
    assert reasons(there, Right.RECEIVE, withdrawn) == {"consent-withdrawn"}
    assert decide(there, Right.ANSWER, withdrawn, PURPOSE, NOW).allowed  # refusing is always open


@pytest.mark.parametrize("right", sorted(ABOUT))
def test_a_grant_on_a_further_case_allows_what_is_said_of_it_and_no_more(right):
    role = "counsel" if right in RECEIVED else "custodian"
    further = replace(EXHIBIT, by_association=(Held(role),))
    found = decide(Who("p", "analyst"), right, further, PURPOSE, NOW)
    assert found.allowed == (right in ASSOCIATED)
    past = replace(EXHIBIT, by_association=(Held("custodian", until=NOW),))
    assert not decide(Who("p", "analyst"), right, past, PURPOSE, NOW).allowed


def test_a_party_of_a_further_case_reads_what_was_disclosed_to_it_there():
    counsel = Who("p", "counsel")
    there = replace(EXHIBIT, disclosed_to=frozenset(), by_association=(Held("counsel", "defence"),))
    assert not reasons(counsel, Right.RETRIEVE, there)
    assert reasons(counsel, Right.RETRIEVE, replace(there, by_association=())) == {"no-grant"}


# --- the owner's consent

AGREED = Consent("NCB", "Tribunal", "court")


def leaving(thing: Thing, purpose: str = "court", recipient: str | None = "Tribunal") -> set[str]:
    stated = Purpose(purpose, "", "warrant 7", recipient=recipient)
    return reasons(holder("custodian"), Right.EXPORT, thing, stated)


def owned(*consents: Consent, **values: object) -> Thing:
    return replace(marked(owner="NCB", **values), consents=consents)


def test_what_an_owner_keeps_leaves_by_its_consent_alone():
    kept = {"handling": "H2", "tlp": "AMBER", "lead_only": True, "conditions": "ask us"}
    assert leaving(owned()) == {"owner-consent"}
    assert leaving(owned(AGREED)) == set()
    assert leaving(owned(AGREED, **kept)) == set()
    assert leaving(owned(**kept)) == {
        "handling-h2", "tlp", "lead-only", "provider-conditions", "owner-consent",
    }  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        replace(AGREED, owner="Other"),
        replace(AGREED, recipient="Ministry"),
        replace(AGREED, purpose="defence"),
        replace(AGREED, until=NOW),
        replace(AGREED, withdrawn=True),
    ],
)
def test_a_consent_is_good_for_its_owner_recipient_purpose_and_time(other):
    assert leaving(owned(other)) == {"owner-consent"}
    assert leaving(owned(other, AGREED)) == set()


def test_a_consent_for_a_kind_of_recipient_names_nobody():
    kind = Consent("NCB", "defence")
    assert leaving(owned(kind), "disclosure", "defence of A") == set()
    assert leaving(owned(kind), "court", "defence of A") == {"owner-consent"}
    assert leaving(owned(AGREED), "court", None) == {"owner-consent"}  # for nobody in particular


def test_a_withdrawal_stops_whoever_had_it_by_the_consent_and_nobody_else():
    withdrawn = owned(Consent("NCB", "defence", withdrawn=True))
    assert reasons(holder("counsel"), Right.RETRIEVE, withdrawn) == {"consent-withdrawn"}
    assert reasons(holder("analyst"), Right.RETRIEVE, withdrawn) == set()
    again = owned(Consent("NCB", "defence", withdrawn=True), Consent("NCB", "defence"))
    assert reasons(holder("counsel"), Right.RETRIEVE, again) == set()
    lapsed = owned(Consent("NCB", "defence", until=NOW))
    assert reasons(holder("expert"), Right.RETRIEVE, lapsed) == {"consent-withdrawn"}


def test_another_institution_reads_with_the_owners_consent_alone():
    thing = replace(owned(), organisation="Unit")
    partner = replace(holder("partner"), organisation="Tribunal")
    assert reasons(partner, Right.RETRIEVE, thing) == {"owner-consent"}
    assert reasons(partner, Right.CONSULT, thing) == set()
    assert reasons(replace(partner, organisation="NCB"), Right.RETRIEVE, thing) == set()
    assert reasons(partner, Right.RETRIEVE, replace(thing, consents=(AGREED,))) == set()


def test_of_several_owners_each_has_a_say_with_every_reader():
    joint = replace(owned(), markings=(Marking(owner="NCB; Heir"),), organisation="Unit")
    both = (AGREED, replace(AGREED, owner="Heir"))
    for some in ((), both[:1], both[1:]):
        assert leaving(replace(joint, consents=some)) == {"owner-consent"}
    assert leaving(replace(joint, consents=both)) == set()
    partner = replace(holder("partner"), organisation="Tribunal")
    for some, found in ((both[:1], {"owner-consent"}), (both, set())):
        assert reasons(partner, Right.RETRIEVE, replace(joint, consents=some)) == found
    ended = (AGREED, replace(AGREED, owner="Heir", withdrawn=True))
    assert "consent-withdrawn" in reasons(partner, Right.RETRIEVE, replace(joint, consents=ended))
    own = replace(partner, organisation="NCB")  # one of them still needs the other's
    heir = replace(AGREED, owner="Heir", recipient="NCB")
    assert reasons(own, Right.RETRIEVE, joint) == {"owner-consent"}
    assert reasons(own, Right.RETRIEVE, replace(joint, consents=(heir,))) == set()


def test_nothing_leaves_for_an_institution_that_left():
    gone = Purpose("sharing", "", "w", recipient="Tribunal", left=True)
    for right in Right:
        found = decide(holder("custodian"), right, EXHIBIT, gone, NOW).reasons
        assert ("recipient-left" in found) == (right in LEAVING), right


def test_excluded_uses_are_matched_with_what_is_on_record_of_the_recipient():
    stated = Purpose(
        "court", "", "w", ("death-penalty",), recipient="Tribunal", practised=("death-penalty",)
    )
    person, thing = holder("custodian"), marked(excluded_uses=("death-penalty",))
    assert reasons(person, Right.EXPORT, thing, stated) == {"excluded-use-recipient"}
    assert reasons(person, Right.EXPORT, thing, replace(stated, practised=())) == set()
    agreed = replace(owned(AGREED, excluded_uses=("death-penalty",)))
    assert reasons(person, Right.EXPORT, agreed, stated) == set()


@pytest.mark.parametrize(
    "values",
    [
        {"tlp": "CLEAR", "handling": "H2"},
        {"tlp": "GREEN", "lead_only": True},
        {"tlp": "RED", "consent": ("partners",)},
    ],
)
def test_conditions_that_contradict_each_other_are_held(values):
    assert "conditions-contradict" in leaving(marked(**values), "court")
    assert "conditions-contradict" in leaving(marked(**values), "sharing")


@pytest.mark.parametrize("right", sorted(ANSWERING))
def test_nobody_answers_for_another_institution(right):
    asked = Thing("consent", owner="NCB")
    for person in (
        Who("p", "custodian"),
        Who("p", "custodian", "Unit"),
        Who("p", "analyst", "NCB"),
    ):
        assert not decide(person, right, asked, None, NOW).allowed
    assert not decide(Who("p", "submitter"), right, Thing("consent"), None, NOW).allowed
    assert not decide(Who("p", "submitter", "NCB", ended_at=NOW), right, asked, None, NOW).allowed
