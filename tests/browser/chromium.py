"""Chromium for tests: Debian's, driven by Playwright in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import pytest

from tests.providers import Quiet

BEGIN = """
import json, sys
from playwright.sync_api import sync_playwright
browser, shots, *given = sys.argv[1:]
play = sync_playwright().start()
chromium = play.chromium.launch(executable_path=browser, args=[
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"])
page = chromium.new_page(viewport={"width": 1100, "height": 700})
asked, errors, seen = [], [], {}
page.on("request", lambda request: asked.append(request.url))
page.on("console", lambda message: errors.append(message.text))
"""
END = """
chromium.close()
play.stop()
print(json.dumps(dict(seen, asked=asked, errors=errors)))
"""


def find_or_skip() -> str:
    """Return the program, or skip the test."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium")
        pytest.skip("Chromium is not installed")
    return found


def drive(script: str, shots: object, *given: str) -> dict[str, Any]:
    """Run a script that finds `page` and `given`; return what it put into `seen`."""
    program = find_or_skip()
    shots = os.environ.get("EVIDENCE_SHOTS", str(shots))
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + script + END, program, str(shots), *given],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class _Threads(ThreadingMixIn, WSGIServer):
    """A browser keeps connections open that it does not use."""

    daemon_threads = True


@contextmanager
def bound() -> Iterator[tuple[WSGIServer, str]]:
    """Serve on localhost, before it is known what: set the application with `set_app`."""
    server = make_server("127.0.0.1", 0, None, _Threads, handler_class=Quiet)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server, f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
