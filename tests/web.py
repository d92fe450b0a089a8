"""A browser's session for Flask's client, and pages as people read them."""

import re
from html import unescape

from flask.testing import FlaskClient

from api.place import SESSION
from repository.web_sessions import begin
from tests.house import House


def sign_in(client: FlaskClient, house: House, name: str) -> None:
    """Give the client the session that this person would have with a passkey, just confirmed.

    `custodian` is the house's first person, who acts where a command names nobody.
    """
    person = (house.caller_of_login() if name == "custodian" else house.caller(name)).person
    begun = begin(house.repo, person, "passkey", authenticated_at=house.repo.clock())
    client.set_cookie(SESSION, begun.cookie)
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"


def text(html: str) -> str:
    """Return what a page says, without its markup, on one line."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", bare)).split())
