"""Keys in a hardware module (PKCS #11): where one is, named by a URI (RFC 7512), and its session.

    pkcs11:token=evidence;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/pin

Without `pin-source` the passphrase is the PIN.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from custody.errors import SignerUnavailable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is: the module's library, the token, the key's label, the PIN."""

    module: str
    token: str
    label: str
    pin: str


def library() -> Any:
    """Return python-pkcs11, which is needed by those alone who have such keys."""
    try:
        import pkcs11
    except ImportError as error:
        raise SignerUnavailable(
            "keys in a hardware module need python-pkcs11: pip install '.[hsm]'"
        ) from error
    return pkcs11


def place_of(uri: str, passphrase: bytes) -> Place:
    """Return the place that a URI names.

    Raises:
        SignerUnavailable: it names none, or its PIN file cannot be read.
    """
    parts = urlsplit(uri)
    words = [word.partition("=") for word in parts.path.split(";")]
    path = {unquote(name): unquote(value) for name, _, value in words}
    query = dict(parse_qsl(parts.query))
    if parts.scheme != "pkcs11" or not {"token", "object"} <= set(path):
        raise SignerUnavailable(
            f"{uri} names no key; write pkcs11:token=T;object=LABEL?module-path=/path/module.so"
        )
    if "module-path" not in query:
        raise SignerUnavailable(f"{uri} names no module; add ?module-path=/path/module.so")
    source = query.get("pin-source")
    try:
        pin = Path(unquote(urlsplit(source).path)).read_bytes() if source else passphrase
    except OSError as error:
        raise SignerUnavailable(
            f"the PIN file {source} cannot be read: {error.strerror}"
        ) from error
    return Place(query["module-path"], path["token"], path["object"], pin.strip().decode())


def module_of(place: Place) -> Any:
    """Return the loaded module.

    Raises:
        SignerUnavailable: it cannot be loaded.
    """
    pkcs11 = library()
    try:
        return pkcs11.lib(place.module)
    except (pkcs11.PKCS11Error, OSError, RuntimeError) as error:
        raise SignerUnavailable(
            f"the PKCS #11 module {place.module} cannot be loaded: {error}"
        ) from error


def session_on(place: Place, *, write: bool) -> Any:
    """Return a logged-in session on the token."""
    pkcs11, module = library(), module_of(place)
    try:
        token = module.get_token(token_label=place.token)
    except pkcs11.NoSuchToken:
        module.reinitialize()  # one that was plugged in after the module was loaded
        token = module.get_token(token_label=place.token)
    try:
        return token.open(user_pin=place.pin, rw=write)
    except pkcs11.UserAlreadyLoggedIn:  # a log-in holds for all sessions of a process
        return token.open(rw=write)


def unavailable(place: Place, error: Exception) -> SignerUnavailable:
    """Return the error that says what is wrong with a key, for people."""
    said = str(error) or type(error).__name__
    return SignerUnavailable(
        f"the key {place.label} in the token {place.token} cannot be used: {said}; is the module "
        "plugged in, the token initialised and the PIN right?"
    )
