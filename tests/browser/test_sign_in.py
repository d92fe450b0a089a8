"""Sign-in in Chromium: with an account of other people's OpenID provider."""

from dataclasses import replace

import pytest

from api.app import create_app
from config.settings import OidcProvider
from tests.browser.chromium import bound, drive, find_or_skip
from tests.providers import CLIENT, mock_provider

pytestmark = pytest.mark.browser

OIDC = """
page.goto(given[0])
page.click("#providers a")
page.fill("input[name=sub]", "subject-2")
page.click("text=Authorize >> nth=-1")
page.wait_for_selector("#refused:not([hidden])")
seen["refused"] = page.inner_text("#refused")
page.screenshot(path=shots + "/oidc-refused.png")
page.click("#providers a")
page.click("button[value=subject-1]")
page.wait_for_selector("#case-list button")
seen["who"], seen["address"] = page.inner_text("#who"), page.url
seen["cookies"] = page.context.cookies(given[0])
"""


def test_a_linked_account_signs_in_and_another_is_told_so_calmly(house, tmp_path):
    find_or_skip()
    with mock_provider(sub="subject-1") as issuer, bound() as (server, address):
        (tmp_path / "secret").write_text("of the client\n")
        named = OidcProvider(
            name="bureau", label="The bureau", issuer=issuer, client_id=CLIENT,
            client_secret_file=tmp_path / "secret",
        )  # fmt: skip
        settings = house.repo.settings.model_copy(update={"oidc": (named,)})
        server.set_app(create_app(replace(house.repo, settings=settings)))
        words = ("--issuer", issuer, "--subject", "subject-1")
        assert house.evidence("person", "link", "analyst", *words).code == 0
        seen = drive(OIDC, tmp_path, address)
    assert "ask a custodian" in seen["refused"]
    assert "analyst" in seen["who"]
    assert seen["address"] == f"{address}/"
    [cookie] = seen["cookies"]  # what was pending is gone
    assert (cookie["name"], cookie["httpOnly"]) == ("evidence-session", True)
    assert {url.split("/", 3)[2] for url in seen["asked"]} <= {
        address.removeprefix("http://"), issuer.removeprefix("http://"), "cdn.jsdelivr.net",
    }  # fmt: skip
    found = [(e.fields["outcome"], e.fields["reason"]) for e in house.entries()
             if e.fields["type"] == "sign_in"]  # fmt: skip
    assert found == [("refused", "identity-unknown"), ("done", "session-begun")]
