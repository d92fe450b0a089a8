"""The witness's rule: cosign only what extends everything cosigned before.

https://c2sp.org/tlog-witness. A witness sees origin, size, root and hashes: no evidence, no names.
What it cosigned is committed before it answers, so two forks of one size are never both cosigned,
however many threads and processes ask.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Session

from custody.checkpoint import Checkpoint, open_checkpoint
from custody.cosignature import cosign
from custody.database import Database
from custody.entry import Clock, timestamp
from custody.errors import BadSignature, MalformedNote
from custody.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from custody.note import ED25519, Note, VerifierKey, b64decode
from custody.signers import Signer
from custody.tables import fetch, insert_rows

MAX_REQUEST = 1 << 16
_MAX_PROOF = 63

metadata = MetaData()
log = Table(
    "log",
    metadata,
    Column("vkey", String(400), primary_key=True),
    Column("origin", String(255), nullable=False),
    Column("at", String(24), nullable=False),
)
cosigned = Table(
    "cosigned",
    metadata,
    Column("origin", String(255), primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("at", String(24), nullable=False),
    UniqueConstraint("origin", "size"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: status, content type and text, as tlog-witness defines them."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(status, text + "\n")


@dataclass(frozen=True, slots=True)
class _Request:
    old: int
    proof: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint


class Witness:
    """A witness with its keys and its memory, one SQLite file."""

    def __init__(self, database: Database, signers: Sequence[Signer], clock: Clock) -> None:
        """Bind to a database that `prepare` made.

        Args:
            database: its own, never a log's.
            signers: cosigning keys (types 0x04, 0x06); one line each.
            clock: gives aware times.
        """
        self._database = database
        self._signers = signers
        self._clock = clock

    def prepare(self) -> None:
        """Make the tables where they are missing."""
        with self._database.writing() as session:
            metadata.create_all(session.connection())

    def trust(self, key: VerifierKey) -> None:
        """Begin to cosign for the log of a key.

        Raises:
            MalformedNote: not the Ed25519 key of a log.
        """
        if key.type != ED25519:
            raise MalformedNote("the key of a log has type 1 (Ed25519)")
        with self._database.writing() as session:
            if key not in _keys(session, key.name):
                row = (str(key), key.name, timestamp(self._clock()))
                insert_rows(session, log, [row])

    def seen(self) -> list[tuple[str, int]]:
        """Return every trusted log's origin with the largest size cosigned for it."""
        with self._database.reading() as session:
            rows = fetch(
                session,
                "SELECT l.origin, coalesce(max(c.size), 0) AS size FROM log l "
                "LEFT JOIN cosigned c ON c.origin = l.origin GROUP BY l.origin ORDER BY l.origin",
            )
        return [(row.origin, row.size) for row in rows]

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer a request to cosign.

        Returns:
            200 with one cosignature line per key; 400, 403, 404, 409 or 422 with the reason.

        Raises:
            LedgerUnavailable: the memory cannot be written; nothing was cosigned.
        """
        try:
            request = _parse(body)
            with self._database.writing() as session:
                self._admit(session, request)
        except _Refused as refused:
            return refused.reply
        time = int(self._clock().timestamp())
        lines = [cosign(signer, request.checkpoint, time=time) for signer in self._signers]
        return Reply(200, "".join(str(line) for line in lines))

    def _admit(self, session: Session, request: _Request) -> None:
        """Compare with what was cosigned before, and remember; COMMIT comes before any answer."""
        head = request.checkpoint
        keys = _keys(session, head.origin)
        if not keys:
            raise _Refused(404, "this witness does not know this log")
        try:
            open_checkpoint(request.note, keys)
        except BadSignature as error:
            raise _Refused(403, str(error)) from error
        if request.old > head.size:
            raise _Refused(400, "the old size is larger than the checkpoint's")
        known = fetch(
            session,
            "SELECT size, root FROM cosigned WHERE origin = ? ORDER BY size DESC LIMIT 1",
            (head.origin,),
        )
        size, root = (known[0].size, bytes(known[0].root)) if known else (0, EMPTY_ROOT)
        if request.old != size:
            refused = _Refused(409, str(size))
            refused.reply = Reply(409, f"{size}\n", "text/x.tlog.size")
            raise refused
        _check_growth(request, root)
        if not known or head.size > size:
            row = (head.origin, head.size, head.root, request.note, timestamp(self._clock()))
            insert_rows(session, cosigned, [row])


def _check_growth(request: _Request, root: bytes) -> None:
    head, old, proof = request.checkpoint, request.old, request.proof
    if old == 0:
        # RFC 9162 has no proof from an empty tree; anything extends it, and nothing is to be shown.
        if proof:
            raise _Refused(422, "there is no proof from an empty tree")
        if head.size == 0 and head.root != EMPTY_ROOT:
            raise _Refused(422, "this is not the root of an empty tree")
        return
    if not verify_consistency(old, head.size, proof, root, head.root):
        raise _Refused(422, "the checkpoint does not extend the one cosigned before")


def _parse(body: bytes) -> _Request:
    if len(body) > MAX_REQUEST:
        raise _Refused(400, "the request is too long")
    try:
        top, gap, note = body.decode().partition("\n\n")
        lines = top.split("\n")
        match = re.fullmatch(r"old (0|[1-9][0-9]{0,17})", lines[0])
        if match is None or not gap or len(lines) - 1 > _MAX_PROOF:
            raise _Refused(400, "a request is: old <size>, at most 63 hashes, a checkpoint")
        proof = tuple(b64decode(line) for line in lines[1:])
        if any(len(one) != HASH_SIZE for one in proof):
            raise _Refused(400, "a hash has 32 bytes")
        checkpoint = Checkpoint.parse_text(Note.parse(note).text)
    except (MalformedNote, UnicodeDecodeError) as error:
        raise _Refused(400, f"the request is malformed: {error}") from error
    return _Request(int(match[1]), proof, note, checkpoint)


def _keys(session: Session, origin: str) -> list[VerifierKey]:
    rows = fetch(session, "SELECT vkey FROM log WHERE origin = ?", (origin,))
    return [VerifierKey.parse(row.vkey) for row in rows]
