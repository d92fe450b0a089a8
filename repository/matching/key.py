"""The key of matching: tokens are made under it, and it is wrapped by a key of its own.

It shares nothing with the evidence's key or the vault's: another key-encryption key, under another
passphrase. It is made when the first institution takes part; a machine without it matches nothing.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hmac import digest as keyed
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.orm import Session

from config.settings import Settings
from custody.append import take_lock
from custody.entry import Act, Draft, uuid7
from repository import Repository
from repository.access import Right
from repository.authorise import Caller, on_house
from repository.errors import BadRequest, IntegrityError, KeyUnavailable
from repository.initialise import new_passphrase
from repository.matching.tables import MatchKey
from repository.matching.values import Value
from repository.stated import stated_motive
from repository.wrapping import KeyWrapper, create_wrapper, open_from_file

_NONCE = 12


@dataclass(frozen=True)
class Key:
    """An open key of matching: one part of it makes tokens, another one seals values."""

    id: str
    secret: bytes

    @cached_property
    def tokens(self) -> bytes:
        """Return the key that tokens are made under."""
        return keyed(self.secret, b"evidence match tokens", "sha256")

    @cached_property
    def _values(self) -> AESGCM:
        return AESGCM(keyed(self.secret, b"evidence match values", "sha256"))

    def seal(self, item: int, value: Value, nonce: bytes) -> bytes:
        """Return a value sealed for the item that it belongs to."""
        return nonce + self._values.encrypt(nonce, value.to_bytes(), b"%d" % item)

    def unseal(self, item: int, sealed: bytes) -> Value:
        """Return the value of an item.

        Raises:
            IntegrityError: it is not what was sealed for it.
        """
        try:
            plain = self._values.decrypt(sealed[:_NONCE], sealed[_NONCE:], b"%d" % item)
        except InvalidTag as error:
            raise IntegrityError("a sealed value of matching is damaged or exchanged") from error
        return Value.of_bytes(plain)


def key_uri(settings: Settings) -> str:
    """Return where the key-encryption key of matching is: by default a file in the data folder."""
    return settings.match_kek_uri or (settings.data / "keys" / "matching.json").as_uri()


def passphrase_of(settings: Settings) -> Path:
    """Return the file with the passphrase of that key."""
    default = settings.data / "secrets" / "matching-passphrase"
    return settings.match_passphrase_file or default


def open_key(settings: Settings) -> KeyWrapper:
    """Return the key-encryption key of matching.

    Raises:
        KeyUnavailable: this machine has it not, or it does not open.
    """
    return open_from_file(
        key_uri(settings),
        passphrase_of(settings),
        what="nothing can be matched on this machine: the passphrase of the key of matching",
        then="bring key and passphrase from the machine that has them",
    )


def current_id(session: Session) -> str | None:
    """Return the id of the key that tokens are made under; None: nobody takes part yet."""
    return session.scalar(select(MatchKey.id).order_by(MatchKey.id.desc()).limit(1))


def keys(repo: Repository, session: Session) -> list[Key]:
    """Return every key under which there may be tokens, the newest first; opened once a process.

    Raises:
        KeyUnavailable: this machine cannot open them.
    """
    rows = list(session.scalars(select(MatchKey).order_by(MatchKey.id.desc())))
    held = repo.match_keys
    if any(row.id not in held for row in rows):
        wrapper = open_key(repo.settings)
        held.update({row.id: wrapper.unwrap(bytes(row.wrapped)) for row in rows})
    return [Key(row.id, held[row.id]) for row in rows]


def ensure(repo: Repository, session: Session) -> bool:
    """Make the first key, in the caller's transaction; say whether there was none.

    Raises:
        KeyUnavailable: there is one, which this machine cannot open; or none can be made.
    """
    take_lock(session)
    if current_id(session) is not None:
        open_key(repo.settings)
        return False
    _draw(repo, session, _made_or_opened(repo.settings))
    return True


def rotate(repo: Repository, caller: Caller, *, motive: str) -> str:
    """Draw a new key; workers make all tokens anew, and the old key goes with its last one.

    Raises:
        AccessDenied: no custodian; recorded.
        BadRequest: no motive (recorded), or there is no key yet.
        KeyUnavailable: this machine cannot open the key-encryption key.
    """
    actor = on_house(repo, caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)
    stated_motive(repo, caller, motive, Act.CONFIGURATION_CHANGE)
    wrapper = open_key(repo.settings)
    with repo.database.writing() as session:
        take_lock(session)
        old = current_id(session)
        if old is None:
            raise BadRequest("there is no key to rotate: no institution takes part in matching")
        new = _draw(repo, session, wrapper)
        draft = Draft(
            Act.CONFIGURATION_CHANGE,
            actor,
            reason="match-key-rotated",
            withheld={"motive": motive, "detail": {"old": old, "new": new}},
        )
        repo.ledger.append(session, [draft])
    return new


def _draw(repo: Repository, session: Session, wrapper: KeyWrapper) -> str:
    secret, at = repo.random(32), repo.clock()
    row = MatchKey(
        id=uuid7(at, repo.random), kek=wrapper.id, wrapped=wrapper.wrap(secret), made_at=at
    )
    session.add(row)
    session.flush()
    return row.id


def _made_or_opened(settings: Settings) -> KeyWrapper:
    """Return the key-encryption key, made where the settings name none and there is none."""
    file = passphrase_of(settings)
    if not file.exists() and settings.match_passphrase_file is None:
        new_passphrase(file)
    with suppress(KeyUnavailable):
        return open_key(settings)
    try:
        passphrase = file.read_bytes().strip()
    except OSError as error:
        raise KeyUnavailable(f"{file} cannot be read: {error.strerror}") from error
    return create_wrapper(key_uri(settings), passphrase=passphrase)
