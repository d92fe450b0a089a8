"""Publish a checkpoint: the log's second signature, witnesses, time-stamps, the anchor entry.

Whatever fails is a `problem` in words and is tried again next time; work goes on, and what is
missing is shown as `unwitnessed since`. Nothing here changes a head: lines and tokens are rows
beside it. Nobody is asked about a head before its transaction was committed.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy.orm import Session

from custody import tables
from custody.ask_witness import Cosigned, ask
from custody.checkpoint import SignedCheckpoint
from custody.cosignature import cosign, cosignatures, line_time, moment
from custody.database import Database
from custody.entry import Act, Actor, Clock, Draft, timestamp
from custody.errors import CustodyError, LedgerBehind
from custody.heads import head_of, note_with_lines
from custody.ledger import Ledger
from custody.note import SignatureLine, VerifierKey
from custody.quorum import Policy, Witness
from custody.signers import Signer
from custody.tables import fetch, insert_rows
from custody.timestamp import ALGORITHMS, Token
from custody.timestamp import ask as ask_authority
from custody.timestamp import request as token_request
from custody.timestamp import verify as verify_token

SKEW = timedelta(seconds=2)  # between our clock and an authority's before it is said aloud
WITNESS_SKEW = timedelta(minutes=1)

Random = Callable[[int], bytes]


@dataclass(slots=True)
class Publication:
    """What came of publishing one checkpoint."""

    size: int
    note: str
    cosigned: dict[VerifierKey, int] = field(default_factory=dict)
    quorum: bool = False
    tokens: list[Token] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect_lines(
    ledger: Ledger,
    signed: SignedCheckpoint,
    *,
    policy: Policy,
    second: Signer | None,
    clock: Clock,
    timeout: float,
) -> Publication:
    """Add the log's own ML-DSA line and ask every witness of the policy that has not answered.

    Args:
        ledger: whose checkpoint it is.
        signed: the checkpoint, committed and published.
        policy: which witnesses there are, and how many suffice.
        second: the log's ML-DSA-44 key, if it has one.
        clock: gives aware times.
        timeout: seconds for each witness; they are asked at the same time.

    Raises:
        LedgerBehind: a witness cosigned a larger size of this log; nothing is appended any more.
    """
    size = signed.checkpoint.size
    at = clock()
    known = _key_names(ledger, size)
    if second is not None and _name(second.key) not in known:
        line = cosign(second, signed.checkpoint, time=int(at.timestamp()))
        keep_lines(ledger.database, size, [line], at)
    waiting = [one for one in policy.witnesses if one.url and _name(one.key) not in known]
    problems = _ask_all(ledger, signed, waiting, at, timeout)
    with ledger.database.reading() as session:
        note = note_with_lines(session, size)
    found = cosignatures(note, policy.keys)
    return Publication(size, note, found, policy.satisfied(found), problems=problems)


def compare(
    ledger: Ledger, signed: SignedCheckpoint, *, policy: Policy, clock: Clock, timeout: float
) -> list[str]:
    """Ask every witness about a checkpoint, also one that it cosigned; return what went wrong.

    Raises:
        LedgerBehind: a witness cosigned a larger size of this log; nothing is appended any more.
    """
    witnesses = [one for one in policy.witnesses if one.url]
    return _ask_all(ledger, signed, witnesses, clock(), timeout)


def collect_tokens(
    ledger: Ledger,
    size: int,
    *,
    authorities: Sequence[str],
    roots: Sequence[str],
    clock: Clock,
    random: Random,
    timeout: float,
) -> tuple[list[Token], list[str]]:
    """Return fresh tokens over the log's own note of a size, and what went wrong.

    Every authority is asked for a SHA-256 and a SHA-512 imprint. A token is kept only when a
    pinned root vouches for it.
    """
    with ledger.database.reading() as session:
        note = (head_of(session, size).note or "").encode()

    def one(url: str, algorithm: str) -> Token | str:
        nonce = int.from_bytes(random(8))
        asked = token_request(note, algorithm=algorithm, nonce=nonce)
        try:
            der = ask_authority(url, asked, timeout=timeout)
            return verify_token(der, note, roots=roots, asked=asked)
        except CustodyError as error:
            return f"{url}: {error}"

    wanted = [(url, algorithm) for url in authorities for algorithm in ALGORITHMS]
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        answers = list(pool.map(one, *zip(*wanted, strict=True))) if wanted else []
    tokens, problems = [], []
    for (url, algorithm), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, str):
            problems.append(answer)
        else:
            problems += _skewed(answer.authority, answer.time, clock(), SKEW)
            keep_token(ledger.database, size, f"{url}#{algorithm}", answer, clock())
            tokens.append(answer)
    return tokens, problems


def keep_token(database: Database, size: int, name: str, token: Token, at: datetime) -> bool:
    """Store a verified token over a head; False if one of this name is there already."""
    with database.writing() as session:
        held = fetch(
            session, "SELECT size FROM timestamp_token WHERE size = ? AND tsa = ?", (size, name)
        )
        if not held:
            row = (size, name, token.der, timestamp(at))
            insert_rows(session, tables.timestamp_token, [row])
    return not held


def anchor(ledger: Ledger, actor: Actor, size: int, name: str, token: Token) -> None:
    """Record a token: everything appended after this entry is later than the token's time."""
    with ledger.database.reading() as session:
        note = (head_of(session, size).note or "").encode()
    about = {"size": size, "tsa": name, "time": timestamp(token.time)}
    ledger.record(
        Draft(
            Act.CHECKPOINT_ANCHORED,
            actor,
            plain={"anchor": about, "inputs": [_digest(note)], "outputs": [_digest(token.der)]},
        )
    )


def grew(ledger: Ledger, size: int, since: int) -> bool:
    """Say whether anything but anchors stands between two sizes; anchors need no anchor."""
    return any(
        entry.fields["type"] != Act.CHECKPOINT_ANCHORED for entry in ledger.entries(since, size)
    )


def stamped(ledger: Ledger) -> int:
    """Return the largest size that a token dates; 0 if there is none."""
    with ledger.database.reading() as session:
        row = fetch(session, "SELECT max(size) AS size FROM timestamp_token")[0]
    return row.size or 0


def witnessed(ledger: Ledger, policy: Policy) -> int:
    """Return the largest size whose cosignatures meet the policy's quorum; 0 if there is none.

    A policy that demands nothing is met by nothing: an unwitnessed log says so.
    """
    if not policy.witnesses:
        return 0
    with ledger.database.reading() as session:
        for size in _sizes(session, policy, "size > ? ORDER BY size DESC", -1):
            if quorum_at(session, size, policy):
                return size
    return 0


def first_witnessed(ledger: Ledger, policy: Policy, index: int) -> int:
    """Return a size under a quorum that holds the entry at an index, an early one; 0 if none."""
    if not policy.witnesses:
        return 0
    with ledger.database.reading() as session:
        for size in reversed(_sizes(session, policy, "size > ? ORDER BY size", index)):
            if quorum_at(session, size, policy):
                return size
    newest = witnessed(ledger, policy)
    return newest if newest > index else 0


def quorum_at(session: Session, size: int, policy: Policy) -> bool:
    """Say whether the cosignatures on a checkpoint meet the policy's quorum."""
    found = cosignatures(note_with_lines(session, size), policy.keys)
    return bool(found) and policy.satisfied(found)


def _sizes(session: Session, policy: Policy, where: str, beyond: int) -> list[int]:
    """Return sizes that the policy's witnesses cosigned, a few of each, the largest first."""
    found: set[int] = set()
    for key in policy.keys:
        query = f"SELECT size FROM cosignature WHERE key_name = ? AND {where} LIMIT 32"  # noqa: S608 - our own words
        found.update(row.size for row in fetch(session, query, (_name(key), beyond)))
    return sorted(found, reverse=True)


def unwitnessed_since(ledger: Ledger, policy: Policy) -> str | None:
    """Return the time of the first entry under no quorum, or None if every entry is under one."""
    size = witnessed(ledger, policy)
    first = next(ledger.entries(size, size + 1), None)
    return None if first is None else str(first.fields["at"])


def _ask_all(
    ledger: Ledger,
    signed: SignedCheckpoint,
    witnesses: Sequence[Witness],
    at: datetime,
    timeout: float,
) -> list[str]:
    if not witnesses:
        return []
    problems: list[str] = []
    behind: LedgerBehind | None = None
    with ThreadPoolExecutor(len(witnesses)) as pool:
        asked = [pool.submit(_ask_one, ledger, signed, one, timeout) for one in witnesses]
        for witness, future in zip(witnesses, asked, strict=True):
            try:
                lines = future.result()
            except LedgerBehind as error:
                behind = max(behind or error, error, key=lambda one: one.size)
            except CustodyError as error:
                problems.append(f"{witness.name}: {error}")
            else:
                for _, key, seconds in lines:
                    time = moment(seconds)
                    problems += _skewed(key.name, time, at, WITNESS_SKEW)
                keep_lines(
                    ledger.database, signed.checkpoint.size, [line for line, _, _ in lines], at
                )
    if behind is not None:
        ledger.refuse(behind)
        raise behind
    return problems


def _ask_one(
    ledger: Ledger, signed: SignedCheckpoint, witness: Witness, timeout: float
) -> list[tuple[SignatureLine, VerifierKey, int]]:
    """Return a witness's lines with their times; ask once more if it stands at another size."""
    assert witness.url is not None
    size = signed.checkpoint.size
    with ledger.database.reading() as session:
        row = fetch(
            session,
            "SELECT max(size) AS size FROM cosignature WHERE key_name = ? AND size <= ?",
            (_name(witness.key), size),
        )[0]
    old = row.size or 0
    for _ in range(2):
        proof = ledger.consistency(old, size) if old else []
        answer = ask(
            witness.url, old=old, proof=proof, note=signed.note, keys=[witness.key], timeout=timeout
        )
        if isinstance(answer, Cosigned):
            return list(answer.lines)
        if answer.size > size:
            if answer.size > ledger.size():
                raise LedgerBehind(
                    f"the witness {witness.name} cosigned {answer.size} entries of this log, "
                    f"but it has {ledger.size()}: the database was restored from an older copy; "
                    "bring it forward with: evidence ledger rebuild",
                    size=answer.size,
                    by=f"the witness {witness.name}",
                )
            return []  # it has cosigned a newer checkpoint of ours meanwhile
        old = answer.size
    return []


def _skewed(name: str, theirs: datetime, ours: datetime, limit: timedelta) -> list[str]:
    """Say when two clocks differ: the order of entries does not depend on it, their times do."""
    if abs(theirs - ours) <= limit:
        return []
    return [f"{name}: its clock says {timestamp(theirs)}, ours {timestamp(ours)}; check both"]


def _key_names(ledger: Ledger, size: int) -> Collection[str]:
    with ledger.database.reading() as session:
        rows = fetch(session, "SELECT key_name FROM cosignature WHERE size = ?", (size,))
    return {row.key_name for row in rows}


def keep_lines(
    database: Database, size: int, lines: Sequence[SignatureLine], at: datetime | None = None
) -> None:
    """Store cosignature lines of a checkpoint that are not there yet; nothing is judged here.

    Args:
        database: the ledger's.
        size: the checkpoint's.
        lines: signature lines with a time of their own (types 0x04, 0x06).
        at: when they came; None: the time each states.
    """
    with database.writing() as session:
        held = fetch(session, "SELECT key_name FROM cosignature WHERE size = ?", (size,))
        known = {row.key_name for row in held}  # another process may have been first
        fresh = {
            f"{line.name}+{line.key_id.hex()}": line
            for line in lines
            if f"{line.name}+{line.key_id.hex()}" not in known
        }
        rows = [
            (size, name, str(line), timestamp(at or line_time(line)))
            for name, line in fresh.items()
        ]
        insert_rows(session, tables.cosignature, rows)


def _name(key: VerifierKey) -> str:
    """Return what the table calls a key: two keys may share a name, never name and id."""
    return f"{key.name}+{key.key_id.hex()}"


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"
