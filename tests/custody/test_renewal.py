"""Evidence records: published ones behave as told; decades are survived only by renewing."""

import base64
import functools
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custody.algorithms import Algorithms, Verdict
from custody.errors import BadEvidenceRecord, CustodyError, MalformedEvidenceRecord
from custody.evidence_record import parse
from custody.longevity import check, make, records, renew
from custody.renewal import _covers, initial, renew_hash_tree, renew_timestamp, verify
from custody.tables import insert_rows, published
from custody.timestamp import check_token
from tests.custody.simulated_authority import SimulatedAuthority
from tests.shared import shared

DSS = shared("vectors", "dss-ers")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def dss(name):
    return (DSS / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "chains"),
    [
        ("1_0_Initial.er", [b"123456"], [1]),
        ("1_2_Renew_Unsorted.er", [b"123456"], None),
        ("BIN-4_ER.ers", ["BIN-1.bin"], [2, 1]),
        ("ER-2Chains3ATS.ers", ["ER-2Chains3ATS1.bin", "ER-2Chains3ATS2.bin"], [2, 1]),
        ("er-asn1-tst-renewal.ers", ["ER-2Chains3ATS1.bin", "ER-2Chains3ATS2.bin"], [2]),
    ],
)
def test_published_records_verify_for_each_member_alone(name, data, chains):
    data = [dss(one) if isinstance(one, str) else one for one in data]
    for group in (data, *([one] for one in data)):
        checked = verify(dss(name), group, now=NOW, check_token=None)
        assert (checked.covered, checked.given) == (len(group), len(group))
        assert not checked.signatures
    if chains:
        assert [len(chain) for chain in parse(dss(name)).chains] == chains
    checked = verify(dss(name), [data[0], b"other"], now=NOW, check_token=None)
    assert (checked.covered, checked.given) == (1, 2)
    with pytest.raises(BadEvidenceRecord):
        verify(dss(name), [b"other"], now=NOW, check_token=None)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("er-asn1-tst-renewal-invalid.ers", ["ER-2Chains3ATS1.bin", "ER-2Chains3ATS2.bin"]),
        ("er-asn1-chain-renewal-invalid.ers", [b"\t"]),
    ],
)
def test_published_bad_records_are_refused(name, data):
    data = [dss(one) if isinstance(one, str) else one for one in data]
    with pytest.raises(BadEvidenceRecord):
        verify(dss(name), data, now=NOW, check_token=None)


def test_a_record_whose_imprint_differs_is_refused_though_its_digests_are_found():
    [[stamp]] = parse(dss("er-asn1-simple-invalid.ers")).chains
    for text in (
        "nOPX01D5QYQHQ58MoR3MEquffNsV+ezF7Kk1SCYCuHI=",
        "7s1NM1LA6WX9iHle39GmDFrAmzwRAMBS67auC9NDKyY=",
    ):
        leaf = base64.b64decode(text)
        assert any(leaf in one for one in stamp.tree)
        assert not _covers(stamp, leaf)


@pytest.mark.parametrize("der", [b"", b"garbage", b"\x30\x00", b"\x30\x80", b"\x30" * 300])
def test_garbage_is_malformed_never_no_evidence(der):
    with pytest.raises(MalformedEvidenceRecord):
        parse(der)
    with pytest.raises(MalformedEvidenceRecord):
        parse(dss("BIN-1_ER_malformed.ers"))


AUTHORITY = SimulatedAuthority("hypothesis", NOW, 10)


def stamping(authority, at):
    return lambda imprint, algorithm: authority.token(imprint, algorithm, at)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.binary(max_size=20), min_size=1, max_size=4, unique=True),
        min_size=1,
        max_size=9,
        unique_by=tuple,
    )
)
def test_every_group_is_proved_by_its_own_record_and_survives_both_renewals(groups):
    ders = initial(groups, algorithm="sha256", stamp=stamping(AUTHORITY, NOW))
    ders = [
        renew_timestamp(der, stamp=stamping(AUTHORITY, NOW + timedelta(days=1))) for der in ders
    ]
    before = [stamp.token for stamp in parse(ders[0]).chains[0]]
    ders = renew_hash_tree(
        ders, groups, algorithm="sha3_512", stamp=stamping(AUTHORITY, NOW + timedelta(days=2))
    )
    assert all(token in ders[0] for token in before)  # byte for byte: what is signed
    for der, group in zip(ders, groups, strict=True):
        for one in group:
            checked = verify(der, [one], now=NOW + timedelta(days=3), check_token=None)
            assert checked.algorithms == ("sha256", "sha3_512")
        with pytest.raises(BadEvidenceRecord):
            verify(der, [b"not among them, and longer"], now=NOW, check_token=None)


def test_no_changed_byte_makes_a_record_cover_other_data():
    [der] = initial([[b"one", b"two"]], algorithm="sha512", stamp=stamping(AUTHORITY, NOW))
    draw = random.Random(4998)
    for position in draw.sample(range(len(der)), 300):
        changed = bytearray(der)
        changed[position] ^= 1 << draw.randrange(8)
        with pytest.raises(CustodyError):
            verify(bytes(changed), [b"three"], now=NOW, check_token=checking([AUTHORITY]))


def checking(authorities):
    roots = [one.root for one in authorities]

    def checked(token, imprint, _, relied):
        check_token(token, imprint, roots=roots, relied=relied)

    return checked


# --- thirty years -----------------------------------------------------------------------------

START = datetime(2027, 1, 1, tzinfo=UTC)
HASHES = [(0, "sha256"), (8, "sha512"), (16, "sha3_256"), (24, "sha3_512")]


def year(n):
    return START + timedelta(days=365 * n)


AUTHORITIES = [SimulatedAuthority(f"{n}", year(5 * n), 6) for n in range(6)]


def decades(*, renewing=True, skip=()):
    """Live through 30 years: yearly renewal, hashes that fall, authorities that end."""
    return lived(30, frozenset(skip if renewing else range(1, 31))), checking(AUTHORITIES)


@functools.cache  # lives that differ later have their beginning in common
def lived(n, skip):
    """Return the evidence record after n years."""
    if n == 0:
        stamp = stamping(AUTHORITIES[0], year(0))
        return initial([[b"checkpoint"]], algorithm="sha256", stamp=stamp)[0]
    before = lived(n - 1, frozenset(one for one in skip if one < n))
    if n in skip:
        return before
    stamp, changes = stamping(AUTHORITIES[min(n // 5, 5)], year(n)), dict(HASHES)
    if n not in changes:
        return renew_timestamp(before, stamp=stamp)
    return renew_hash_tree([before], [[b"checkpoint"]], algorithm=changes[n], stamp=stamp)[0]


BROKEN = Algorithms(
    {"ed25519": year(10), "sha256": year(9), "sha512": year(17), "sha3_256": year(25)}
)


def test_thirty_years_with_renewals_verify():
    der, checked = decades()
    found = verify(
        der, [b"checkpoint"], now=year(30) + timedelta(days=90), check_token=checked,
        algorithms=BROKEN,
    )  # fmt: skip
    assert found.first == START
    assert found.algorithms == ("sha256", "sha512", "sha3_256", "sha3_512")
    # The log's own signature fell in year 10; the record dates it before.
    later = year(30)
    assert BROKEN.judge("ed25519", later, found.first) is Verdict.BY_EARLIER_EVIDENCE
    assert BROKEN.judge("ed25519", later, None) is Verdict.NOT_ACCEPTED
    assert BROKEN.judge("ed25519", year(11), year(10)) is Verdict.NOT_ACCEPTED
    assert BROKEN.judge("sha3_512", later, None) is Verdict.ACCEPTED


def test_the_same_thirty_years_without_renewals_fail():
    der, checked = decades(renewing=False)
    with pytest.raises(CustodyError):
        verify(der, [b"checkpoint"], now=year(30), check_token=checked, algorithms=BROKEN)
    with pytest.raises(CustodyError, match="ended"):
        verify(der, [b"checkpoint"], now=year(30), check_token=checked)


@pytest.mark.parametrize(
    ("skip", "why"), [((8,), "sha256"), (tuple(range(3, 8)), "ended"), ((24, 25, 26), "sha3_256")]
)
def test_one_missed_renewal_is_not_forgiven(skip, why):
    der, checked = decades(skip=skip)
    with pytest.raises(CustodyError, match=why):
        verify(der, [b"checkpoint"], now=year(31), check_token=checked, algorithms=BROKEN)


def test_records_over_a_ledger_are_made_renewed_and_checked(kept):
    authority = SimulatedAuthority("ledger", START, 30)
    for n in range(3):
        kept.ledger.record(*[kept.draft(k) for k in range(150)])
        with kept.database.writing() as session:
            insert_rows(session, published, [(150 * (n + 1),)])
        made = make(kept.database, algorithm="sha256", stamp=stamping(authority, year(n)))
        assert (made.lo, made.hi) == (150 * n, 150 * (n + 1))
    assert make(kept.database, algorithm="sha256", stamp=stamping(authority, year(3))) is None
    renew(kept.database, stamp=stamping(authority, year(4)))
    renew(kept.database, stamp=stamping(authority, year(5)), algorithm="sha3_512")

    def found(**more):
        with kept.database.reading() as session:
            return check(session, now=year(6), check_token=checking([authority]), **more)

    assert [one.outcome for one in found()] == ["pass"] * 3
    with kept.database.reading() as session:
        assert [len(parse(one.der).chains) for one in records(session)] == [2, 2, 2]
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(kept.path)) as raw, raw:
        raw.execute("DROP TRIGGER entry_no_update")
        raw.execute("UPDATE entry SET body = replace(body, 'analyst', 'analyzt') WHERE idx = 200")
    assert [one.outcome for one in found()] == ["pass", "fail", "pass"]
    with pytest.raises(BadEvidenceRecord):
        renew(kept.database, stamp=stamping(authority, year(6)), algorithm="sha512")
