"""What a person does with check.html; its pictures: python -m tests.browser.checker_page FOLDER."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.checking import checker_file
from tests.browser.chromium import drive
from tests.custody.bundle_builder import World, commitment
from tests.node import package

AXE = "axe-core@4.14.1"
NAMES = [
    "<img src=x onerror=alert(1)>", "evidence\u202egpj.exe", "<svg onload=alert(1)>",
    "javascript:alert(1)", "__proto__", "{name}", "\u0000\u001b[31m", "=cmd|' /C calc'!A0",
]  # fmt: skip

PAGE = """
import time
place, bag, bad, names, axe, wanted, pictures = given
page.on("dialog", lambda dialog: (errors.append("dialog"), dialog.dismiss()))
seen["violations"], seen["wide"] = [], []

def look(name):
    if axe and name not in ("360", "zoom"):  # the same page, narrower
        page.evaluate(open(axe).read())
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        for one in found["violations"]:
            seen["violations"].append([name, one["id"], one["nodes"][0]["html"]])
    if pictures:
        page.screenshot(path=f"{pictures}/check-{name}.png", full_page=True)
    seen["wide"].append([name, page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth")])

def check(folder):
    page.set_input_files("#folder", folder)
    page.wait_for_selector("#verdict")
    return page.eval_on_selector_all("#result .claim", '''
        all => all.map((one) => [one.dataset.claim, one.dataset.outcome, one.innerText])
    ''')

page.goto("file://" + place)
look("start")
seen["claims"] = check(bag)
seen["focus"] = page.evaluate("document.activeElement.id")
page.click("#exhibits summary")
page.wait_for_selector("#exhibits .history li")
seen["history"] = page.inner_text("#exhibits .history")
print_ = page.inner_text("#result .print")
page.fill("#fingerprint", print_)
seen["same"] = page.inner_text(".compare [role=status]")
page.fill("#fingerprint", "0" * 64)
seen["differs"] = page.inner_text(".compare [role=status]")
look("good")
page.emulate_media(color_scheme="dark")
look("dark")
page.emulate_media(color_scheme="light")
seen["languages"] = {}
for language in ("fr", "es", "ar", "ru", "zh"):
    page.select_option("#language", language)
    seen["languages"][language] = page.evaluate('''[
        document.documentElement.dir, !document.getElementById('unreviewed').hidden,
        document.querySelector('h1').textContent]''')
    if language == "ar":
        look("arabic")
page.select_option("#language", "en")
page.set_viewport_size({"width": 360, "height": 700})
look("360")
page.set_viewport_size({"width": 320, "height": 256})  # 1280 at 400 %
look("zoom") if not pictures else None
page.set_viewport_size({"width": 1100, "height": 700})
page.click("#again")
seen["bad"] = check(bad)
look("bad")
page.click("#again")
page.set_input_files("#file", names)
page.wait_for_selector("#verdict")
seen["receipt"] = page.inner_text("#result")
page.click("#again")
page.set_input_files("#file", place)  # neither bundle nor receipt
page.wait_for_selector("#verdict")
seen["none"] = page.inner_text("#result")
page.click("#again")
page.evaluate('''() => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["{}"], "r.json"));
  dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
}''')
page.wait_for_selector("#verdict")
seen["dropped"] = page.inner_text("#verdict")
"""


def bundles(folder: Path) -> tuple[Path, Path]:
    """Write a bundle whose every text is hostile, and one that was changed."""

    def change(index: int, fields: dict[str, Any]) -> None:
        if '"note"' in json.dumps(fields):
            fields["_sd"] = {name: commitment(name) for name in NAMES} | {"case": commitment("KRN")}
        fields["reason"] = NAMES[index % len(NAMES)]
        fields["handling"] = {NAMES[index % len(NAMES)]: NAMES[0]}
        fields["actor"] = {"id": NAMES[1], "role": NAMES[0]}

    world = World(change_body=change)
    custody = world.custody()
    salt = "00112233445566778899aabbccddeeff"
    for entry in custody["entries"]:
        opened = [name for name in NAMES if json.dumps(name)[1:-1] in entry["body"]]
        if "_sd" in entry["body"]:
            entry["openings"] = {name: {"salt": salt, "value": name} for name in opened[:8]}
    custody["left_out"] = [{"what": name, "why": name} for name in NAMES]
    good = world.write(folder / "bundle", custody)
    bad = folder / "changed"
    shutil.copytree(good, bad)
    (bad / "data/KRN-000001.bin").write_bytes(b"evidencE")
    return good, bad


def visit(folder: Path, pictures: Path | None = None) -> dict[str, Any]:
    """Do everything in Chromium once; return what was seen."""
    good, bad = bundles(folder)
    receipt = folder / "receipt.json"
    receipt.write_text(json.dumps({**World().receipt(), "exhibit": NAMES[0]}))
    axe = "" if pictures else str(package(AXE) / "axe.min.js")
    given = (checker_file(folder), good, bad, receipt, axe, "", pictures or "")
    return drive(PAGE, folder, *(str(one) for one in given))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        where = Path(sys.argv[1])
        where.mkdir(parents=True, exist_ok=True)
        visit(Path(name), where)
