"""From sign-in to the bundle in Chromium, on real files and the real service."""

import hashlib
import subprocess
import sys
import tarfile

import pytest

from repository.people import new_token
from tests.browser.chromium import drive, find_or_skip
from tests.house import make_house
from tests.service import serving
from tests.shared import shared

pytestmark = pytest.mark.browser
PICTURE = ("camera-vendors", "jpg", "Apple iPhone 4.jpg")

DAYS = """
address, photo, *tokens = given

def signed_in(token):
    context = chromium.new_context(accept_downloads=True)
    found = context.new_page()
    found.on("request", lambda request: asked.append(request.url))
    found.on("console", lambda message: errors.append(message.text))
    found.goto(address + "/")
    found.fill("#token", token)
    found.click("#sign-in button[type=submit]")
    found.click("#case-list a")
    return found

page = signed_in(tokens[0])
page.click("a[href='/cases/KRN/upload']")
page.set_input_files("#files", photo)
page.fill("#collected_by", "A. Field")
page.click("#begin")
page.wait_for_selector("#receipts a", timeout=120_000)
seen["handed"] = page.inner_text("#rows")
with page.expect_download() as kept:
    page.click("#receipts a[download]")
kept.value.save_as(shots + "/receipt")

page = signed_in(tokens[1])
page.click("#exhibits a >> nth=0")
seen["exhibit"] = page.inner_text("h1")
page.click("form[action$='/verify'] button")
page.wait_for_load_state("networkidle")
seen["verified"] = page.inner_text("main")
page.goto(address + "/exhibits/KRN-000001/retrieve")
page.select_option("#code", "analysis")
page.fill("#words", "the inscription")
page.click("main form button")
seen["recorded"] = page.inner_text("#recorded")
with page.expect_download() as file:
    page.click("main form button >> nth=0")
file.value.save_as(shots + "/original")

page = signed_in(tokens[2])
page.goto(address + "/bundles/new?case=KRN")
page.fill("#recipient", "The court")
page.click("button[value=look]")
seen["before"] = page.inner_text("main")
page.click("button[value=make]")
page.wait_for_selector("#state[data-state=ready]", timeout=120_000)
seen["bundle"] = page.inner_text("main")
with page.expect_download() as bundle:
    page.click("#state a.button")
bundle.value.save_as(shots + "/bundle.tar")
"""


def test_investigator_analyst_and_prosecutor_from_sign_in_to_the_bundle(tmp_path, monkeypatch):
    find_or_skip()
    monkeypatch.delenv("EVIDENCE_SHOTS", raising=False)
    house = make_house(tmp_path)
    people = [house.caller(name).person for name in ("investigator", "analyst", "prosecutor")]
    tokens = [
        new_token(house.repo, house.custodian, person=one, expires_at=None)[1] for one in people
    ]
    photo = shared("samples", *PICTURE)
    with serving(house.data) as service:
        seen = drive(DAYS, tmp_path, service.address, str(photo), *tokens)
    data = photo.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert "KRN-000001" in seen["handed"]
    assert (tmp_path / "receipt").stat().st_size > 500
    assert photo.name in seen["exhibit"]
    assert digest[:8] in seen["verified"]
    assert "the inscription" in seen["recorded"]
    assert (tmp_path / "original").read_bytes() == data
    assert "The court" in seen["bundle"]
    assert all(url.startswith((service.address, "blob:")) for url in seen["asked"])
    assert [one for one in seen["errors"] if "401" not in one] == []
    with tarfile.open(tmp_path / "bundle.tar") as bundle:
        bundle.extractall(tmp_path / "bundle", filter="data")
    [root] = (tmp_path / "bundle").iterdir()
    done = subprocess.run(
        [sys.executable, root / "verify.py", root], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    types = [e.fields["type"] for e in house.entries()]
    assert {"registration", "receipt", "dissemination", "sign_in"} <= set(types)
