"""Pictures of every page: light, dark, in Arabic, and 360 px wide.

    python -m tests.browser.make_screens [--to docs/screens] [--only NAME …]

A house is made of real files of ../shared/samples, a worker looks at them, somebody has asked for
what waits for a person. The pictures are to be looked at before a page is called done. Said of each
page: what axe-core finds, what is wider than its window (also at 320 px, which is 1280 px at 400 %,
with letters twice as large, and printed), and what the Tab key does not reach or show.
"""

import argparse
import json
import tempfile
from pathlib import Path

from repository.approvals import mark
from repository.conditions import Marking
from repository.exports import bundles
from repository.people import new_person
from tests.browser.pages import visit
from tests.house import House, make_house
from tests.shared import SHARED

LOOKS = ("light", "dark", "ar", "360")
WIDTH = 1200
# What a picture is called, who looks, and at which address; {…}: see `_made`.
SCREENS: tuple[tuple[str, str, str], ...] = (
    ("sign-in", "", "/"),
    ("cases", "analyst", "/"),
    ("case", "analyst", "/cases/KRN"),
    ("gallery", "analyst", "/cases/KRN/gallery"),
    ("timeline", "analyst", "/cases/KRN/timeline"),
    ("map", "analyst", "/cases/KRN/map"),
    ("exhibit", "analyst", "/exhibits/{picture}"),
    ("custody", "analyst", "/exhibits/{picture}/custody"),
    ("related", "analyst", "/exhibits/{picture}/related"),
    ("rules", "custodian", "/exhibits/{picture}/rules"),
    ("retrieve", "analyst", "/exhibits/{picture}/retrieve"),
    ("search", "analyst", "/search"),
    ("upload", "investigator", "/cases/KRN/upload"),
    ("submission", "investigator", "/submissions/{submission}"),
    ("bundles", "prosecutor", "/bundles"),
    ("bundle-new", "prosecutor", "/bundles/new?case=KRN"),
    ("searches", "analyst", "/cases/KRN/searches"),
    ("work", "custodian", "/work"),
    ("quarantine", "custodian", "/work/quarantine"),
    ("quarantined", "custodian", "/work/quarantine/{quarantined}"),
    ("differing", "custodian", "/work/differing"),
    ("decisions", "custodian", "/decisions"),
    ("decision", "custodian", "/decisions/{decision}"),
    ("case-people", "custodian", "/cases/KRN/people"),
    ("person", "custodian", "/people/{person}"),
    ("accesses", "custodian", "/ledger/accesses"),
    ("consents", "custodian", "/consents"),
    ("case-consents", "prosecutor", "/cases/KRN/consents"),
    ("people", "custodian", "/people"),
    ("ledger", "custodian", "/ledger"),
    ("entry", "custodian", "/ledger/{entry}"),
    ("me", "analyst", "/me"),
    ("problem", "analyst", "/exhibits/KRN-999999"),
    ("say", "", "/say"),
)
CHECKS = """
seen["axe"], seen["wide"], seen["status"], seen["keyboard"] = {}, {}, {}, {}
REACHABLE = '''() => {
    window.wanted = [...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((one) =>
        one.checkVisibility({visibilityProperty: true}) && !one.disabled
        && !(one.type === "radio" && !one.checked));
    return wanted.length;
}'''
REACHED = '''() => {
    const at = document.activeElement, box = at.getBoundingClientRect();
    if (at === document.body) return null;
    wanted = wanted.filter((one) => one !== at);
    const shown = getComputedStyle(at).outlineStyle !== "none" && box.width > 0 && box.bottom > 0
        && box.top < innerHeight;
    return shown ? "" : "no focus to be seen: " + at.outerHTML.slice(0, 120);
}'''

def keyboard():
    '''Press Tab until the page is left; return what was not reached, and not seen when it was.'''
    wrong = []
    for _ in range(page.evaluate(REACHABLE) * 2 + 20):
        page.keyboard.press("Tab")
        said = page.evaluate(REACHED)
        if said is None:
            break
        wrong += [said] if said and said not in wrong else []
    else:
        wrong.append("the Tab key never left the page")
    left = page.evaluate("wanted.map((one) => 'not reached: ' + one.outerHTML.slice(0, 120))")
    return wrong + left

def narrow(name):
    '''Note what is wider than 320 pixels, than 640 with letters twice as large, than paper.'''
    page.set_viewport_size({"width": 320, "height": 800})
    seen["wide"][f"{name}-320"] = wide()
    page.set_viewport_size({"width": 640, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    seen["wide"][f"{name}-letters"] = wide()
    page.evaluate("document.documentElement.style.fontSize = ''")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 within its margins
    seen["wide"][f"{name}-print"] = wide()
"""
SCRIPT = (
    CHECKS
    + """
screens, looks, width = json.loads(given[0])
for name, signed_in, path in screens:
    for look in looks:
        context = chromium.new_context(
            viewport={"width": 360 if look == "360" else width, "height": 800},
            color_scheme="dark" if look == "dark" else "light",
            device_scale_factor=1 if look == "360" else 0.75)
        if signed_in:
            context.add_cookies([{"name": "evidence-session", "value": session, "url": address,
                                  "httpOnly": True, "sameSite": "Strict"}])
        page = context.new_page()
        mark = "&" if "?" in path else "?"
        answer = page.goto(address + path + (mark + "lang=" + ("ar" if look == "ar" else "en")))
        page.wait_for_load_state("networkidle")
        seen["status"][name] = answer.status
        seen["axe"][f"{name}-{look}"] = axe()
        seen["wide"][f"{name}-{look}"] = wide()
        high = min(2400, page.evaluate("document.documentElement.scrollHeight"))
        page.screenshot(path=f"{shots}/{name}-{look}.jpg", type="jpeg", quality=50, full_page=True,
                        clip={"x": 0, "y": 0, "width": page.viewport_size["width"],
                              "height": high})
        if look == "dark":
            seen["keyboard"][name] = keyboard()
        if look == "360":
            narrow(name)
        context.close()
"""
)


def main() -> None:
    """Make the pictures; say what is wrong with each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("docs/screens"))
    parser.add_argument("--only", nargs="*")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        house = make_house(Path(folder), intake_case="KRN")
        names = _made(house, Path(folder))
        for who in dict.fromkeys(one[1] for one in SCREENS):
            some = [
                (name, bool(by), path.format(**names))
                for name, by, path in SCREENS
                if by == who and (not asked.only or name in asked.only)
            ]
            if some:
                seen = visit(
                    house, who or "analyst", SCRIPT, asked.to, json.dumps([some, LOOKS, WIDTH])
                )
                for name, status in seen["status"].items():
                    print(f"{name}: {status}")
                for what in ("axe", "wide", "keyboard"):
                    for name, found in seen[what].items():
                        if found and (what != "wide" or found > 0):
                            print(f"{name}: {what}: {found}")
                if seen["errors"]:
                    print(who or "nobody", "console:", seen["errors"][:5])
        house.repo.close()


def _made(house: House, folder: Path) -> dict[str, str]:
    """Fill a house: pictures with places, a telephone's messages, names to be careful with."""
    taken = folder / "in"
    taken.mkdir()
    samples = [
        *sorted((SHARED / "samples").rglob("*.jpg"))[:14],
        *sorted((SHARED / "samples").rglob("*.pdf"))[:2],
        *sorted((SHARED / "samples").rglob("*.mp4"))[:1],
    ]
    for sample in samples:
        (taken / sample.name).write_bytes(sample.read_bytes())
    (taken / "evidence\u202egpj.exe").write_bytes(b"MZ not a picture")
    (taken / "<img src=x onerror=alert(1)>.txt").write_text("The bridge, міст, الجسر", "utf-8")
    house.ingest(taken, "--collected-by", "A. Field", "--place", "Kharkiv")
    wrong = folder / "wrong.bin"
    wrong.write_bytes(b"wrong")
    house.evidence("ingest", wrong, "--case", "KRN", "--digest", "sha256:" + "0" * 64)
    house.evidence("worker", "--once")
    house.evidence("tag", "KRN-000001", "bridge", person="analyst")
    house.evidence("note", "KRN-000001", "The inscription is on the north side.", person="analyst")
    house.evidence(
        "hold",
        "place",
        "KRN-000002",
        "--matter",
        "court order",
        "--motive",
        "asked for by the court",
    )
    new_person(house.repo, house.custodian, name="A. Keeper", role="custodian")
    keeper = house.caller("A. Keeper")
    mark(house.repo, keeper, "KRN-000001", Marking(tlp="RED"), motive="asked for by the source")
    mark(house.repo, keeper, "KRN-000001", Marking(tlp="AMBER"), motive="the source agreed")
    house.evidence("saved", "set", "KRN", "bridge OR міст", "--title", "Bridges", person="analyst")
    bundles.ask(house.repo, house.caller("prosecutor"), "KRN", numbers=["KRN-000003"],
                purpose="court", recipient="Chamber II")  # fmt: skip
    [held] = house.evidence("quarantine", "list").lines
    [waits] = house.evidence("approval", "list").lines
    listed = house.evidence("list", "--case", "KRN").lines
    pictures = [one for one in listed if str(one.get("type", "")).startswith("image/")]
    return {
        "picture": pictures[0]["exhibit"],
        "submission": listed[0]["submission"],
        "quarantined": held["quarantine"],
        "decision": waits["approval"],
        "person": keeper.person.id,
        "entry": str(listed[0]["entry"]),
    }


if __name__ == "__main__":
    main()
