"""decide(): pure, deny by default; the whole table written out."""

import itertools

import pytest

from repository.access import ALLOWED, ROLES, Right, Standing, decide

EXPECTED = {
    "investigator": {Right.OPEN_CASE, Right.CONSULT, Right.INGEST, Right.EXTRACT},
    "analyst": {Right.CONSULT, Right.RETRIEVE, Right.EXTRACT},
    "prosecutor": {Right.CONSULT, Right.EXPORT},
    "custodian": set(Right),
}


@pytest.mark.parametrize(("role", "right"), list(itertools.product(ROLES, Right)))
def test_a_role_granted_on_the_case_allows_its_rights_and_no_other(role, right):
    if right in (Right.OPEN_CASE, Right.GOVERN):
        found = decide(Standing(role), right)
    else:
        found = decide(Standing("analyst", frozenset({role})), right)
    assert found.allowed == (right in EXPECTED[role])


@pytest.mark.parametrize(("role", "right"), list(itertools.product(ROLES, Right)))
def test_without_a_grant_only_a_custodian_acts_on_a_case(role, right):
    found = decide(Standing(role), right)
    if right in (Right.OPEN_CASE, Right.GOVERN):
        assert found.allowed == (right in EXPECTED[role])
    else:
        assert found.allowed == (role == "custodian")
        assert found.allowed or found.reason == "no-grant"


def test_a_right_nobody_listed_is_denied():
    assert set(ALLOWED) == set(Right)
    assert not decide(Standing("custodian", frozenset(ROLES)), "invented").allowed  # type: ignore[arg-type]
    assert not decide(Standing("invented"), Right.CONSULT).allowed


def test_the_role_acted_in_is_the_one_that_allows_it():
    found = decide(Standing("investigator", frozenset({"analyst", "prosecutor"})), Right.EXPORT)
    assert (found.allowed, found.role) == (True, "prosecutor")
    refused = decide(Standing("analyst", frozenset({"analyst"})), Right.EXPORT)
    assert (refused.allowed, refused.role, refused.reason) == (False, "analyst", "role")
