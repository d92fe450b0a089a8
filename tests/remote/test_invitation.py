"""Invitations: they come back as they went out, and damage is noticed before anything is sent."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadInvitation
from api.remote.invitation import Address, Invitation, checked_pin, checked_token
from api.tls import find_identity, make_identity
from custody.note import VerifierKey
from repository.errors import BadRequest
from tests.house import CODE

PIN = "sha256:" + "5a" * 32
LOG = VerifierKey("evidence.example/ledger", 0x01, bytes(range(32)))
TOKEN = "0123456789abcdef.mV_-abcDEF"
WHOLE = Invitation(Address.parse("https://evidence.example:8443/x"), TOKEN, PIN, LOG, CODE)


@pytest.mark.parametrize(
    "found",
    [
        WHOLE,
        Invitation(Address.parse("https://[2001:db8::1]/"), TOKEN, PIN),
        Invitation(Address.parse("http://127.0.0.1:8080"), TOKEN, log=LOG),
    ],
)
def test_an_invitation_comes_back_as_it_went_out(found):
    assert Invitation.parse(str(found)) == found


def test_white_space_that_mail_adds_does_not_count():
    text = str(WHOLE)
    assert Invitation.parse(f"\n {text[:60]}\r\n{text[60:]}  \n") == WHOLE


@given(st.data())
def test_a_changed_sign_is_noticed(data):
    text = str(WHOLE)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    if other == text[place]:
        return
    with pytest.raises((BadInvitation, BadRequest)):
        Invitation.parse(text[:place] + other + text[place + 1 :])


def test_every_cut_is_noticed():
    text = str(WHOLE)
    for length in range(len(text)):
        with pytest.raises((BadInvitation, BadRequest)):
            Invitation.parse(text[:length])


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text):
    with pytest.raises((BadInvitation, BadRequest)):
        Invitation.parse(text)
    with pytest.raises((BadInvitation, BadRequest)):
        Invitation.parse(f"https://evidence.example/#{text}")


@pytest.mark.parametrize(
    "address",
    [
        "http://evidence.example/",
        "http://192.168.1.5:8080/",
        "http://localhost.evil.example/",
        "ftp://evidence.example/",
        "evidence.example:8443",
        "https://user:secret@evidence.example/",
        "https://evidence.example/?q=1",
        "https://evidence.example:99999/",
        "https://[::1/",
        "https:///",
    ],
)
def test_addresses_that_are_none_or_not_encrypted_are_refused(address):
    with pytest.raises(BadInvitation) as refused:
        Address.parse(address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:80/", "http://[::1]/", "http://localhost/"])
def test_plain_http_goes_to_this_computer(address):
    assert Address.parse(address).is_loopback


def test_a_bad_token_or_pin_is_not_repeated():
    with pytest.raises(BadInvitation) as refused:
        checked_token("half-of-a-secret")
    assert "half" not in str(refused.value)
    with pytest.raises(BadInvitation):
        checked_pin("sha256:12")
    assert checked_pin("5A" * 32) == PIN


def test_invite_prints_one_string_that_carries_token_pin_log_key_and_case(house):
    pin = make_identity(house.repo.settings).pin
    said = house.evidence(
        "invite", "investigator", "--url", "https://field.example:8443/", "--case", CODE,
        "--expires", "2099-01-01",
    )  # fmt: skip
    assert said.code == 0, said.err
    found = Invitation.parse(said.lines[0]["invitation"])
    assert (found.pin, found.log, found.case) == (pin, house.repo.ledger.key, CODE)
    assert house.last("configuration_change")["reason"] == "token-issued"


def test_the_pin_is_what_openssl_computes(house):
    identity = make_identity(house.repo.settings)
    assert find_identity(house.repo.settings) == identity
    before = identity.certificate.read_bytes()
    assert make_identity(house.repo.settings).certificate.read_bytes() == before  # made once
    command = (
        f"openssl x509 -in {identity.certificate} -pubkey -noout"
        " | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r"
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert identity.pin == f"sha256:{done.stdout.split()[0]}"


def test_the_tls_key_is_encrypted_and_nobody_elses_to_read(house):
    identity = make_identity(house.repo.settings)
    assert b"ENCRYPTED PRIVATE KEY" in identity.key.read_bytes()
    assert identity.key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["investigator", "--url", "https://x.example/"], 2, "evidence serve --tls"),
        (["investigator", "--url", "http://x.example/"], 2, "use https"),
        (["stranger", "--url", "http://127.0.0.1/", "--case", CODE], 4, "evidence case grant KRN"),
        (["nobody", "--url", "http://127.0.0.1/"], 2, "nobody is registered"),
        (["investigator", "--url", "https://x.example/", "--pin", "12"], 2, "64 hexadecimal"),
        (["investigator", "--url", "http://127.0.0.1/", "--case", "NONE"], 2, "no case"),
    ],
)
def test_invitations_that_could_not_be_used_are_not_made(house, words, code, says):
    before = house.types().count("configuration_change/done")
    said = house.evidence("invite", *words)
    assert said.code == code
    assert says in said.err
    assert house.types().count("configuration_change/done") == before


def test_only_a_custodian_invites(house):
    said = house.evidence(
        "invite", "investigator", "--url", "http://127.0.0.1/", person="investigator"
    )
    assert said.code == 4
