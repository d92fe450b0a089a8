"""An Ed25519 key that never leaves a hardware module (PKCS #11), named by a URI (RFC 7512).

    pkcs11:token=evidence;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/pin

Without `pin-source` the passphrase is the PIN. A session belongs to one process and is opened on
first use there: a fork must not share it. Signatures are made inside the ledger's transaction; the
module is a library of this process, so nothing signed leaves before COMMIT.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from custody.errors import SignerUnavailable
from custody.note import COSIGNATURE_ED25519, ED25519, VerifierKey

_CURVE = b"\x13\x0cedwards25519"  # PrintableString, as PKCS #11 3.0 names the curve


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a key is: the module's library, the token, the key's label, the PIN."""

    module: str
    token: str
    label: str
    pin: str


class Pkcs11Signer:
    """Signs inside the module; `key` is the verifier key of the pair there."""

    def __init__(self, place: _Place, name: str, kind: int) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._pid = 0
        self._private: Any = None
        self.key = VerifierKey(name, kind, self._public())

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over the message (RFC 8032).

        Raises:
            SignerUnavailable: the module or token does not answer, even opened anew.
        """
        pkcs11 = _library()
        with self._lock:
            for attempt in range(2):
                try:
                    if self._pid != os.getpid() or self._private is None:
                        self._open()
                    signature = self._private.sign(message, mechanism=pkcs11.Mechanism.EDDSA)
                    return bytes(signature)
                except (pkcs11.PKCS11Error, OSError) as error:
                    self._private = None  # a token that was away may be back
                    if attempt:
                        raise _unavailable(self._place, error) from error
        raise AssertionError("unreachable")

    def _open(self) -> None:
        pkcs11 = _library()
        if self._pid not in (0, os.getpid()):
            _module(self._place).reinitialize()  # the library of a forked process knows nothing
        session = _session(self._place, write=False)
        self._private = _one(session, self._place, pkcs11.ObjectClass.PRIVATE_KEY)
        self._pid = os.getpid()

    def _public(self) -> bytes:
        pkcs11 = _library()
        with self._lock:
            try:
                with _session(self._place, write=False) as session:
                    public = _one(session, self._place, pkcs11.ObjectClass.PUBLIC_KEY)
                    return _point(bytes(public[pkcs11.Attribute.EC_POINT]))
            except (pkcs11.PKCS11Error, OSError) as error:
                raise _unavailable(self._place, error) from error


def create(uri: str, *, name: str, passphrase: bytes, kind: int = ED25519) -> Pkcs11Signer:
    """Make a key pair in the token, not extractable, and return its signer.

    Raises:
        SignerUnavailable: the token holds a key of this label already, or cannot be used.
    """
    pkcs11 = _library()
    place = _place(uri, passphrase)
    try:
        with _session(place, write=True) as session:
            _generate(session, place)
    except (pkcs11.PKCS11Error, OSError) as error:
        raise _unavailable(place, error) from error
    return Pkcs11Signer(place, name, kind)


def _generate(session: Any, place: _Place) -> None:
    pkcs11 = _library()
    if list(session.get_objects({pkcs11.Attribute.LABEL: place.label})):
        raise SignerUnavailable(
            f"the token {place.token} holds a key {place.label} already; keys are never "
            "overwritten, choose another label"
        )
    parameters = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: _CURVE}, local=True
    )
    parameters.generate_keypair(
        mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label=place.label,
        private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
    )


def open_signer(uri: str, *, name: str, passphrase: bytes, kind: int = ED25519) -> Pkcs11Signer:
    """Return the signer of a PKCS #11 URI.

    Raises:
        SignerUnavailable: the URI, library, module, token, PIN or key is not there or not right.
    """
    if kind not in (ED25519, COSIGNATURE_ED25519):
        raise SignerUnavailable("a key in a hardware module is Ed25519 here")
    return Pkcs11Signer(_place(uri, passphrase), name, kind)


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise SignerUnavailable(
            "keys in a hardware module need python-pkcs11: pip install '.[hsm]'"
        ) from error
    return pkcs11


def _place(uri: str, passphrase: bytes) -> _Place:
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
    return _Place(query["module-path"], path["token"], path["object"], pin.strip().decode())


def _module(place: _Place) -> Any:
    pkcs11 = _library()
    try:
        return pkcs11.lib(place.module)
    except (pkcs11.PKCS11Error, OSError, RuntimeError) as error:
        raise SignerUnavailable(
            f"the PKCS #11 module {place.module} cannot be loaded: {error}"
        ) from error


def _session(place: _Place, *, write: bool) -> Any:
    pkcs11, module = _library(), _module(place)
    try:
        token = module.get_token(token_label=place.token)
    except pkcs11.NoSuchToken:
        module.reinitialize()  # one that was plugged in after the module was loaded
        token = module.get_token(token_label=place.token)
    try:
        return token.open(user_pin=place.pin, rw=write)
    except pkcs11.UserAlreadyLoggedIn:  # a log-in holds for all sessions of a process
        return token.open(rw=write)


def _one(session: Any, place: _Place, kind: Any) -> Any:
    pkcs11 = _library()
    wanted = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: place.label}
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        raise SignerUnavailable(
            f"the token {place.token} holds {len(found)} keys {place.label}, not one"
        )
    if found[0][pkcs11.Attribute.KEY_TYPE] != pkcs11.KeyType.EC_EDWARDS:
        raise SignerUnavailable(f"the key {place.label} in {place.token} is not Ed25519")
    return found[0]


def _point(encoded: bytes) -> bytes:
    """Return the 32 bytes of a public key; modules wrap them in an OCTET STRING, or do not."""
    if len(encoded) == 34 and encoded[:2] == b"\x04\x20":
        return encoded[2:]
    if len(encoded) != 32:
        raise SignerUnavailable("the public key in the token is no Ed25519 key")
    return encoded


def _unavailable(place: _Place, error: Exception) -> SignerUnavailable:
    said = str(error) or type(error).__name__
    return SignerUnavailable(
        f"the key {place.label} in the token {place.token} cannot be used: {said}; is the module "
        "plugged in, the token initialised and the PIN right?"
    )
