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
page.wait_for_selector("#case-list a")
seen["who"], seen["address"] = page.inner_text(".who"), page.url
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


PASSKEYS = """
def virtual():
    line = page.context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    return line, line.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True}})["authenticatorId"]

line, key = virtual()
address, url = given
page.goto(address + url)
seen["hidden"] = page.url  # the code is not left in the address
page.fill("#label", "this computer")
page.click("#register button")
page.wait_for_selector("#done:not([hidden])")
page.screenshot(path=shots + "/registered.png")
page.goto(address + url)
page.reload()
page.goto("about:blank")
page.goto(address + url)
page.fill("#label", "once more")
page.click("#register button")
page.wait_for_selector("#problem:not([hidden])")
seen["again"] = page.inner_text("#problem")
page.goto(address + "/")
page.click("#passkey")
page.wait_for_selector("#case-list a")
page.screenshot(path=shots + "/signed-in.png")
page.click(".who a")
page.wait_for_selector("#passkeys li")
seen["who"] = page.inner_text("#somebody")
page.screenshot(path=shots + "/me.png")
proved = page.get_attribute("#proved time", "datetime")  # to the millisecond
page.click("#confirm")
page.wait_for_selector(f"#proved time:not([datetime='{proved}'])")
line.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
page.click("#confirm")
page.wait_for_selector("#problem:not([hidden])")
seen["unverified"] = page.inner_text("#problem")
line.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": True})
page.click("#passkeys button")
page.wait_for_selector("#passkeys li", state="detached")
page.set_viewport_size({"width": 360, "height": 640})
seen["wide"] = page.evaluate("document.documentElement.scrollWidth")
page.click("#sign-out")
page.wait_for_selector("#passkey")
page.click("#passkey")
page.wait_for_selector("#problem:not([hidden])")
seen["removed"] = page.inner_text("#problem")
"""


def test_a_passkey_from_the_invitation_to_its_removal(house, tmp_path, monkeypatch):
    find_or_skip()
    with bound() as (server, address):
        monkeypatch.setenv("EVIDENCE_PUBLIC_URL", address)
        [said] = house.evidence("person", "invite", "analyst").lines
        assert said["url"].startswith(f"{address}/register#")
        server.set_app(create_app(house.repo))
        seen = drive(PASSKEYS, tmp_path, address, f"/register#{said['invitation']}")
    assert seen["hidden"] == f"{address}/register"
    assert "sign in again" in seen["again"]
    assert "analyst" in seen["who"]
    assert "this computer" in seen["who"]
    assert seen["unverified"]
    assert "not signed in" in seen["removed"]
    assert seen["wide"] <= 360
    assert all(url.startswith(address) for url in seen["asked"] if url != "about:blank")
    assert [one for one in seen["errors"] if "401" not in one] == []
    found = [e.fields["reason"] for e in house.entries() if e.fields["type"] == "sign_in"]
    assert found == [
        "invitation-used", "session-begun", "step-up", "signed-out", "passkey-removed",
    ]  # fmt: skip
