"""Handing in one file from Chromium against `curl`, both to the same service on this machine.

    python -m tests.benchmarks.bench_browser_upload [--mib 2048] [--runs 3]

curl sends the file to `POST /exhibits` in one request. Chromium hands it in on the page, with
everything the page does: a second reading and SHA-256 in a worker beside the sending, the list, the
digest's declaration. Its clock runs from the button until the last byte was acknowledged, and on
until the digest is known; what the workers do afterwards is in neither. They take turns, and each
ratio is of neighbours; the workers' work on the file before is waited for.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

from api.commands.context import login
from config.settings import load
from repository import open_repository
from repository.authorise import Caller
from repository.people import find_person
from repository.web_sessions import begin
from tests.benchmarks.bench_uploads import settled
from tests.benchmarks.house_of import fill, new_house, new_token, say, spread, workplace
from tests.browser.chromium import drive
from tests.service import Service, serving

HAND_IN = """
import time
address, session, file = given
page.context.add_cookies([{"name": "evidence-session", "value": session, "url": address,
                           "httpOnly": True, "sameSite": "Strict"}])
page.goto(address + "/cases/KRN/upload")
page.set_input_files("#files", file)
page.wait_for_selector("#picked-files li")
start = time.perf_counter()
page.click("#begin")
page.wait_for_selector("#rows .how:has-text('Everything arrived')", timeout=3_600_000)
seen["sent"] = time.perf_counter() - start
page.wait_for_selector("#rows .browser", timeout=3_600_000, state="attached")
seen["seconds"] = time.perf_counter() - start
page.wait_for_selector("#rows .ours", timeout=3_600_000, state="attached")
seen["said"] = page.inner_text("#rows .how")
"""


def by_curl(service: Service, token: str, file: Path) -> float:
    """Return the seconds curl takes."""
    start = time.perf_counter()
    subprocess.run(
        ["curl", "-sS", "--fail", "-o", "/dev/null", "-T", file, "-X", "POST",
         "-H", f"Authorization: Bearer {token}", "-H", "Evidence-Purpose: investigation",
         f"{service.address}/api/v1/exhibits?case=KRN"],
        check=True,
    )  # fmt: skip
    return time.perf_counter() - start


def by_chromium(service: Service, data: Path, file: Path) -> tuple[float, float]:
    """Return the seconds until Chromium has sent all of it, and until it knows the digest too."""
    repo = open_repository(load(data))
    with repo.database.reading() as session:
        person = Caller(find_person(session, login()), "named").person
    begun = begin(repo, person, "passkey", authenticated_at=repo.clock())
    seen = drive(HAND_IN, data.parent, service.address, begun.cookie, str(file))
    assert seen["said"] == "equal", json.dumps(seen)
    say(f"the last byte after {seen['sent']:.1f} s, the digest after {seen['seconds']:.1f} s")
    return float(seen["sent"]), float(seen["seconds"])


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--mib", type=int, default=2048)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--on")
    given = arguments.parse_args()
    size = given.mib << 20
    with workplace(given.on) as place:
        file, data = place / "evidence.bin", place / "data"
        fill(file, size)
        new_house(data)
        token = new_token(data)
        rates: dict[str, list[float]] = {"curl": [], "Chromium": [], "Chromium with its digest": []}
        with serving(data) as service:
            for _ in range(given.runs):
                rates["curl"].append(size / (1 << 20) / by_curl(service, token, file))
                settled(service)
                sent, digested = by_chromium(service, data, file)
                rates["Chromium"].append(given.mib / sent)
                rates["Chromium with its digest"].append(given.mib / digested)
                settled(service)
        for name, found in rates.items():
            say(f"{name}, {given.mib} MiB, MiB/s: {spread(found)}")
        for name in list(rates)[1:]:
            pairs = zip(rates[name], rates["curl"], strict=True)
            say(f"{name} by curl: {spread([one / other for one, other in pairs])}")


if __name__ == "__main__":
    main()
