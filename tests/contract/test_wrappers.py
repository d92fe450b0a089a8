"""The contract of key-encryption keys: an encrypted file, and a hardware module (SoftHSM)."""

import os
import stat

import pytest

from repository.errors import KeyUnavailable
from repository.wrapping import create_wrapper, open_wrapper
from tests.softhsm import PIN, token_or_skip


@pytest.fixture(params=["file", pytest.param("pkcs11", marks=pytest.mark.hsm)])
def uri(request, tmp_path, tmp_path_factory):
    if request.param == "file":
        return (tmp_path / "kek.json").as_uri()
    label = f"kek-{os.urandom(4).hex()}"
    return token_or_skip(tmp_path_factory.mktemp("hsm"), label).format("kek")


def test_a_wrapped_key_comes_back_also_after_opening_again(uri):
    made = create_wrapper(uri, passphrase=PIN)
    key = os.urandom(32)
    wrapped = made.wrap(key)
    assert key not in wrapped
    assert len(wrapped) == 40  # RFC 3394
    again = open_wrapper(uri, passphrase=PIN)
    assert again.id == made.id
    assert again.unwrap(wrapped) == made.unwrap(wrapped) == key


def test_a_damaged_or_foreign_wrapped_key_is_refused(uri):
    made = create_wrapper(uri, passphrase=PIN)
    wrapped = made.wrap(os.urandom(32))
    for bad in (bytes([wrapped[0] ^ 1]) + wrapped[1:], wrapped[:-8], b"", os.urandom(40)):
        with pytest.raises(KeyUnavailable):
            made.unwrap(bad)
    made.unwrap(wrapped)  # and goes on


def test_a_key_is_never_made_twice(uri):
    create_wrapper(uri, passphrase=PIN)
    with pytest.raises(KeyUnavailable, match="never"):
        create_wrapper(uri, passphrase=PIN)


def test_a_key_that_is_not_there_or_a_wrong_passphrase_is_said(uri):
    with pytest.raises(KeyUnavailable):
        open_wrapper(uri, passphrase=PIN)
    create_wrapper(uri, passphrase=PIN)
    if uri.startswith("file"):  # a module that is logged in asks no PIN again in this process
        with pytest.raises(KeyUnavailable, match="passphrase"):
            open_wrapper(uri, passphrase=b"another")


def test_a_key_file_is_private_and_never_holds_the_key(tmp_path):
    file = tmp_path / "kek.json"
    made = create_wrapper(file.as_uri(), passphrase=PIN)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made._key.hex() not in file.read_text()


def test_an_unknown_kind_of_key_is_refused():
    with pytest.raises(KeyUnavailable):
        open_wrapper("vault:x", passphrase=PIN)
