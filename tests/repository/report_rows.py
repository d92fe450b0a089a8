"""Entries of one exhibit as a report gets them, for the tests of report and PDF."""

from repository.exports.report import ExhibitFacts, Heading, Row, Source, compose

COMMITMENT = "sha256:" + "ab" * 32
SHA256, SHA512 = "sha256:" + "5f3c" * 16, "sha512:" + "9e1d" * 32
PERSON = {"actor_name": "Olena Шевченко", "organisation": "Specialised Unit"}
PURPOSE = {"purpose": {"code": "prosecution", "text": "طلب بتاريخ 2013-08-21 من المحكمة"}}
FILES = [("data/KRN-000042.bin", SHA256, 3145728), ("verify.py", SHA512, 12345)]
GIVEN = [("time-stamp tokens", "no time-stamping authority is configured")]
CHECKPOINT = (
    "evidence.example/log\n14\nzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMw=\n\n"
    "— evidence.example/log Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5\n"
)


def uuid(number):
    return f"018f0000-0000-7000-8000-{number:012x}"


def row(
    index, type_, outcome="done", *, seq=1, opened=None, closed=(), role="investigator", **more
):
    opened = dict(opened or {})
    body = {
        "v": 1,
        "id": uuid(index),
        "at": f"2026-11-{1 + index % 28:02d}T08:{index % 60:02d}:23.123Z",
        "type": type_,
        "outcome": outcome,
        "actor": {"id": uuid(9), "role": role, "assurance": "os-login"},
        "by": "central-evidence-repository 0.1.0",
        "clock": {"source": "system"},
        "salt": "00" * 16,
        **more,
    }
    if seq is not None:
        about = {"id": uuid(42), "number": "KRN-000042", "sha256": SHA256, "size": 3145728}
        body["exhibit"] = {**about, "seq": seq}
    if opened or closed:
        body["_sd"] = dict.fromkeys([*opened, *closed], COMMITMENT)
    return Row(index, body, opened)


def history(name="відео 2013-08-21 (1).mp4"):
    declared = {
        "collected_by": "မောင်မောင်",
        "place": "መቐለ",
        "method": "copied over USB",
        "authority": "consent of the owner",
    }
    stored = {
        "store": "s3", "bucket": "evidence", "key": "01/8f", "version": "v1", "sha256": SHA256,
        "size": 3145800, "retain_until": "2056-11-01T00:00:00.000Z", "hold": True,
    }  # fmt: skip
    part = {
        "part": 1,
        "digests": {"sha256": SHA256, "sha512": SHA512},
        "chunks": {"size": 1048576, "count": 3, "root": SHA256, "manifest": SHA256},
        "stored": stored,
    }
    found = {
        "mime": "video/mp4", "description": "ISO Media", "claimed_extension": "mp4",
        "mismatch": False,
    }  # fmt: skip
    same = {"expected": [SHA256], "observed": [SHA256]}
    return [
        row(1, "collection", seq=1, opened=PERSON | declared, closed=["source"],
            occurred_at="2026-10-30T00:00:00.000Z"),
        row(2, "receipt", seq=2, opened={**PERSON, "name": name, **PURPOSE}, closed=["case"],
            location={"store": "s3", "bucket": "evidence", "key": "01/8f", "version": "v1"}),
        row(3, "message_digest_calculation", "pass", seq=3, opened=PERSON,
            verification={"expected": [SHA256], "observed": [SHA256, SHA512]}),
        row(4, "registration", seq=4, opened=PERSON, parts=[part]),
        row(5, "format_identification", seq=5, role="system", opened={"detail": found},
            instrument={"tool": "libmagic", "version": "5.45", "parameters": SHA256}),
        row(6, "metadata_extraction", seq=6, role="system", reason="ok", inputs=[SHA256],
            outputs=["sha256:" + "77" * 32], instrument={"tool": "video", "version": "1"}),
        row(7, "retrieval", "started", seq=7, opened=PERSON | PURPOSE, request_id=uuid(77)),
        row(8, "retrieval", seq=8, opened=PERSON | PURPOSE, request_id=uuid(77),
            ranges=[[0, 1048575], [2097152, 3145727]]),
        row(9, "access_denied", "refused", seq=9, closed=["actor_name", "asked"], role="analyst",
            attempted="retrieval", reason="no-grant"),
        row(10, "fixity_check", "pass", seq=10, role="custodian", closed=["actor_name"],
            opened={"detail": "3145728 bytes match"}, verification=same),
        row(11, "levitation", seq=11, opened={"aura": "blue"}, height=12),
        row(12, "report_generated", "started", seq=None, opened=PERSON | PURPOSE, count=1,
            request_id=uuid(99)),
        row(13, "dissemination", "started", seq=12, request_id=uuid(99),
            opened=PERSON | PURPOSE | {"recipient": "Trial Chamber III"}),
    ]  # fmt: skip


def heading(**changes):
    told = {
        "report_id": uuid(99),
        "case": "KRN",
        "case_title": "Situation in Kirania",
        "asked_by": "Olena Шевченко (prosecutor)",
        "recipient": "Trial Chamber III",
        "purpose": "court: for the hearing",
        "authority": None,
        "generated_at": "2026-11-20T22:26:53.123Z",
        "generator": "central-evidence-repository 0.1.0",
        "tree_size": 14,
        "root": "c" * 64,
        "key_name": "evidence.example/log",
        "key_fingerprint": "d" * 64,
        "checkpoint": CHECKPOINT,
        "marking": "CONFIDENTIAL",
    }
    return Heading(**(told | changes))


EXHIBIT = ExhibitFacts("KRN-000042", uuid(42), ("data/KRN-000042.bin",))


def source(rows, language="en", **changes):
    return Source(heading(**changes), [EXHIBIT], rows, GIVEN, FILES, language)


def report(rows, language="en", **changes):
    return compose(source(rows, language, **changes))
