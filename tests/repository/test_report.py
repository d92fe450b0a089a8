"""The custody report: facts from entries alone, with their limits."""

import hashlib
import json
import subprocess

import pytest

from custody.entry import Act
from repository.errors import WrongUse
from repository.exports import report_files
from repository.exports.bag import FolderBag
from repository.exports.report import COMMANDS, ExhibitFacts, Source, compose, volumes
from repository.exports.report_custody import hours
from repository.exports.report_words import language
from tests.repository.report_rows import (
    EXHIBIT,
    FILES,
    GIVEN,
    PERSON,
    SHA256,
    SHA512,
    heading,
    history,
    report,
    row,
    source,
    uuid,
)

ENGLISH = language("en")
WORDS, TYPES = ENGLISH.words, ENGLISH.types


def section(found, name):
    return next(some for some in found["sections"] if some["id"] == name)["blocks"]


def all_blocks(found):
    return [block for some in found["sections"] for block in some["blocks"]]


def facts(found, name):
    """Return name -> values (or state) of all facts of a section; the last one wins."""
    blocks = [block for block in section(found, name) if block["kind"] == "facts"]
    return {
        fact["name"]: fact["values"] or fact["state"] for block in blocks for fact in block["facts"]
    }


def entries(found):
    return [block for block in section(found, "D") if block["kind"] == "entry"]


def entry(found, index):
    return next(some for some in entries(found) if some["index"] == index)


def told(some):
    return {fact["name"]: fact["values"] for fact in some["facts"]}


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def test_the_report_is_plain_json_without_floats():
    found = report(history())
    assert json.loads(json.dumps(found)) == found
    assert not [leaf for leaf in leaves(found) if isinstance(leaf, float)]


def test_the_same_rows_give_the_same_report_in_any_order():
    assert report(history()) == report(list(reversed(history())))


def test_the_report_has_all_sections():
    found = [some["id"] for some in report(history())["sections"]]
    assert found == list("ABCDEFGHIJK")


def test_what_the_caller_left_out_is_listed_too():
    assert {"what": GIVEN[0][0], "why": GIVEN[0][1]} in report(history())["left_out"]


def test_no_text_of_the_report_draws_a_conclusion():
    texts = [*leaves(dict(WORDS)), *(text for pair in TYPES.values() for text in pair)]
    forbidden = (
        "admissib",
        "authentic",
        "genuine",
        "tamper",
        "proof of",
        "proves that",
        "reliable",
    )
    assert not [text for text in texts if any(word in text.lower() for word in forbidden)]


def test_every_type_of_entry_has_a_name_and_an_explanation():
    assert set(TYPES) == {str(act) for act in Act}
    assert all(label and meaning for label, meaning in TYPES.values())


def test_the_header_holds_every_field_and_says_which_are_not_recorded():
    found = facts(report(history()), "A")
    assert found["case"] == ["KRN"]
    assert found["tree_size"] == ["14"]
    assert found["scope"] == ["KRN-000042"]
    assert found["entries"] == ["13"]
    assert found["authority"] == found["time_stamp"] == "not-recorded"
    assert facts(report(history(), marking=None), "A")["marking"] == "not-recorded"


def test_identity_comes_from_the_entries():
    found = facts(report(history()), "B")
    assert found["original_name"] == ["відео 2013-08-21 (1).mp4"]
    assert found["detected"] == ["video/mp4", "ISO Media"]
    assert found["claimed"] == ["mp4"]
    assert found["quantity"] == ["parts: 1"]
    assert found["size"] == ["3145728 bytes"]
    assert found["edited"] == found["external"] == found["languages"] == "not-recorded"
    assert found["root_number"] == ["KRN-000042"]
    assert found["today"] == [SHA256]


def test_each_digest_says_where_it_stands():
    blocks = [block for block in section(report(history()), "B") if block["kind"] == "facts"]
    notes = {f["values"][0]: f["note"] for f in blocks[0]["facts"] if f["name"] == "digest"}
    assert "sha256, declared before receipt: by role investigator; entry 3" in notes[SHA256]
    assert "declared" not in notes[SHA512]
    assert "registered, part 1: by role investigator; entry 4" in notes[SHA512]


def test_a_name_that_may_not_be_shown_is_withheld_not_missing():
    rows = [row(2, "receipt", closed=["name"])]
    assert facts(report(rows), "B")["original_name"] == "withheld"
    assert facts(report([row(2, "receipt")]), "B")["original_name"] == "not-recorded"


def test_a_name_that_is_not_utf_8_is_shown_by_its_bytes():
    found = facts(report([row(2, "receipt", opened={"name": {"base64": "/w=="}})]), "B")
    assert found["original_name"][0].endswith("/w==")


def test_an_unidentified_format_is_not_recorded():
    rows = [row(5, "format_identification", "not-done", reason="timeout", instrument={"tool": "x"})]
    assert facts(report(rows), "B")["detected"] == "not-recorded"


def test_acquisition_stands_as_declared_and_lists_what_is_not_recorded():
    found = facts(report(history()), "C")
    assert found["C.collected_by"] == ["မောင်မောင်"]
    assert found["C.start"] == ["2026-10-30T00:00:00.000Z"]
    assert found["C.source"] == "withheld"
    [missing] = found["not-said"]
    assert missing.startswith("Role of the collector; Organisation of the collector")
    assert "Source: IMEI" in missing
    assert "Collected by" not in missing


def test_further_fields_of_a_declaration_are_printed_too():
    told = {"detail": {"imei": "490154203237518", "weather": "rain"}}
    found = facts(report([row(1, "collection", opened=told)]), "C")
    assert found["C.imei"] == ["490154203237518"]
    assert found["weather"] == ["rain"]


def test_without_a_collection_entry_the_report_says_so_and_lists_every_field():
    found = report(history()[1:])
    assert {"kind": "text", "text": WORDS["C.none"]} in section(found, "C")
    assert "Collected by" in facts(found, "C")["not-said"][0]


def test_the_time_before_receipt_is_declared_and_its_length_stated_in_hours():
    found = facts(report(history()), "D")
    assert found["before"] == [
        "မောင်မောင်; at 2026-10-30T00:00:00.000Z; place መቐለ (declared in entry 1; not checked)"
    ]
    [interval] = found["unexplained"]
    assert "2026-10-30T00:00:00.000Z to 2026-11-03T08:02:23.123Z: 104.1 h" in interval
    assert found["proved"] == ["receipt: entry 2, 2026-11-03T08:02:23.123Z"]


def test_an_undated_declaration_borrows_no_time():
    rows = [row(1, "collection", opened={"place": "x"}), row(2, "receipt", seq=2)]
    [interval] = facts(report(rows), "D")["unexplained"]
    assert interval.startswith("from a time not recorded to 2026-11-03T08:02:23.123Z")


def test_an_interval_is_never_said_to_be_shorter_than_it_is():
    assert hours("2026-11-01T00:00:00.000Z", "2026-11-01T01:00:00.001Z") == "1.1 h"
    assert hours("2026-11-01T00:00:00.000Z", "2026-11-01T01:00:00.000Z") == "1.0 h"
    assert hours("2026-11-01", "2026-11-01T01:00:00.000Z") is None


def test_accesses_are_counted_by_person_and_act_and_each_refusal_is_named():
    tables = [block for block in section(report(history()), "F") if block["kind"] == "table"]
    accesses, refusals = tables
    assert [cells[0] for cells in accesses["rows"]] == ["Olena Шевченко (investigator)"] * 3
    assert {cells[2] for cells in accesses["rows"]} == {
        "Retrieval, started", "Retrieval, done", "Dissemination, started",
    }  # fmt: skip
    [refused] = refusals["rows"]
    assert refused[0] == f"withheld {uuid(9)} (analyst)"
    assert refused[2:4] == ["Retrieval", "no-grant"]


def test_a_derivative_names_both_digests_tool_version_and_reason():
    made = row(
        5, "derivative_creation", reason="redaction", inputs=[SHA256], outputs=[SHA512],
        instrument={"tool": "mask", "version": "2", "parameters": {}},
        opened={"motive": "names of minors",
                "detail": {"child": {"exhibit": "KRN-000043", "id": uuid(43)},
                           "author": "A. Field", "codes": ["R1: minors"]}},
    )  # fmt: skip
    found = facts(report([made]), "G")
    assert found["G.child"] == ["KRN-000043"]
    assert found["G.parent-digest"] == [SHA256]
    assert found["G.result-digest"] == [SHA512]
    assert (found["G.tool"], found["G.version"]) == (["mask"], ["2"])
    assert found["G.reason"] == ["names of minors"]
    assert found["G.codes"] == ["R1: minors"]
    assert facts(report([made]), "B")["related"] == ["KRN-000043 is a redaction of it"]


def test_a_working_copy_says_who_holds_it_and_how_many_are_out():
    made = row(5, "working_copy_creation", reason="made", count=3,
               opened={"recipient": "Lab", "purpose": {"code": "analysis", "text": ""},
                       "detail": {"copies": "x", "count": 2}})  # fmt: skip
    found = facts(report([made]), "G")
    assert found["G.holder"] == ["Lab"]
    assert (found["G.copies"], found["G.out"]) == (["2"], ["3"])


def test_protection_names_measures_sealed_parts_pseudonyms_and_who_holds_the_key():
    rows = [
        row(1, "receipt", seq=1, closed=["actor_name"]),
        row(2, "sealing", seq=2, handling={"sealed": True, "version": SHA256}),
        row(3, "handling_change", seq=3, reason="privilege-claimed", closed=["path"],
            handling={"privilege": "possible"}),
    ]  # fmt: skip
    found = facts(report(rows), "I")
    assert len(found["I.measures"]) == 2
    assert found["I.in-force"] == ["sealed: yes", f"version: {SHA256}"]
    assert found["I.sealed"] == [
        "the whole exhibit, by entry 2, 2026-11-03T08:02:23.123Z",
        "a member whose name is withheld, by entry 3, 2026-11-04T08:03:23.123Z",
    ]
    assert found["I.pseudonyms"] == [f"{uuid(9)}: role investigator; entries: 1"]
    assert "evidence.example/log" in found["I.key"][0]


def test_certification_states_what_the_ledger_supports_and_leaves_the_statement_open():
    found = facts(report(history()), "J")
    assert found["J.statements"] == [WORDS["J.statements.none"]]
    assert found["J.software"] == ["central-evidence-repository 0.1.0"]
    assert found["J.algorithms"] == ["sha256: 1", "sha512: 1"]
    assert found["J.calculated"] == ["compared: 1 equal, 0 different, 0 not compared"]
    assert set(found["J.signature"][0]) == {"_"}
    made = ("fre-902-14", "01a1f000-0000-7000-8000-000000000009", 42)
    listed = Source(heading(), [EXHIBIT], [], [], [], statements=[made])
    [said] = facts(compose(listed), "J")["J.statements"]
    assert all(str(one) in said for one in made)


def test_every_entry_is_shown_in_order_with_index_and_seq():
    found = entries(report(history()))
    assert [(some["index"], some["seq"]) for some in found] == [
        *((number, number) for number in range(1, 12)),
        (13, 12),
        (12, None),  # about no exhibit: after those of the exhibit
    ]


def test_an_entry_shows_time_actor_purpose_and_what_is_withheld():
    some = entry(report(history()), 2)
    assert some["at"] == "2026-11-03T08:02:23.123Z"
    shown = told(some)
    assert shown["actor"] == [
        "Olena Шевченко", f"role investigator; known by os-login; id {uuid(9)}",
    ]  # fmt: skip
    assert shown["organisation"] == ["Specialised Unit"]
    assert shown["purpose"] == ["prosecution", "طلب بتاريخ 2013-08-21 من المحكمة"]
    assert shown["location"] == ["store s3, bucket evidence, key 01/8f, version v1"]
    assert some["withheld"] == ["case"]
    assert some["withheld_text"] == "Case"


def test_an_actor_who_may_not_be_named_is_withheld_but_keeps_the_pseudonym():
    some = entry(report(history()), 9)
    shown = told(some)
    assert shown["actor"][0] == "withheld"
    assert uuid(9) in shown["actor"][1]
    assert shown["attempted"] == ["retrieval"]
    assert shown["reason"] == ["no-grant"]
    assert some["outcome"] == "refused"


def test_an_actor_without_a_name_is_not_recorded():
    assert told(entry(report(history()), 6))["actor"][0] == "not recorded"


def test_the_time_it_happened_is_a_claim():
    some = next(f for f in entry(report(history()), 1)["facts"] if f["name"] == "occurred_at")
    assert some["label"] == "Occurred (claimed)"


def test_ranges_name_first_last_and_count():
    assert told(entry(report(history()), 8))["ranges"] == [
        "0 to 1048575 (1048576 bytes)",
        "2097152 to 3145727 (1048576 bytes)",
    ]


@pytest.mark.parametrize(
    ("expected", "observed", "said"),
    [
        ([SHA256], [SHA256, SHA512], "equal"),
        ([SHA256], ["sha256:" + "00" * 32], "different"),
        ([], [SHA256], "not-compared"),
        ([SHA256], [], "not-compared"),
        (["md5:" + "00" * 16], [SHA256], "not-compared"),
    ],
)
def test_digests_are_compared_only_where_they_can_be(expected, observed, said):
    compared = {"expected": expected, "observed": observed}
    some = entry(report([row(1, "fixity_check", "pass", verification=compared)]), 1)
    assert told(some)["comparison"] == [WORDS[said]]


def test_an_unknown_type_is_shown_with_all_its_fields():
    found = report(history())
    some = entry(found, 11)
    assert some["label"] == "levitation"
    assert told(some)["aura"] == ["blue"]
    assert told(some)["height"] == ["12"]
    types = next(b for b in section(found, "K") if b.get("head") == ["Type", "What it records"])
    assert ["levitation", WORDS["unknown-type"]] in types["rows"]


def test_values_are_the_entrys_own_never_another_entrys():
    rows = [
        row(1, "receipt", seq=1, opened=PERSON),
        row(2, "retrieval", seq=2, opened={"actor_name": "Olena Коваль"}),
        row(3, "retrieval", seq=3),
    ]
    found = [told(some)["actor"][0] for some in entries(report(rows))]
    assert found == ["Olena Шевченко", "Olena Коваль", "not recorded"]


def test_a_gap_in_the_sequence_is_stated():
    rows = [row(1, "receipt", seq=1), row(3, "registration", seq=3, parts=[])]
    assert facts(report(rows), "E")["continuity"] == ["not whole: missing 2; double none"]
    whole = facts(report(history()), "E")["continuity"]
    assert whole == ["entries 1 to 12: all in this report, none missing, none double"]


def test_entries_that_name_different_digests_are_stated():
    other = row(2, "retrieval", seq=2)
    other.body["exhibit"]["sha256"] = SHA512
    found = facts(report([row(1, "receipt"), other]), "E")["same-digest"]
    assert len(found) == 2
    assert found[1].startswith(SHA512)


def test_integrity_failures_and_failed_checks_are_named():
    rows = [
        row(1, "receipt", seq=1),
        row(2, "fixity_check", "fail", seq=2, verification={"expected": [SHA256], "observed": []}),
        row(3, "integrity_failure", "fail", seq=3, reason="digest-differs",
            opened={"detail": "chunk 2"}),
    ]  # fmt: skip
    found = facts(report(rows), "E")
    assert found["fixity"] == ["pass: 0; fail: 1; error: 0; not done: 0"]
    check = next(b for b in section(report(rows), "E") if b["kind"] == "table")["rows"][0]
    assert check[3] == "fail"
    assert check[4] == f"Expected: {SHA256}; Observed: none"
    assert found["failures"][0] == "recorded: 1"
    assert "chunk 2" in found["failures"][1]


def test_no_check_and_no_transfer_are_stated_as_such():
    found = facts(report([row(1, "receipt")]), "E")
    assert found["fixity"] == ["no entry “fixity_check” is in this report"]
    assert found["failures"] == ["no entry “integrity_failure” is in this report"]
    assert found["transfers"] == ["no entry of a transfer is in this report"]


def test_an_act_without_its_closing_entry_is_named():
    found = facts(report(history()), "E")["unclosed"]
    assert found == ["Dissemination: entry 13, 2026-11-14T08:13:23.123Z"]


def test_the_last_section_tells_commands_checkpoint_files_and_types():
    blocks = section(report(history()), "K")
    code = [block["lines"] for block in blocks if block["kind"] == "code"]
    assert ["python3 -I verify.py ."] in code
    assert ["sha256sum -c manifest-sha256.txt", "sha256sum -c tagmanifest-sha256.txt"] in code
    assert ["d" * 64] in code
    assert heading().checkpoint.removesuffix("\n").split("\n") in code
    listed = next(b for b in blocks if b.get("head") == ["Path", "Size", "Digest"])
    assert listed["rows"] == [[path, str(size), digest] for path, digest, size in FILES]
    assert "d" * 64 in next(b for b in blocks if b["kind"] == "qr")["content"]


def test_the_command_for_the_fingerprint_prints_the_fingerprint(tmp_path):
    vkey = "evidence.example/log+3de0ae58+AWlHZ9yR"
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "policy").write_text(f"log {vkey}\nquorum none\n")
    said = subprocess.run(
        ["sh", "-c", COMMANDS["key"][0]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[0] == hashlib.sha256(vkey.encode()).hexdigest()


def test_withheld_values_are_counted_in_what_is_left_out():
    left_out = [some["what"] for some in report(history())["left_out"]]
    assert "values of withheld fields: 5, in entries: 4" in left_out


def test_the_code_of_the_payload_is_the_digest_of_the_manifest_of_the_bag(tmp_path):
    bag = FolderBag(tmp_path / "out")
    with bag:
        bag.add("data/b.bin", [b"2"])
        bag.add("data/a.bin", [b"1"])
        files = [(path, f"sha256:{hexed}", size) for path, hexed, size in bag.files]
        bag.finish(info=[])
    written = (tmp_path / "out" / "manifest-sha256.txt").read_bytes()
    of = Source(heading(), [], [], [], files)
    codes = [block for block in section(compose(of), "K") if block["kind"] == "qr"]
    assert codes[1]["content"] == f"sha256:{hashlib.sha256(written).hexdigest()}"


def test_a_report_by_reference_says_that_the_files_it_names_are_not_in_the_bundle():
    of = Source(heading(), [EXHIBIT], history(), [], FILES, by_reference=True)
    made = compose(of)
    [about] = [block for block in section(made, "B") if block["kind"] == "facts"]
    labels = [one["label"] for one in about["facts"]]
    assert "Its files, which are not in this bundle" in labels
    assert "Files in this bundle" not in labels
    blocks = section(made, "K")
    assert len([block for block in blocks if block["kind"] == "qr"]) == 1  # its manifest is empty
    assert any("are not in this bundle" in block.get("text", "") for block in blocks)


def test_a_short_report_is_one_volume():
    [only] = volumes(source(history()), lambda n: f"{n}.pdf")
    assert only == report(history())


def test_a_long_report_is_bound_in_volumes_and_prints_every_entry_once():
    rows = [row(number, "retrieval", seq=number) for number in range(1, 501)]
    bound = list(volumes(source(rows), lambda n: f"{n}.pdf", full=500))
    assert len(bound) > 5
    printed = [some for one in bound for some in all_blocks(one) if some["kind"] == "entry"]
    assert [some["index"] for some in printed] == list(range(1, 501))
    assert [one["volume"] for one in bound] == [
        {"number": n, "of": len(bound)} for n in range(1, len(bound) + 1)
    ]
    assert [some["id"] for some in bound[0]["sections"]] == ["A", "B", "C"]
    assert bound[-1]["sections"][-1]["id"] == "K"
    assert bound[2]["sections"][0]["title"] == "D. Custody: every entry in order (continued)"
    assert all_blocks(bound[2])[0]["text"] == "Exhibit KRN-000042 (continued)"
    assert printed == [block for block in all_blocks(report(rows)) if block["kind"] == "entry"]


def test_the_index_in_the_first_volume_says_what_stands_where():
    rows = [row(number, "retrieval", seq=number) for number in range(1, 501)]
    bound = list(volumes(source(rows), lambda n: f"{n}.pdf", full=500))
    [table] = bound[0]["index"]
    assert len(table["rows"]) == len(bound)
    only = "KRN-000042\u00a0to\u00a0KRN-000042"
    assert table["rows"][0] == ["1", "1.pdf", "A, B, C", f"B\u00a0{only}; C\u00a0{only}", "none"]
    assert table["rows"][1][2:4] == ["D", f"D\u00a0{only}"]
    spans = [cells[4] for cells in table["rows"] if "to" in cells[4]]
    assert spans[0].startswith("1 to ")
    assert spans[-1].endswith(" to 500")
    assert [one["index"] for one in bound[1:]] == [[]] * (len(bound) - 1)


def test_beside_very_many_exhibits_volumes_are_shorter(monkeypatch):
    made = source([row(number, "retrieval", seq=number) for number in range(1, 301)])

    def entries(many):
        monkeypatch.setattr(report_files, "_MANY", many)
        bound = map(json.loads, report_files.printed(made, lambda one: json.dumps(one).encode()))
        return [[some["index"] for some in all_blocks(one) if some["kind"] == "entry"]
                for one in bound]  # fmt: skip

    monkeypatch.setattr(report_files, "_SHORTER", 500)
    whole, shorter = entries(many=1), entries(many=0)
    assert len(whole) == 1
    assert len(shorter) > 3
    assert [n for one in shorter for n in one] == whole[0] == list(range(1, 301))


def test_the_index_names_the_exhibits_of_each_section_by_themselves():
    exhibits = [ExhibitFacts(f"KRN-{n:06d}", uuid(n), ()) for n in range(1, 41)]
    made = Source(heading(), exhibits, [], GIVEN, FILES)
    [table] = next(volumes(made, lambda n: f"{n}.pdf", full=300))["index"]
    said = [span for cells in table["rows"] for span in cells[3].split("; ") if span != "none"]
    assert len(said) > 8
    for span in said:  # a volume that ends one section and begins the next named "40 to 3"
        first, last = span[2:].split("\u00a0to\u00a0")
        assert first <= last, span


def test_zero_rows_make_a_report_that_says_so():
    found = report([])
    assert {"kind": "text", "text": WORDS["D.none-exhibit"]} in section(found, "D")
    assert facts(found, "E")["continuity"] == [WORDS["continuity.none"]]
    assert facts(found, "A")["span"] == "not-recorded"
    empty = compose(Source(heading(), [], [], [], []))
    assert {"kind": "text", "text": WORDS["D.none"]} in section(empty, "D")


def test_an_opening_without_a_commitment_is_refused():
    forged = row(1, "receipt", opened={"name": "a"})
    del forged.body["_sd"]
    with pytest.raises(WrongUse, match="no commitment for name"):
        report([forged])


def test_the_same_entry_or_exhibit_twice_is_refused():
    with pytest.raises(WrongUse, match="twice: entry 1"):
        report([row(1, "receipt"), row(1, "receipt")])
    with pytest.raises(WrongUse, match="twice: exhibit"):
        Source(heading(), [EXHIBIT, EXHIBIT], [], [], [])


def test_text_of_evidence_is_never_a_pattern():
    found = entry(report([row(1, "receipt", opened={"name": "{index} {0} %s"})]), 1)
    assert told(found)["name"] == ["{index} {0} %s"]
