"""Pages of bundles and custody in Chromium: readable right-to-left, in the dark, at 360 pixels."""

import json

import pytest

from ingest.duties import duties
from repository.approvals import mark
from repository.conditions import Marking
from repository.exports import bundles
from repository.people import new_person
from tests.browser.pages import visit

pytestmark = pytest.mark.browser
NAME = "b<img src=x onerror=alert(1)>.txt"

LOOKS = """
import json
plan = json.loads(given[0])
seen["axe"], seen["wide"], seen["texts"] = {}, {}, {}
for path in plan:
    name = path.split("?")[0].strip("/").replace("/", "-")[:40]
    for lang, dark, width in (("ar", True, 360),):
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_viewport_size({"width": width, "height": 700})
        page.goto(address + path + ("&" if "?" in path else "?") + "lang=" + lang)
        if "/ledger/" in path and "accesses" not in path:
            page.wait_for_selector("#verdict:not([hidden])")
        kind = "dark" if dark else lang
        seen["axe"][f"{path} {kind}"] = axe()
        seen["wide"][f"{path} {kind}"] = wide()
        page.screenshot(path=shots + f"/{name}-{kind}.png", full_page=True)
page.set_viewport_size({"width": 1100, "height": 700})
page.goto(address + "/bundles/new?case=KRN&lang=en")
page.select_option("#purpose", "court")
page.click("button[value=look]")
page.wait_for_selector("#kept")
seen["kept"] = page.inner_text("#kept")
for lang, width in (("en", 1100), ("ar", 360)):
    page.set_viewport_size({"width": width, "height": 700})
    seen["axe"]["preview " + lang] = axe()
    seen["wide"]["preview " + lang] = wide()
    page.screenshot(path=shots + f"/preview-{lang}.png", full_page=True)
page.click("button[value=without]")
page.click("button[value=look]")
page.click("button[value=make]")
page.wait_for_selector("#state")
seen["made"] = page.get_attribute("#state", "data-state")
"""


@pytest.fixture
def full(house, tmp_path):
    """Return a house with something on every page."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.txt", NAME, "evidence\u202egpj.exe"):
        (folder / name).write_bytes(name.encode())
    house.ingest(folder)
    wrong = tmp_path / NAME
    wrong.write_bytes(b"what came")
    house.evidence("ingest", wrong, "--case", "KRN", "--no-extract", "--sha256", "0" * 64)
    first = house.caller_of_login()
    new_person(house.repo, house.custodian, name=f"second {NAME}", role="custodian")
    mark(house.repo, first, "KRN-000001", Marking(tlp="RED", handling="H2"), motive="as given")
    mark(house.repo, first, "KRN-000001", Marking(tlp="GREEN", handling="H2"), motive=NAME)
    row = bundles.ask(house.repo, first, "KRN", numbers=["KRN-000002"], purpose="court",
                      recipient=NAME)  # fmt: skip
    duty = next(one for one in duties(house.repo, None, print) if one.name == "export")
    assert duty.do([one.id for one in duty.find(10)]) == {}
    return house, row.id


def test_pages_are_readable_for_everybody_and_run_no_script_of_a_name(full, tmp_path):
    house, bundle = full
    person = house.custodian.id
    [quarantine] = house.evidence("quarantine", "list").lines
    [approval] = house.evidence("approval", "list").lines
    plan = [
        "/bundles", "/bundles/new?case=KRN", f"/bundles/{bundle}", "/work", "/work/quarantine",
        f"/work/quarantine/{quarantine['quarantine']}", "/work/differing", "/ledger", "/ledger/2",
        "/ledger/accesses", "/decisions", f"/decisions/{approval['approval']}", "/people",
        f"/people/{person}", "/cases/KRN/people",
    ]  # fmt: skip
    seen = visit(house, "custodian", LOOKS, tmp_path, json.dumps(plan))
    assert {name: found for name, found in seen["axe"].items() if found} == {}
    assert {name: by for name, by in seen["wide"].items() if by > 0} == {}
    assert seen["dialogs"] == []
    assert "KRN-000001" in seen["kept"]
    assert seen["made"] == "asked"
    hosts = {url.split("/")[2] for url in seen["asked"] if url.startswith("http")}
    assert len(hosts) == 1
    assert [one for one in seen["errors"] if "Content Security" in one] == []
