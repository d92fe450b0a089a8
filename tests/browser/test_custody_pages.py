"""Every field of every page filled with hostile texts; then in Chromium, Arabic, dark, at 400 %."""

import json

import pytest

from tests.attacks.hostile_forms import Walk, every_page, filled, vectors
from tests.browser.pages import visit

pytestmark = pytest.mark.browser

LOOKS = """
import json
plan = json.loads(given[0])

def sign_in(cookie):
    page.context.add_cookies([{"name": "evidence-session", "value": cookie, "url": address,
                               "httpOnly": True, "sameSite": "Strict"}])

ANALYST = ("/exhibits", "/search", "/cases")  # axe sees these in test_analyst.py
seen["axe"], seen["wide"], seen["planted"] = {}, {}, 0
page.emulate_media(color_scheme="dark")
page.set_viewport_size({"width": 320, "height": 700})  # 1280 pixels at 400 %
for session_of, path in plan:
    sign_in(session_of)
    page.goto(address + path + ("&" if "?" in path else "?") + "lang=ar")
    seen["planted"] += page.locator("planted").count()
    seen["wide"][path] = wide()
    if not path.startswith(ANALYST) or "people" in path:
        if path.startswith("/ledger/") and "accesses" not in path:
            page.wait_for_selector("#verdict:not([hidden])")
        seen["axe"][path] = axe()
        name = path.split("?")[0].strip("/").replace("/", "-")[:40]
        page.screenshot(path=shots + f"/{name}-dark.png", full_page=True)
page.set_viewport_size({"width": 1100, "height": 700})
sign_in(session)
page.goto(address + "/bundles/new?case=KRN&lang=en")
page.select_option("#purpose", "court")
page.click("button[value=look]")
page.wait_for_selector("#kept")
seen["kept"] = page.inner_text("#kept")
for lang, width in (("en", 1100), ("ar", 320)):
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


def test_vectors_in_every_field_are_text_and_the_pages_stay_readable_for_everybody(tmp_path):
    house = filled(tmp_path)
    walk = Walk(house)
    walk.look()
    walk.send([one for one in vectors() if 10 < len(one) < 120][::7], ending=False)
    walk.look()
    assert every_page(walk) - walk.rules() == set()
    assert (len(walk.sent) > 70, walk.planted > 40, walk.cells > 50) == (True, True, True)
    plan = [[walk.cookie(name), path] for name, path in walk.once() if name]
    seen = visit(house, "custodian", LOOKS, tmp_path, json.dumps(plan))
    walk.send(vectors()[::50], ending=True)
    house.repo.close()
    assert walk.wrong == []
    assert seen["planted"] == 0
    assert {name: found for name, found in seen["axe"].items() if found} == {}
    assert {name: by for name, by in seen["wide"].items() if by > 0} == {}
    assert seen["dialogs"] == []
    assert "KRN-000001" in seen["kept"]
    assert seen["made"] == "asked"
    hosts = {url.split("/")[2] for url in seen["asked"] if url.startswith("http")}
    assert len(hosts) == 1
    assert [one for one in seen["errors"] if "Content Security" in one] == []
