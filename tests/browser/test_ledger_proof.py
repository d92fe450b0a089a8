"""A proof of the ledger in Chromium: green where it holds, red where not, else not checked."""

import pytest

from tests.browser.pages import visit

pytestmark = pytest.mark.browser

PROOF = """
def verdicts():
    page.wait_for_selector("#verdict:not([hidden])")
    found = {one: page.get_attribute("#claim-" + one, "data-verdict")
             for one in ("inclusion", "signature", "key", "witnesses")}
    return {"whole": page.get_attribute("#verdict", "data-verdict"), **found}

entry = address + "/ledger/" + given[0]
page.goto(entry)
seen["good"] = verdicts()
page.fill("#compared", page.inner_text("#fingerprint"))
page.press("#compared", "Tab")
page.wait_for_selector("#claim-key[data-verdict=pass]")
page.fill("#compared", "0" * 64)
page.press("#compared", "Tab")
page.wait_for_selector("#claim-key[data-verdict=fail]")
seen["other key"] = verdicts()

def changed(how):
    def answer(route):
        text = route.fetch().text()
        route.fulfill(status=200, content_type="text/plain", body=how(text))
    page.route("**/api/v1/ledger/proof/*", answer)
    page.goto(entry)
    found = verdicts()
    page.unroute("**/api/v1/ledger/proof/*")
    return found

def flip(text, line):
    lines = text.split("\\n")
    one = lines[line]
    lines[line] = ("B" if one[0] != "B" else "C") + one[1:]
    return "\\n".join(lines)

seen["hash"] = changed(lambda text: flip(text, 2))
seen["root"] = changed(lambda text: flip(text, text.split("\\n").index("") + 3))
other = lambda sign: "A" if sign != "A" else "B"
seen["signature"] = changed(lambda text: text[:-20] + other(text[-20]) + text[-19:])
seen["nothing"] = changed(lambda text: "")
page.route("**/api/v1/ledger/proof/*", lambda route: route.abort())
page.goto(entry)
seen["no answer"] = verdicts()
page.unroute("**/api/v1/ledger/proof/*")
page.add_init_script("const known = crypto.subtle.importKey.bind(crypto.subtle); "
    "crypto.subtle.importKey = (kind, key, name, ...more) => String(name) === 'Ed25519' "
    "? Promise.reject(new Error('unknown')) : known(kind, key, name, ...more);")
page.goto(entry)
seen["no Ed25519"] = verdicts()
"""


def test_a_proof_is_checked_in_the_browser_and_is_never_green_by_default(house, tmp_path):
    seen = visit(house, "custodian", PROOF, tmp_path, "2")
    assert seen["good"] == {
        "whole": "pass", "inclusion": "pass", "signature": "pass", "key": "notDone",
        "witnesses": "notDone",
    }  # fmt: skip
    assert (seen["other key"]["key"], seen["other key"]["whole"]) == ("fail", "fail")
    for broken in ("hash", "root", "signature", "nothing"):
        assert seen[broken]["whole"] == "fail", broken
    assert seen["hash"]["inclusion"] == "fail"
    assert seen["signature"]["signature"] == seen["root"]["signature"] == "fail"
    assert "pass" not in seen["no answer"].values()
    unknown = seen["no Ed25519"]
    assert (unknown["whole"], unknown["signature"], unknown["key"]) == ("notDone",) * 3
