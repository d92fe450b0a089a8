"""Publish: mirror the newest checkpoint, have it witnessed and dated, and keep what came back.

Called now and then by `evidence worker`, at each export, and by `evidence ledger checkpoint`.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from sqlalchemy import func, select

from custody import tables
from custody.cosignature import cosignatures, moment
from custody.entry import timestamp
from custody.errors import CustodyError, LedgerBehind
from custody.heads import head_of, note_with_lines
from custody.note import VerifierKey
from custody.publish import (
    Publication,
    anchor,
    collect_lines,
    collect_tokens,
    first_witnessed,
    grew,
    keep_token,
    stamped,
    unwitnessed_since,
)
from custody.receipt import MAX_HEAD, Receipt, SubmissionReceipt, TransferReceipt
from custody.tables import fetch
from custody.timestamp import ALGORITHMS
from custody.timestamp import read as read_token
from custody.timestamp import request as token_request
from custody.timestamp import verify as verify_token
from repository import Repository
from repository.ledger_mirror import keep_cosigned, keep_stamp, publish
from repository.models import Exhibit, Submission
from repository.outside import keep_witnessed
from repository.people import SYSTEM
from repository.replacing import replacing

EVERY = timedelta(minutes=10)  # how often a grown log is dated
DROP = "file"
R = TypeVar("R", Receipt, SubmissionReceipt, TransferReceipt)


def announce(repo: Repository, *, stamp: bool = False) -> Publication | None:
    """Publish the newest checkpoint with its cosignatures and, when it is time, its time-stamps.

    Args:
        repo: the repository.
        stamp: date it now, however recent the last token is.

    Returns:
        What came of it; None for an empty ledger. Witnesses and authorities that fail are named in
        its problems: work goes on, and they are asked again next time.

    Raises:
        LedgerDamaged, LedgerBehind: another or a longer history was given out before.
        StoreUnavailable: the store does not take it.
    """
    signed = publish(repo)
    if signed is None:
        return None
    settings = repo.settings
    try:
        done = collect_lines(
            repo.ledger,
            signed,
            policy=repo.policy,
            second=repo.second,
            clock=repo.clock,
            timeout=settings.witness_timeout,
        )
    except LedgerBehind as error:
        keep_witnessed(repo, error)  # the other processes have to know it too
        raise
    keep_cosigned(repo, done.note)
    if settings.tsa_urls and (stamp or _due(repo, done.size)):
        _stamp(repo, done)
    if (done.quorum and done.cosigned) or done.tokens:
        complete_receipts(repo, done.size)
    return done


def unpublished(repo: Repository) -> bool:
    """Say whether there is anything to publish, to have witnessed or to have dated."""
    size = repo.ledger.size()
    if not size:
        return False
    with repo.database.reading() as session:
        before = session.scalar(select(func.max(tables.published.c.size))) or 0
    if before < size:
        return True
    if repo.policy.witnesses and unwitnessed_since(repo.ledger, repo.policy) is not None:
        return True
    return bool(repo.settings.tsa_urls) and _due(repo, size)


def status(repo: Repository) -> str:
    """Return `unwitnessed`, `witnessed`, or since when entries stand under no quorum."""
    if not repo.policy.witnesses:
        return "unwitnessed"
    since = unwitnessed_since(repo.ledger, repo.policy)
    return "witnessed" if since is None else f"unwitnessed since {since}"


@dataclass(frozen=True, slots=True)
class Seals:
    """What stands on one checkpoint by now: all its lines, who cosigned, and its time-stamps."""

    own: str  # the log's own note
    note: str
    cosigned: Mapping[VerifierKey, int]
    tokens: tuple[bytes, ...]

    def witnesses(self, unwitnessed: str) -> tuple[str, ...]:
        """Return a line for each witness that cosigned, with its time; else since when none did."""
        lines = [
            f"{key.name}, {timestamp(moment(seconds))}"
            for key, seconds in sorted(self.cosigned.items(), key=lambda one: one[1])
        ]
        return tuple(lines) or (unwitnessed,)

    def dated(self) -> tuple[str, ...]:
        """Return a line for each authority that dated the checkpoint; its tokens were verified."""
        found = [read_token(der) for der in self.tokens]
        return tuple(dict.fromkeys(f"{one.authority}, {timestamp(one.time)}" for one in found))


def seals_of(repo: Repository, size: int) -> Seals:
    """Return the cosignatures and time-stamps that a checkpoint has.

    Raises:
        NoSuchEntry: no checkpoint of this size was ever made.
    """
    with repo.database.reading() as session:
        own = head_of(session, size).note or ""
        note = note_with_lines(session, size)
        query = "SELECT der FROM timestamp_token WHERE size = ? ORDER BY tsa"
        rows = fetch(session, query, (size,))
    found = cosignatures(note, repo.policy.keys)
    return Seals(own, note, found, tuple(bytes(row.der) for row in rows))


def completed(repo: Repository, receipt: R) -> R:
    """Return a receipt proved in a cosigned checkpoint, as far as there is one by now.

    Index and body stay; without cosignatures it is the receipt as it was given.
    """
    ledger = repo.ledger
    size = first_witnessed(ledger, repo.policy, receipt.index)
    met = size > 0
    if not met:
        size = _published_beyond(repo, receipt.index)
    if not size:
        return receipt
    sealed = seals_of(repo, size)
    if not sealed.cosigned and not sealed.tokens:
        return receipt
    with repo.database.reading() as session:
        tokens = fetch(
            session, "SELECT tsa, der FROM timestamp_token WHERE size = ? ORDER BY tsa", (size,)
        )
    proof = ledger.proof(receipt.index, size=size)
    return receipt.completed(
        proof=proof.with_note(sealed.note),
        witnessed_by=sorted(str(key) for key in sealed.cosigned),
        unwitnessed_since=None if met else receipt.unwitnessed_since,
        policy=policy_text(repo),
        tokens=[(row.tsa, bytes(row.der)) for row in tokens],
    )


def _published_beyond(repo: Repository, index: int) -> int:
    """Return the newest published size with a line or a token that holds the entry; 0 if none."""
    with repo.database.reading() as session:
        row = fetch(
            session,
            "SELECT max(size) AS size FROM (SELECT max(size) AS size FROM timestamp_token "
            "UNION ALL SELECT max(size) AS size FROM cosignature) AS newest",
        )[0]
    return row.size if row.size is not None and row.size > index else 0


def complete_receipts(repo: Repository, size: int) -> int:
    """Complete the receipts of this machine that a quorum now covers; return how many."""
    marker = repo.receipts / ".completed"
    before = int(marker.read_text()) if marker.exists() else 0
    with repo.database.reading() as session:
        numbers = session.scalars(
            select(Exhibit.number)
            .where(Exhibit.registration >= before, Exhibit.registration < size)
            .order_by(Exhibit.registration)
        ).all()
        submissions = session.scalars(
            select(Submission.id).where(
                Submission.done_index >= before, Submission.done_index < size
            )
        ).all()
    done = 0
    for number in numbers:
        file = repo.receipts / f"{number}.json"
        if file.exists():
            found = completed(repo, Receipt.parse(file.read_bytes()))
            _replace(file, found.to_text())
            done += 1
    for name in submissions:
        file = repo.receipts / f"{name}.json"
        if file.exists():
            _complete_list(repo, file)
            done += 1
    _replace(marker, f"{size}\n")
    return done


def _complete_list(repo: Repository, file: Path) -> None:
    """Complete the receipt of a submission: its first line; the list after it stays."""
    with replacing(file) as new, file.open("rb") as old:
        new.write(completed(repo, SubmissionReceipt.parse(old.readline(MAX_HEAD))).head())
        shutil.copyfileobj(old, new)


def _due(repo: Repository, size: int) -> bool:
    last = stamped(repo.ledger)
    if size <= last or not grew(repo.ledger, size, last):
        return False
    with repo.database.reading() as session:
        row = fetch(session, "SELECT max(at) AS at FROM timestamp_token")[0]
    return row.at is None or repo.clock() - datetime.fromisoformat(row.at) >= EVERY


def _stamp(repo: Repository, done: Publication) -> None:
    """Date the checkpoint: ask the authorities, and look into the drop folders."""
    urls = [url for url in repo.settings.tsa_urls if urlsplit(url).scheme != DROP]
    folders = [
        Path(unquote(urlsplit(url).path))
        for url in repo.settings.tsa_urls
        if urlsplit(url).scheme == DROP
    ]
    tokens, problems = collect_tokens(
        repo.ledger,
        done.size,
        authorities=urls,
        roots=repo.tsa_roots,
        clock=repo.clock,
        random=repo.random,
        timeout=repo.settings.witness_timeout,
    )
    done.problems += problems
    done.tokens += tokens
    anchored: set[str] = set()
    for token in tokens:
        keep_stamp(repo, done.size, token.der)
        if token.authority not in anchored:
            anchored.add(token.authority)
            anchor(repo.ledger, SYSTEM, done.size, token.authority, token)
    for folder in folders:
        _drop(repo, done, folder)


def _drop(repo: Repository, done: Publication, folder: Path) -> None:
    """Leave requests for an authority that is reached by hand, and take in what came back.

    A request is `checkpoint-<size>-<algorithm>.tsq`, its answer the same name with `.tsr`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for reply in sorted(folder.glob("checkpoint-*.tsr")):
            _take(repo, done, reply)
        with repo.database.reading() as session:
            note = (head_of(session, done.size).note or "").encode()
        for algorithm in ALGORITHMS:
            query = folder / f"checkpoint-{done.size}-{algorithm}.tsq"
            if not query.exists():
                nonce = int.from_bytes(repo.random(8))
                query.write_bytes(token_request(note, algorithm=algorithm, nonce=nonce))
    except OSError as error:
        done.problems.append(f"{folder}: {error.strerror or error}")


def _take(repo: Repository, done: Publication, reply: Path) -> None:
    query = reply.with_suffix(".tsq")
    _, size, algorithm = reply.stem.split("-")
    try:
        with repo.database.reading() as session:
            note = (head_of(session, int(size)).note or "").encode()
        token = verify_token(
            reply.read_bytes(), note, roots=repo.tsa_roots, asked=query.read_bytes()
        )
    except (CustodyError, OSError, ValueError) as error:
        done.problems.append(f"{reply.name}: {error}; the request stays open")
        return
    if keep_token(repo.database, int(size), f"{token.authority}#{algorithm}", token, repo.clock()):
        keep_stamp(repo, int(size), token.der)
        anchor(repo.ledger, SYSTEM, int(size), token.authority, token)
        done.tokens.append(token)


def _replace(file: Path, text: str) -> None:
    with replacing(file) as new:
        new.write(text.encode())


def policy_text(repo: Repository) -> str:
    """Return the policy as exports and receipts carry it: with every key the log ever had."""
    logs = tuple(known.key for known in repo.ledger.key_history())
    return str(replace(repo.policy, logs=logs))


def trust_file(repo: Repository) -> str:
    """Return the trust file of this ledger: keys, time-stamping roots, policy (format.md 7)."""
    keys: Sequence[dict[str, object]] = [
        {"vkey": str(known.key), "from": known.start, "to": known.trusted_until}
        for known in repo.ledger.key_history()
        if known.key.name == repo.ledger.origin  # not those of a ledger that it succeeds
    ]
    found = {
        "v": 1,
        "kind": "evidence-trust",
        "origin": repo.ledger.origin,
        "keys": keys,
        "tsa_roots": list(repo.tsa_roots),
        "policy": policy_text(repo),
    }
    return json.dumps(found, indent=1) + "\n"
