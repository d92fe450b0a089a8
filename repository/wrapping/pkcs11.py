"""A key-encryption key that never leaves a hardware module (PKCS #11, CKM_AES_KEY_WRAP).

Every unwrapping is an act of the module, which its own log can show: `evidence verify --unwraps`
compares that log with the custody ledger.
"""

import os
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from custody.errors import SignerUnavailable
from custody.hardware import Place, library, module_of, place_of, session_on, unavailable
from repository.errors import KeyUnavailable

T = TypeVar("T")


class Pkcs11Wrapper:
    """Wraps inside the module; a session belongs to one process."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._pid = 0
        self._session: Any = None
        self._key: Any = None
        self.id = sha256(f"evidence-kek\n{place.token}\n{place.label}".encode()).hexdigest()[:16]
        self._do(lambda: None)

    def wrap(self, key: bytes) -> bytes:
        """Return the wrapped form of a key; see `KeyWrapper.wrap`."""
        pkcs11 = library()
        name = pkcs11.Attribute

        def act() -> bytes:
            plain = self._session.create_object(
                {
                    name.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                    name.KEY_TYPE: pkcs11.KeyType.AES,
                    name.VALUE: key,
                    name.TOKEN: False,
                    name.SENSITIVE: False,
                    name.EXTRACTABLE: True,
                }
            )
            try:
                return bytes(self._key.wrap_key(plain, mechanism=pkcs11.Mechanism.AES_KEY_WRAP))
            finally:
                plain.destroy()

        return self._do(act)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a wrapped key; see `KeyWrapper.unwrap`."""
        pkcs11 = library()
        name = pkcs11.Attribute

        def act() -> bytes:
            found = self._key.unwrap_key(
                pkcs11.ObjectClass.SECRET_KEY,
                pkcs11.KeyType.AES,
                wrapped,
                mechanism=pkcs11.Mechanism.AES_KEY_WRAP,
                store=False,
                template={name.SENSITIVE: False, name.EXTRACTABLE: True},
            )
            try:
                return bytes(found[name.VALUE])
            finally:
                found.destroy()

        return self._do(act)

    def _do(self, act: Callable[[], T]) -> T:
        """Act in the module; one that was away is opened anew once."""
        pkcs11 = library()
        with self._lock:
            for attempt in range(2):
                try:
                    if self._pid != os.getpid() or self._key is None:
                        self._open()
                    return act()
                except SignerUnavailable as error:
                    raise KeyUnavailable(str(error)) from error
                except (pkcs11.PKCS11Error, OSError) as error:
                    self._key = None
                    if attempt:
                        raise KeyUnavailable(str(unavailable(self._place, error))) from error
        raise AssertionError("unreachable")

    def _open(self) -> None:
        pkcs11 = library()
        if self._pid not in (0, os.getpid()):
            module_of(self._place).reinitialize()  # the library of a forked process knows nothing
        self._session = session_on(self._place, write=True)
        wanted = {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
            pkcs11.Attribute.LABEL: self._place.label,
        }
        found = list(self._session.get_objects(wanted))
        if len(found) != 1:
            raise KeyUnavailable(
                f"the token {self._place.token} holds {len(found)} secret keys "
                f"{self._place.label}, not one"
            )
        self._key = found[0]
        self._pid = os.getpid()


def create(uri: str, *, passphrase: bytes) -> Pkcs11Wrapper:
    """Make an AES-256 key in the token, not extractable, and return it.

    Raises:
        KeyUnavailable: the token holds a key of this label already, or cannot be used.
    """
    pkcs11 = library()
    name = pkcs11.Attribute
    try:
        place = place_of(uri, passphrase)
        with session_on(place, write=True) as session:
            if list(session.get_objects({name.LABEL: place.label})):
                raise KeyUnavailable(
                    f"the token {place.token} holds a key {place.label} already; keys are never "
                    "overwritten, choose another label"
                )
            session.generate_key(
                pkcs11.KeyType.AES,
                256,
                store=True,
                label=place.label,
                capabilities=pkcs11.MechanismFlag.WRAP | pkcs11.MechanismFlag.UNWRAP,
                template={name.SENSITIVE: True, name.EXTRACTABLE: False},
            )
    except SignerUnavailable as error:
        raise KeyUnavailable(str(error)) from error
    except (pkcs11.PKCS11Error, OSError) as error:
        raise KeyUnavailable(str(unavailable(place, error))) from error
    return Pkcs11Wrapper(place)


def open_wrapper(uri: str, *, passphrase: bytes) -> Pkcs11Wrapper:
    """Return the key of a PKCS #11 URI.

    Raises:
        KeyUnavailable: the URI, library, module, token, PIN or key is not there or not right.
    """
    try:
        return Pkcs11Wrapper(place_of(uri, passphrase))
    except SignerUnavailable as error:
        raise KeyUnavailable(str(error)) from error
