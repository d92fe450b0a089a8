"""The custody report: facts from entries alone, with their limits."""

import hashlib
import json
import subprocess

import pytest

from custody.entry import Act
from repository.errors import WrongUse
from repository.exports.report import COMMANDS, PRINTED_ROWS, compose
from repository.exports.report_words import TYPES, WORDS
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
    uuid,
)


def section(found, name):
    return next(some for some in found["sections"] if some["id"] == name)["blocks"]


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


def test_the_report_has_sections_a_b_d_e_h_k():
    found = [some["id"] for some in report(history())["sections"]]
    assert found == ["A", "B", "D", "E", "H", "K"]


@pytest.mark.parametrize("letter", ["C", "F", "G", "I", "J"])
def test_sections_not_made_are_listed_as_left_out(letter):
    left_out = [some["what"] for some in report(history())["left_out"]]
    assert any(what.startswith(f"Section {letter}. ") for what in left_out)


def test_what_the_caller_left_out_is_listed_too():
    assert {"what": GIVEN[0][0], "why": GIVEN[0][1]} in report(history())["left_out"]


def test_no_text_of_the_report_draws_a_conclusion():
    texts = [*WORDS.values(), *(text for pair in TYPES.values() for text in pair)]
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
    assert found["edited"] == found["root_number"] == found["languages"] == "not-recorded"


def test_each_digest_says_where_it_stands():
    blocks = [block for block in section(report(history()), "B") if block["kind"] == "facts"]
    notes = {f["values"][0]: f["note"] for f in blocks[0]["facts"] if f["name"] == "digest"}
    assert "declared before receipt: entry 3" in notes[SHA256]
    assert "declared" not in notes[SHA512]
    assert "registered, part 1: entry 4" in notes[SHA512]


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


def test_acquisition_stands_under_identity_as_declared():
    found = facts(report(history()), "B")
    assert found["collected_by"] == ["မောင်မောင်"]
    assert found["occurred_at"] == ["2026-10-30T00:00:00.000Z"]
    assert found["source"] == "withheld"
    assert found["note"] == "not-recorded"


def test_without_a_collection_entry_the_report_says_so():
    blocks = section(report(history()[1:]), "B")
    assert {"kind": "text", "text": WORDS["no-acquisition"]} in blocks
    assert "collected_by" not in facts(report(history()[1:]), "B")


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
    assert whole == ["entries 1 to 12 are all in this report; none is missing or double"]


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
    assert found["type.fixity_check"][0] == "fail"
    assert found["failures"][0] == "recorded: 1"
    assert "chunk 2" in found["failures"][1]


def test_no_check_and_no_transfer_are_stated_as_such():
    found = facts(report([row(1, "receipt")]), "E")
    assert found["fixity"] == ["no entry “fixity_check” is in this report"]
    assert found["failures"] == ["no entry “integrity_failure” is in this report"]
    assert found["transfers"] == ["no entry of a transfer is in this report"]


def test_an_act_without_its_closing_entry_is_named():
    found = facts(report(history()), "E")["unclosed"]
    assert found == ["dissemination: entry 13, 2026-11-14T08:13:23.123Z"]


def test_the_last_section_tells_commands_checkpoint_files_and_types():
    blocks = section(report(history()), "K")
    code = [block["lines"] for block in blocks if block["kind"] == "code"]
    assert ["python3 -I verify.py ."] in code
    assert ["sha256sum -c manifest-sha256.txt", "sha256sum -c tagmanifest-sha256.txt"] in code
    assert ["d" * 64] in code
    assert "\n".join(code[-1]) + "\n" == heading().checkpoint
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
    assert "the values of 5 fields in 4 entries" in left_out


def test_up_to_the_limit_every_entry_is_printed():
    rows = [row(number, "retrieval", seq=number) for number in range(1, PRINTED_ROWS + 1)]
    assert len(entries(report(rows))) == PRINTED_ROWS


def test_beyond_the_limit_routine_acts_are_counted_and_all_others_printed():
    rows = [row(number, "retrieval", seq=number) for number in range(1, PRINTED_ROWS + 1)]
    rows += [row(5000, "integrity_failure", "fail", seq=PRINTED_ROWS + 1)]
    found = report(rows)
    assert [some["index"] for some in entries(found)] == [5000]
    counted = next(b for b in section(found, "D") if b["kind"] == "table")
    assert counted["rows"][0][:3] == ["retrieval", "done", str(PRINTED_ROWS)]
    left_out = {some["what"]: some["why"] for some in found["left_out"]}
    why = left_out[f"{PRINTED_ROWS} of {PRINTED_ROWS + 1} entries, one by one"]
    assert "custody.json" in why
    assert facts(found, "E")["continuity"][0].startswith(f"entries 1 to {PRINTED_ROWS + 1} are all")


def test_beyond_the_limit_of_other_acts_the_rest_is_counted_too():
    rows = [row(n, "annotation", seq=n) for n in range(1, PRINTED_ROWS + 4)]
    found = report(rows)
    assert len(entries(found)) == PRINTED_ROWS
    whats = [some["what"] for some in found["left_out"]]
    assert f"3 further entries of {PRINTED_ROWS + 3}, one by one" in whats


def test_zero_rows_make_a_report_that_says_so():
    found = report([])
    assert {"kind": "text", "text": WORDS["D.none-exhibit"]} in section(found, "D")
    assert facts(found, "E")["continuity"] == [WORDS["continuity.none"]]
    assert facts(found, "A")["span"] == "not-recorded"
    empty = compose(heading(), [], [], [], [])
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
        compose(heading(), [EXHIBIT, EXHIBIT], [], [], [])


def test_text_of_evidence_is_never_a_pattern():
    found = entry(report([row(1, "receipt", opened={"name": "{index} {0} %s"})]), 1)
    assert told(found)["name"] == ["{index} {0} %s"]
