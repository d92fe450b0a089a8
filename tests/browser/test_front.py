"""The one-page front in Chromium: it lists, runs no script of a name, asks no other host."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from api.app import create_app
from repository.people import find_person, new_token
from tests.house import House

pytestmark = pytest.mark.browser
NAMES = ("<img src=x onerror=alert(1)>.jpg", "evidence\u202egpj.exe", "ملف الجسر.jpg", "b.jpg")


class Quiet(WSGIRequestHandler):
    """Says nothing on standard error."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium")
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture
def site(house: House, tmp_path) -> Iterator[tuple[str, str]]:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    house.ingest(folder)
    with house.repo.database.reading() as session:
        analyst = find_person(session, "analyst")
    _, token = new_token(house.repo, house.custodian, person=analyst, expires_at=None)
    server = make_server("127.0.0.1", 0, create_app(house.repo), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", token
    server.shutdown()
    thread.join()
    server.server_close()


SCRIPT = """
import json, sys
from playwright.sync_api import sync_playwright
address, token, browser, shots = sys.argv[1:]
asked, said, errors = [], [], []
with sync_playwright() as play:
    chromium = play.chromium.launch(executable_path=browser, args=[
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync"])
    page = chromium.new_page(viewport={"width": 1100, "height": 700})
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(address)
    page.fill("#token", "wrong.token")
    page.click("#sign-in button[type=submit]")
    page.wait_for_selector("#problem:not([hidden])")
    refused = page.inner_text("#problem")
    page.screenshot(path=shots + "/sign-in.png")
    page.fill("#token", token)
    page.click("#sign-in button[type=submit]")
    page.wait_for_selector("#case-list a")
    cases = page.inner_text("#case-list")
    page.screenshot(path=shots + "/cases.png")
    kept = page.evaluate("[document.cookie, sessionStorage.length, localStorage.length]")
    page.reload()
    page.wait_for_selector("#case-list a")
    page.click("#case-list a")
    page.wait_for_selector("#exhibits tr")
    rows = page.locator("#exhibits td.name").all_inner_texts()
    page.screenshot(path=shots + "/case.png", full_page=True)
    page.set_viewport_size({"width": 360, "height": 640})
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.screenshot(path=shots + "/case-360.png")
    who = page.inner_text(".who")
    cookies = page.context.cookies()
    page.click("#sign-out")
    page.wait_for_selector("#sign-in")
    left = page.context.cookies()
    chromium.close()
print(json.dumps(dict(asked=asked, said=said, errors=errors, refused=refused, cases=cases,
                      rows=rows, wide=wide, kept=kept, who=who, cookies=cookies,
                      left=left)))
"""


def test_the_page_lists_cases_and_exhibits_and_obeys_no_name(site, chromium, tmp_path, house):
    import json

    address, token = site
    shots = os.environ.get("EVIDENCE_SHOTS", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, address, token, chromium, shots],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "token is not valid" in seen["refused"]
    assert "KRN" in seen["cases"]
    assert "in/<img src=x onerror=alert(1)>.jpg" in seen["rows"]
    assert "in/evidenceU+202Egpj.exe" in seen["rows"]
    assert seen["said"] == []
    assert all(url.startswith(address) for url in seen["asked"])
    assert [e for e in seen["errors"] if "401" not in e] == []
    assert seen["wide"] <= 360
    assert seen["kept"] == ["", 0, 0]  # nothing that a script could read
    assert "analyst" in seen["who"]
    [cookie] = seen["cookies"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert seen["left"] == []
    ends = [e.fields.get("reason") for e in house.entries() if e.fields["type"] == "sign_in"]
    assert ends == ["token-unknown", "session-begun", "signed-out"]
    lists = [e.fields for e in house.entries() if e.fields.get("reason") == "exhibit-list"]
    assert lists[-1]["count"] == len(NAMES)
