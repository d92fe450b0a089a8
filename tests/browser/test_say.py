"""The page without names in Chromium: without scripts, leaving at once, files that go on."""

import pytest

from tests.browser.chromium import find_or_skip
from tests.browser.pages import visit

pytestmark = pytest.mark.browser

SAY = """
page.context.clear_cookies()
plain = chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 640})
without = plain.new_page()
without.goto(address + "/say?lang=uk")
without.fill("#words", "Я бачив. <img src=x onerror=alert(1)>")
without.check("#consent-court")
without.click("main form:first-of-type button[type=submit]")
code = without.inner_text(".code")
seen["code"] = code
without.set_input_files("#file", files=[{"name": "x<b>y.txt", "mimeType": "text/plain",
                                         "buffer": b"one" * 1000}])
without.click("#files button")
seen["plain"] = without.inner_text("#arrived + ul")
seen["kept"] = plain.cookies()
without.screenshot(path=shots + "/say-box-360.png", full_page=True)

for lang in ("en", "ar", "my"):
    page.goto(address + "/say?lang=" + lang)
    page.screenshot(path=shots + f"/say-{lang}.png", full_page=True)
    seen["axe-" + lang] = axe()
line = page.context.new_cdp_session(page)
line.send("DOM.enable"), line.send("CSS.enable")
root = line.send("DOM.getDocument")["root"]["nodeId"]
for lang in ("my", "ti"):
    link = line.send("DOM.querySelector", {"nodeId": root, "selector": f"a[lang={lang}]"})["nodeId"]
    used = line.send("CSS.getPlatformFontsForNode", {"nodeId": link})["fonts"]
    seen["font-" + lang] = [one["familyName"] for one in used]
page.set_viewport_size({"width": 320, "height": 640})  # 1280 pixels at 400 %
seen["wide"] = wide()
page.fill("main form >> nth=1 >> #key", code)
page.click("main form >> nth=1 >> button")
seen["axe-box"] = axe()
data = bytes(range(256)) * 20_000  # more than two pieces
page.route("**/say/piece", lambda route: route.abort() if not cut and cut.append(1) is None
           else route.continue_())
cut = []
page.set_input_files("#file", files=[{"name": "film.bin", "mimeType": "", "buffer": data}])
page.click("#files button")
page.wait_for_selector("#progress:has-text('5120000 ဘိုက်လုံး')", timeout=60_000)  # all of them
seen["progress"], seen["cut"] = page.inner_text("#progress"), len(cut)
seen["stored"] = page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")
seen["title"] = page.title()

def left(act):
    page.goto(address + "/say?lang=en")
    page.route(given[0] + "**", lambda route: route.fulfill(body="weather"))
    act()
    page.wait_for_url(given[0] + "**")
    page.wait_for_load_state()
    return page.inner_text("body")

seen["left"] = [
    left(lambda: page.keyboard.press("Escape")),
    left(lambda: [page.keyboard.press("Shift") for _ in range(3)]),
    left(lambda: page.click("#leave")),
]
page.go_back()
seen["behind"] = page.url
"""


def test_a_report_without_scripts_and_with_them(house, tmp_path):
    find_or_skip()
    settings = house.repo.settings.model_copy(update={"intake_case": "KRN"})
    object.__setattr__(house.repo, "settings", settings)  # of this test's own copy
    seen = visit(house, "analyst", SAY, tmp_path, settings.intake_exit_url)
    assert len(seen["code"].split()) == 7
    assert "x<b>y.txt" in seen["plain"]
    assert "3000" in seen["plain"]
    assert seen["kept"] == []
    assert seen["dialogs"] == []
    assert seen["axe-en"] == seen["axe-ar"] == seen["axe-my"] == seen["axe-box"] == []
    assert seen["wide"] <= 0
    assert seen["font-my"] == ["Noto Sans Myanmar"]  # not empty boxes out of another one
    assert seen["font-ti"] == ["Noto Sans Ethiopic"]
    assert seen["cut"] == 1  # the line broke once, and it went on
    assert seen["stored"] == ["", 0, 0]
    assert seen["title"] == "ပုံစံ"
    assert seen["left"] == ["weather"] * 3
    assert "/say" not in seen["behind"]
