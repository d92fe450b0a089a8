"""A person signed in in a real Chromium, on a house's own pages."""

from typing import Any

from api.app import create_app
from repository.web_sessions import begin
from tests.browser.chromium import bound, drive
from tests.house import House
from tests.node import package

AXE = "axe-core@4.14.1"
# What a script finds besides `page`, `seen` and `shots`: the site's address, who is signed in, axe.
PRELUDE = """
address, session, axe_file, *given = given
said = []
page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
seen["dialogs"] = said
page.context.add_cookies([{"name": "evidence-session", "value": session, "url": address,
                           "httpOnly": True, "sameSite": "Strict"}])

def axe():
    '''Return what axe-core finds wrong with the page as it is now, one line each.'''
    page.evaluate(open(axe_file).read())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"]
            for node in one["nodes"]]

def wide():
    '''Return by how many pixels the page is wider than its window.'''
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
"""


def visit(house: House, who: str, script: str, shots: object, *given: str) -> dict[str, Any]:
    """Run a script as a person whose session has just been confirmed; see PRELUDE.

    Args:
        house: whose pages are served.
        who: name of a person, or `custodian` for the house's first one.
        script: Python for Playwright; puts what it saw into `seen`.
        shots: folder for pictures.
        given: further texts, in `given`.
    """
    person = (house.caller_of_login() if who == "custodian" else house.caller(who)).person
    begun = begin(house.repo, person, "passkey", authenticated_at=house.repo.clock())
    axe = str(package(AXE) / "axe.min.js")
    with bound() as (server, address):
        server.set_app(create_app(house.repo))
        return drive(PRELUDE + script, shots, address, begun.cookie, axe, *given)
