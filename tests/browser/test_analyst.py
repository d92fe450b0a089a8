"""An analyst's pages in Chromium: evidence runs no script, veils lift by keyboard, axe agrees."""

import io

import pytest
from PIL import Image

from repository.annotations import annotate
from repository.people import new_token
from tests.browser.pages import visit
from tests.house import House
from tests.shared import shared

pytestmark = pytest.mark.browser
NAMES = ("<img src=x onerror=alert(1)>.svg", "evidence\u202egpj.exe", "ملف الجسر.txt")
SCRIPT = """
at = address.rstrip("/")
seen["axe"], seen["wide"] = {}, {}
PAGES = ("/exhibits/KRN-000001", "/exhibits/KRN-000001/custody", "/exhibits/KRN-000001/related",
         "/exhibits/KRN-000001/retrieve", "/exhibits/KRN-000002", "/cases/KRN", "/search",
         "/cases/KRN/gallery", "/cases/KRN/timeline", "/cases/KRN/searches", "/cases/KRN/map")
for path in PAGES:
    page.goto(at + path + "?lang=" + ("ar" if path.endswith("gallery") else "en"))
    if path.endswith("map"):
        page.wait_for_selector("#map[data-ready]")
    seen["axe"][path] = axe()
    page.set_viewport_size({"width": 320, "height": 700})  # 1280 pixels at 400 %
    seen["wide"][path] = wide()
    page.set_viewport_size({"width": 1100, "height": 700})
page.goto(at + "/exhibits/KRN-000001?lang=en")
seen["veiled"] = page.evaluate("getComputedStyle(document.querySelector('.picture img')).filter")
page.focus("[data-unveil]")
page.keyboard.press("Enter")
seen["lifted"] = page.evaluate("getComputedStyle(document.querySelector('.picture img')).filter")
seen["where"] = page.url
page.click("form[hx-post] button")
page.wait_for_selector("#checked")
seen["checked"] = page.inner_text("#verified")
seen["axe"]["verified"] = axe()
page.goto(at + "/exhibits/KRN-000001/retrieve")
page.select_option("#code", "analysis")
page.fill("#words", "<script>alert(1)</script>")
page.click("main form button")
page.wait_for_selector("#recorded")
seen["axe"]["recorded"] = axe()
with page.expect_download() as download:
    page.click("main form button:not(.quiet)")
seen["file"] = download.value.suggested_filename
page.goto(at + "/search")
page.fill("#q", "png OR <img")
page.click("form[role=search] button")
page.wait_for_selector(".result")
seen["found"] = page.url
seen["axe"]["found"] = axe()
page.click(".result td a")
page.wait_for_selector("h1")
page.go_back()
page.wait_for_selector(".result")
seen["back"] = page.url

def note(text):
    page.goto(at + "/exhibits/KRN-000001?lang=en")
    page.click("details:has(#text) > summary")
    page.fill("#text", text)

def add():
    page.click("form:has(#text) button")

note("typed before the line broke")
page.context.set_offline(True)
add()
page.wait_for_url("chrome-error:**")
page.context.set_offline(False)
page.reload()  # the browser sends once more what it could not send
page.wait_for_selector(".said")
note("typed before the session ended")
page.context.clear_cookies()
add()
page.wait_for_selector("#typed", state="attached")
page.fill("#token", given[0])
page.click("#sign-in button[type=submit]")
page.wait_for_selector(".said")
seen["notes"] = page.inner_text("section:has(#h-said)")
"""


def test_an_analyst_looks_searches_checks_and_retrieves(house: House, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    picture = io.BytesIO()
    Image.linear_gradient("L").save(picture, "JPEG")
    (folder / "a.png").write_bytes(picture.getvalue())
    house.ingest(folder / "a.png", extract=True, place="50.45 30.52", collected_at="2022-03-14")
    for name in NAMES:
        (folder / name).write_bytes(b"<svg onload=alert(1) xmlns='http://www.w3.org/2000/svg'/>")
        house.ingest(folder / name)
    vectors = shared("hostile", "html", "vectors.txt").read_text("utf-8", "replace")
    said = vectors.replace("\0", "")[:19_000]
    annotate(house.repo, house.caller("analyst"), "KRN-000001", "note", said)
    annotate(house.repo, house.caller("analyst"), "KRN-000001", "tag", NAMES[0])
    assert house.evidence("reindex").code == 0
    analyst = house.caller("analyst").person
    _, token = new_token(house.repo, house.custodian, person=analyst, expires_at=None)
    seen = visit(house, "analyst", SCRIPT, tmp_path, token)
    assert {path: found for path, found in seen["axe"].items() if found} == {}
    assert {path: wide for path, wide in seen["wide"].items() if wide > 0} == {}
    assert seen["dialogs"] == []
    assert [one for one in seen["errors"] if "401" not in one] == []  # of the ended session
    origin = seen["where"].partition("/exhibits")[0]
    assert all(url.startswith((origin + "/", "blob:")) for url in seen["asked"])
    assert "blur" in seen["veiled"]
    assert seen["lifted"] == "none"
    assert "reveal" not in seen["where"]  # it was lifted here, without asking again
    assert "Every byte is what was recorded" in seen["checked"]
    assert seen["file"] == "KRN-000001.bin"
    assert seen["found"] == seen["back"]
    assert "png" not in seen["found"]
    for ended in ("the line broke", "the session ended"):
        assert seen["notes"].count(f"typed before {ended}") == 1
