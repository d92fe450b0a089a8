"""An Ed25519 key that never leaves a hardware module (PKCS #11), named by a URI (RFC 7512).

    pkcs11:token=evidence;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/pin

Without `pin-source` the passphrase is the PIN. A session belongs to one process and is opened on
first use there: a fork must not share it. Signatures are made inside the ledger's transaction; the
module is a library of this process, so nothing signed leaves before COMMIT.
"""

import os
import threading
from typing import Any

from custody.errors import SignerUnavailable
from custody.hardware import Place, library, module_of, place_of, session_on, unavailable
from custody.note import COSIGNATURE_ED25519, ED25519, VerifierKey

_CURVE = b"\x13\x0cedwards25519"  # PrintableString, as PKCS #11 3.0 names the curve


class Pkcs11Signer:
    """Signs inside the module; `key` is the verifier key of the pair there."""

    def __init__(self, place: Place, name: str, kind: int) -> None:
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
        pkcs11 = library()
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
                        raise unavailable(self._place, error) from error
        raise AssertionError("unreachable")

    def _open(self) -> None:
        pkcs11 = library()
        if self._pid not in (0, os.getpid()):
            module_of(self._place).reinitialize()  # the library of a forked process knows nothing
        session = session_on(self._place, write=False)
        self._private = _one(session, self._place, pkcs11.ObjectClass.PRIVATE_KEY)
        self._pid = os.getpid()

    def _public(self) -> bytes:
        pkcs11 = library()
        with self._lock:
            try:
                with session_on(self._place, write=False) as session:
                    public = _one(session, self._place, pkcs11.ObjectClass.PUBLIC_KEY)
                    return _point(bytes(public[pkcs11.Attribute.EC_POINT]))
            except (pkcs11.PKCS11Error, OSError) as error:
                raise unavailable(self._place, error) from error


def create(uri: str, *, name: str, passphrase: bytes, kind: int = ED25519) -> Pkcs11Signer:
    """Make a key pair in the token, not extractable, and return its signer.

    Raises:
        SignerUnavailable: the token holds a key of this label already, or cannot be used.
    """
    pkcs11 = library()
    place = place_of(uri, passphrase)
    try:
        with session_on(place, write=True) as session:
            _generate(session, place)
    except (pkcs11.PKCS11Error, OSError) as error:
        raise unavailable(place, error) from error
    return Pkcs11Signer(place, name, kind)


def _generate(session: Any, place: Place) -> None:
    pkcs11 = library()
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
    return Pkcs11Signer(place_of(uri, passphrase), name, kind)


def _one(session: Any, place: Place, kind: Any) -> Any:
    pkcs11 = library()
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
