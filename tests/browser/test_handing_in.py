"""Handing in evidence in Chromium, from the drop to the receipt."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer

import pytest

from api.app import create_app
from repository.exhibits import find_exhibit
from repository.web_sessions import begin
from tests.browser.chromium import drive, find_or_skip
from tests.browser.pages import AXE, PRELUDE
from tests.house import House, make_house
from tests.node import package
from tests.providers import Quiet

pytestmark = pytest.mark.browser
HOSTILE = ("evidence\u202egpj.exe", "<img src=x onerror=alert(1)>.jpg", "🎞️ نسخة.mp4", "empty")
HELP = """
import pathlib, time

# Windows of one person share the cookie and the locks: a context of its own, for several.
cookies = page.context.cookies()
context = chromium.new_context(viewport={"width": 1100, "height": 700})
context.add_cookies(cookies)
context.on("request", lambda request: asked.append(request.url))
context.on("console", lambda message: errors.append(message.text))
context.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
page = context.new_page()

def until(there):
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end, page.inner_text("#main")
        page.wait_for_timeout(50)

def count(selector):
    return page.locator(selector).count()

def hand_in(*names):
    page.goto(address + "/cases/KRN/upload")
    page.set_input_files("#files", names)
    page.wait_for_selector("#picked-files li")
    page.click("#begin")

def slow(page, rate):
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0,
        "downloadThroughput": -1, "uploadThroughput": rate})

def sent():
    return page.evaluate("document.querySelector('#rows progress')?.value ?? 0")

def digests():
    return page.evaluate('''[...document.querySelectorAll("#rows li")].map((row) => [
        row.querySelector(".browser").textContent, row.querySelector(".ours").textContent,
        row.querySelector(".how").textContent, row.querySelector(".became").textContent])''')

def ended():
    page.wait_for_selector("#done:not([hidden])", timeout=60_000)
"""


class Body:
    """A request's body as the service reads it: what one look at the socket brought, to its end."""

    def __init__(self, file: Any, left: int) -> None:
        self._file, self._left = file, left

    def read(self, most: int = -1) -> bytes:
        wanted = self._left if most < 0 else min(most, self._left)
        found: bytes = self._file.read1(wanted) if wanted else b""
        self._left -= len(found)
        return found


class Server(ThreadingMixIn, WSGIServer):
    """Serves a house's pages and API; can be stopped with every line it has, and begin again."""

    daemon_threads = True

    def __init__(self, house: House, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Quiet)
        app = create_app(house.repo)

        def bodies(environ: dict[str, Any], start: Any) -> Any:
            left = int(environ.get("CONTENT_LENGTH") or 0)
            return app({**environ, "wsgi.input": Body(environ["wsgi.input"], left)}, start)

        self.set_app(bodies)
        self._lines: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        found = super().get_request()
        self._lines.append(found[0])
        return found

    def handle_error(self, *_: Any) -> None:
        """Say nothing of lines that a browser leaves."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for line in self._lines:
            with suppress(OSError):  # most have ended
                line.shutdown(socket.SHUT_RDWR)


@dataclass
class Site:
    """A house and what serves it."""

    house: House
    server: Server

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def cookie(self) -> str:
        """Return the cookie of a new session of the investigator."""
        repo = self.house.repo
        person = self.house.caller("investigator").person
        return begin(repo, person, "passkey", authenticated_at=repo.clock()).cookie

    def visit(self, script: str, shots: Path, *given: str) -> dict[str, Any]:
        axe = str(package(AXE) / "axe.min.js")
        seen = drive(PRELUDE + HELP + script, shots, self.address, self.cookie(), axe, *given)
        assert seen["dialogs"] == []
        assert {url.split("/", 3)[2] for url in seen["asked"]} == {self.address[7:]}
        return seen


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    find_or_skip()
    house = make_house(tmp_path_factory.mktemp("handing-in"))
    found = Site(house, Server(house))
    yield found
    found.server.stop()


JOURNEY = """
page.goto(address + "/cases/KRN")
page.click("a[href='/cases/KRN/upload']")
page.wait_for_selector("#drop")
seen["empty"] = axe()
page.screenshot(path=shots + "/upload-empty.png", full_page=True)
line = context.new_cdp_session(page)
box = page.locator("#drop").bounding_box()
for kind in ("dragEnter", "dragOver", "drop"):
    line.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20,
        "data": {"items": [], "files": given[:2], "dragOperationsMask": 1}})
until(lambda: count("#picked-files li") == 5)
page.evaluate('''() => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["long"], "x".repeat(10240)));
  document.getElementById("drop").dispatchEvent(
    new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}''')
until(lambda: count("#picked-files li") == 6)
page.select_option("#family", "mobile")
page.fill("#mobile-device", "Nokia 3310")
page.fill("#mobile-imei", "490154203237518")
page.fill("#place", "Kaunas")
page.fill("#collected_at", "2026-11-20T14:05:00")
page.select_option("#zone", "+02:00")
seen["missing"] = page.inner_text("#missing")
page.screenshot(path=shots + "/upload-picked.png", full_page=True)
page.click("#begin")
ended()
seen["digests"], seen["title"] = digests(), page.inner_text("#done-title")
seen["done"] = axe()
page.screenshot(path=shots + "/upload-done.png", full_page=True)
fetched = '''async (n) => {
  const answer = await fetch(document.querySelectorAll("#receipts a[download]")[n].href);
  return answer.text();
}'''
seen["pdf"], seen["receipt"] = (page.evaluate(fetched, n) for n in (0, 1))
page.click("#receipts a:not([download])")
page.wait_for_selector("#claims")
seen["claims"], seen["files"] = page.inner_text("#claims"), page.inner_text("#files")
seen["page"] = axe()
page.set_viewport_size({"width": 360, "height": 640})
page.emulate_media(color_scheme="dark")
page.goto(page.url + "?lang=ar")
seen["arabic"], seen["wide"] = axe(), wide()
page.screenshot(path=shots + "/submission-ar-360-dark.png", full_page=True)
page.goto(address + "/cases/KRN/upload")
seen["arabic"] += axe()
seen["wide"] += wide()
page.screenshot(path=shots + "/upload-ar-360-dark.png", full_page=True)
"""


def test_files_and_folders_are_dropped_compared_and_receipted(site, tmp_path):
    folder = tmp_path / "from the field"
    (folder / "deep").mkdir(parents=True)
    for name in HOSTILE:
        (folder / "deep" / name).write_bytes(b"" if name == "empty" else name.encode())
    alone = tmp_path / "alone.bin"
    alone.write_bytes(os.urandom(5 << 20))
    seen = site.visit(JOURNEY, tmp_path, str(folder), str(alone))
    assert seen["errors"] == []
    assert seen["empty"] == seen["done"] == seen["page"] == seen["arabic"] == []
    assert seen["wide"] == 0
    assert "IMEI" not in seen["missing"]
    assert "Serial number" in seen["missing"]
    assert seen["title"] == "Everything is here and registered"
    files = [alone.read_bytes(), b"long", *(b"" if n == "empty" else n.encode() for n in HOSTILE)]
    hexes = {sha256(data).hexdigest() for data in files}
    assert {browser for browser, *_ in seen["digests"]} == hexes
    assert all(ours == browser and said == "equal" for browser, ours, said, _ in seen["digests"])
    assert seen["pdf"].startswith("%PDF-")
    assert json.loads(seen["receipt"])["kind"] == "submission-receipt"
    names = set()
    with site.house.repo.database.reading() as session:
        for *_, number in seen["digests"]:
            exhibit = find_exhibit(session, number)
            assert exhibit is not None
            names.add(exhibit.path)
    wanted = {f"from the field/deep/{name}".encode() for name in HOSTILE}
    assert names == wanted | {b"alone.bin", b"x" * 10240}
    assert "Device, make and model: Nokia 3310; IMEI: 490154203237518" in seen["claims"]
    assert "2026-11-20T14:05+02:00" in seen["claims"]
    assert "evidenceU+202Egpj.exe" in seen["files"]


TROUBLE = """
film, other, stop, stopped, again, back, second = given
slow(page, 1 << 20)
hand_in(film)
until(lambda: sent() > 1 << 20)
page.screenshot(path=shots + "/upload-going.png", full_page=True)
page.click("#pause")
seen["paused"] = page.inner_text("#state")
pathlib.Path(stop).touch()
until(pathlib.Path(stopped).exists)
page.click("#continue")
page.wait_for_selector("#line:not([hidden])", timeout=60_000)
seen["line"] = page.inner_text("#line-said")
page.screenshot(path=shots + "/upload-line.png", full_page=True)
pathlib.Path(again).touch()
until(pathlib.Path(back).exists)
page.evaluate("document.getElementById('now').click()")  # it may have gone on by itself
page.wait_for_selector("#line", state="hidden", timeout=60_000)
until(lambda: sent() > 2 << 20)

page, closed = context.new_page(), page
closed.close()
slow(page, 1 << 20)
page.goto(address + "/cases/KRN/upload")
seen["open"] = page.inner_text("#open")
page.screenshot(path=shots + "/upload-open.png", full_page=True)
page.set_input_files("#files", other)
page.wait_for_selector("#picked-files li")
seen["other"] = page.inner_text("#picked-files")
page.click("#clear")
page.set_input_files("#files", film)
page.wait_for_selector("#picked-files li")
seen["same"], seen["form"] = page.inner_text("#picked-files"), page.is_visible("#said")
page.click("#begin")
page.wait_for_selector("#rows progress")
page.click("#pause")  # and the file stays this window's

sending, page = page, context.new_page()
hand_in(film)
page.wait_for_selector("#rows .badge.warn")
seen["second"] = page.inner_text("#rows .how")
page.screenshot(path=shots + "/upload-elsewhere.png", full_page=True)

page, waiting = sending, page
page.evaluate("fetch('/api/v1/session', { method: 'DELETE' })")
slow(page, -1)
page.click("#continue")
page.wait_for_selector("#session:not([hidden])", timeout=60_000)
seen["session"], seen["axe"] = page.inner_text("#session"), axe()
page.screenshot(path=shots + "/upload-session.png", full_page=True)
context.add_cookies([{"name": "evidence-session", "value": second, "url": address,
                           "httpOnly": True, "sameSite": "Strict"}])
page.click("#signed-in")
ended()
seen["digests"] = digests()
page = waiting
ended()
seen["digests"] += digests()
"""


def test_a_lost_line_a_closed_window_and_an_ended_session_lose_nothing(site, tmp_path):
    film, other = tmp_path / "film.bin", tmp_path / "other" / "film.bin"
    other.parent.mkdir()
    for file in (film, other):
        file.write_bytes(os.urandom(16 << 20))
    os.utime(other, (1, 1))
    stop, stopped, again, back = (tmp_path / name for name in ("stop", "stopped", "again", "back"))
    over = threading.Event()

    def restart() -> None:
        while not stop.exists():
            if over.wait(0.05):
                return
        port = site.server.server_port
        site.server.stop()
        stopped.touch()
        while not again.exists() and not over.wait(0.05):
            pass
        site.server = Server(site.house, port)
        back.touch()

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        given = (film, other, stop, stopped, again, back, site.cookie())
        seen = site.visit(TROUBLE, tmp_path, *map(str, given))
    finally:
        over.set()
        thread.join()
    assert seen["paused"] == "Paused. What arrived is kept."
    assert "The line is lost" in seen["line"]
    assert "film.bin" in seen["open"]
    assert "goes on from" not in seen["other"]  # of the same name and size, and another file
    assert "goes on from" in seen["same"]
    assert "from \u20680 B" not in seen["same"]
    assert not seen["form"]  # what is said of it was said
    assert seen["second"] == "Another window is sending this file. Here it waits."
    assert "Everything that arrived is kept" in seen["session"]
    assert seen["axe"] == []
    made, again = seen["digests"]
    assert made == again
    assert made[0] == made[1] == sha256(film.read_bytes()).hexdigest()
    assert (made[2], made[3][:4]) == ("equal", "KRN-")
    paths = [e for e in site.house.entries() if e.fields["type"] == "registration"]
    assert len([e for e in paths if e.fields["exhibit"]["sha256"] == f"sha256:{made[0]}"]) == 1


EARLY = """
held = []
page.route("**/upload.js*", lambda route: held.append(route))
page.goto(address + "/cases/KRN/upload", wait_until="commit")
page.set_input_files("#files", given[0])
until(lambda: held)
seen["before"] = count("#picked-files li")
held[0].continue_()
page.wait_for_selector("#picked-files li")
seen["picked"], seen["open"] = page.inner_text("#picked-files"), page.is_enabled("#begin")
"""


def test_what_is_chosen_before_the_script_has_come_is_taken(site, tmp_path):
    early = tmp_path / "early.txt"
    early.write_text("chosen on a slow line")
    seen = site.visit(EARLY, tmp_path, str(early))
    assert seen["before"] == 0
    assert "early.txt" in seen["picked"]
    assert seen["open"]
