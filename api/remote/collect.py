"""Collect what became of the files: their receipts, checked offline the moment they come.

A receipt counts only if the log's key signed it and it is about the very bytes that were hashed
here. It is kept as the service gave it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.errors import LineLost, ReceiptRefused
from api.remote.service import Progress, Service
from api.remote.state import Listed, State
from custody.entry import parse_body
from custody.errors import EvidenceError
from custody.note import VerifierKey
from custody.receipt import Receipt, SubmissionReceipt
from repository.errors import DiskFull
from repository.exhibits import digest_of_parts
from repository.naming import recorded_name, split_number

TOGETHER = 200  # receipts of one request

Settled = tuple[list[Listed], str, dict[str, Any]]
"""The files of a thing, its status, and its result."""

Told = Callable[[bytes, str, dict[str, Any]], None]
"""Told path, status and result of each thing that has come to its end."""


class Collector:
    """Fetches results for one submission and remembers how far it is."""

    def __init__(
        self, state: State, submission: str, *, receipts: Path, log: VerifierKey | None
    ) -> None:
        """Prepare.

        Args:
            state: where results are remembered.
            submission: whose.
            receipts: the folder for receipts, made if needed.
            log: whose signature they must bear; None: the key of the first one, from then on.
        """
        receipts.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.receipts = receipts
        self._state = state
        self._submission = submission
        self._log = log
        known = state.kept("log")
        if log is None and known is not None:
            self._log = VerifierKey.parse(known)

    @property
    def log(self) -> VerifierKey | None:
        """Return the key that signs the receipts, once one came."""
        return self._log

    def collect(self, service: Service, told: Told) -> Progress:
        """Fetch what is new and return how far the submission is at the service."""
        if "listed" not in self._state.counts():  # all is sent: receipts may answer everything
            while self._registered(service, told) == TOGETHER:
                pass
            counts = self._state.counts()
            if set(counts) == {"registered"}:
                files = counts["registered"][0]
                return Progress(files, files, 0, 0, completed=False)
        found = service.progress(self._submission)
        counts = self._state.counts()
        if found.registered > counts.get("registered", (0, 0))[0]:
            while self._registered(service, told) == TOGETHER:
                pass
        if found.quarantined > counts.get("quarantined", (0, 0))[0]:
            self._quarantined(service, told)
        return found

    def list_receipt(self, stage: str) -> Path:
        """Return where a receipt of the whole submission is kept."""
        last = "" if stage == "complete" else f".{stage}"
        return self.receipts / f"{self._submission}{last}.json"

    def acknowledged(self) -> str:
        """Return the digest in the receipt of the list: who shows it, sent that list."""
        with self.list_receipt("announced").open("rb") as file:
            return SubmissionReceipt.parse(file.readline(1 << 22)).sha256

    def check_list(self, stage: str) -> dict[str, int]:
        """Check the receipt of the submission, and compare its list with ours, line by line.

        Returns:
            How many files of the list are in each status (`announced` before the end).

        Raises:
            ReceiptRefused: it does not verify, or lists something else.
        """
        counts: dict[str, int] = {}
        try:
            with self.list_receipt(stage).open("rb") as file:
                found = SubmissionReceipt.parse(file.readline(1 << 22))
                self._signed(found)
                ours = self._state.files()
                for line in found.check_list(file):
                    if not line.get("further"):
                        _same(line, next(ours, None))
                        status = line.get("status", "announced")
                        counts[status] = counts.get(status, 0) + 1
                if next(ours, None) is not None:
                    raise ReceiptRefused("it does not list every file that was announced")
        except EvidenceError as error:
            raise ReceiptRefused(
                f"the receipt of {self._submission} is refused: {error}"
            ) from error
        return counts

    def _registered(self, service: Service, told: Told) -> int:
        after = int(self._state.kept("receipts_after") or -1)
        lines = service.receipts(self._submission, after=after, limit=TOGETHER)
        settled: list[Settled] = []
        for line in lines:
            numbers, given = line.get("files"), line.get("receipt")
            if not isinstance(numbers, list) or not isinstance(given, dict):
                raise LineLost("the service's receipts cannot be read")
            files = [one for n in numbers for one in self._state.files(n, n)]
            result = {**self._receipt(given, files), **_parts(files)}
            settled.append((files, "registered", result))
            after = result["entry"]
        self._settle(settled, after, told)
        return len(lines)

    def _receipt(self, given: dict[str, Any], files: list[Listed]) -> dict[str, Any]:
        """Check a receipt, keep it, and return the result it stands for."""
        text = json.dumps(given, indent=1, ensure_ascii=False) + "\n"
        found = Receipt.parse(text.encode())
        error = None
        try:
            self._signed(found)
            _about(found, files)
        except EvidenceError as refused:
            error = f"{ReceiptRefused.code}: {refused}"
        path = self.receipts / _file_name(found.exhibit)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as problem:
            raise DiskFull(
                f"receipts cannot be kept in {self.receipts}: {problem.strerror}"
            ) from problem
        return {
            "exhibit": found.exhibit,
            "sha256": found.sha256,
            "size": found.size,
            "entry": found.index,
            "stored": parse_body(found.body.encode()).get("at"),
            "receipt": str(path),
            "error": error,
        }

    def _signed(self, found: Receipt | SubmissionReceipt) -> None:
        key = VerifierKey.parse(found.key)
        if self._log is None:
            self._log = key
            self._state.keep("log", str(key))
        found.verify([self._log])
        if found.submission != self._submission:
            raise ReceiptRefused("it is about another submission")

    def _quarantined(self, service: Service, told: Told) -> None:
        known = self._state.in_state("quarantined")
        found: dict[str, list[dict[str, Any]]] = {}
        cursor = None
        while True:
            page, cursor = service.files(self._submission, state="quarantined", cursor=cursor)
            for one in page:
                if not one.get("further") and one["n"] not in known:
                    found.setdefault(str(one["quarantine"]), []).append(one)
            if cursor is None:
                break
        settled: list[Settled] = []
        for quarantine, rows in found.items():
            files = [one for row in rows for one in self._state.files(row["n"], row["n"])]
            result = {
                "sha256": digest_of_parts([row["sha256"] for row in rows]),
                "size": sum(row["size"] for row in rows),
                "entry": rows[0]["entry"],
                "quarantine": quarantine,
                "error": "digest-mismatch",
                **_parts(files),
            }
            settled.append((files, "quarantined", result))
        self._settle(settled, None, told)

    def _settle(self, settled: list[Settled], after: int | None, told: Told) -> None:
        rows = [([one.n for one in files], status, found) for files, status, found in settled]
        self._state.settle(rows, after)
        for files, status, result in settled:
            if files:  # what came beside the list is not ours to tell
                told(files[0].path, status, result)


def _about(found: Receipt, files: list[Listed]) -> None:
    """Compare a receipt with the files it is about; those beside the list are not known here.

    Raises:
        ReceiptRefused: it is about other bytes.
    """
    if not files:
        return
    digest = digest_of_parts([f"sha256:{one.sha256}" for one in files])
    if (found.sha256, found.size) != (digest, sum(one.size for one in files)):
        raise ReceiptRefused("it is about other bytes than were hashed here")


def _parts(files: list[Listed]) -> dict[str, Any]:
    """Return the parts of an exhibit of several, as `ingest` names them."""
    if len(files) < 2:
        return {}
    names = [recorded_name(one.path) for one in files]
    return {"parts": [{"part": part, "path": name} for part, name in enumerate(names, 1)]}


def _same(line: dict[str, Any], ours: Listed | None) -> None:
    """Compare a line of a signed list with the file that was announced."""
    if ours is None or (line["n"], line["path"]) != (ours.n, recorded_name(ours.path)):
        raise ReceiptRefused(f"its file {line['n']} is not the one that was announced")
    declared = json.loads(ours.line)["digests"]
    digests = {name: f"{name}:{value}" for name, value in declared.items()}
    registered = line.get("status") == "registered"
    if line["size"] != ours.size or line.get("digests", digests) != digests:
        raise ReceiptRefused(f"its file {line['n']} has another size or digest than announced")
    if registered and line["sha256"] != f"sha256:{ours.sha256}":
        raise ReceiptRefused(f"its file {line['n']} is registered with another digest")


def _file_name(number: str) -> str:
    """Return the name of a receipt's file; what a server says never becomes a path."""
    if split_number(number) is None:
        raise LineLost("the service's receipt names no exhibit")
    return f"{number}.json"
