"""The service as its client sees it: one method per request, and answers turned into facts.

Every answer is looked at for whose it is. What is not our service's own, a redirect or a web page,
is an interception (`LineIntercepted`), said in one line.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from api.errors import (
    TYPE_PREFIX,
    LineIntercepted,
    LineLost,
    ServiceDisagrees,
    ServiceRefused,
    ServiceUnavailable,
)
from api.remote.wire import ANSWER, Answer, Body, Wire
from custody.canonical import loads_any
from custody.checkpoint import Checkpoint, open_checkpoint
from custody.errors import BadSignature, MalformedNote, NotCanonical
from custody.note import Note, VerifierKey
from repository.naming import shown

TUS = "1.0.0"
JSON = "application/json"
LINES = "application/x-ndjson"
OCTETS = "application/offset+octet-stream"
_LATER = frozenset({408, 423, 425, 429, 500, 502, 503, 504, 507})
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.I)


class OffsetConflict(Exception):
    """The next byte of an upload belongs elsewhere; ask where."""


class UploadGone(Exception):
    """There is no such upload any more, or it takes no more bytes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a submission is at the service."""

    files: int
    registered: int
    quarantined: int
    stored: int
    completed: bool

    @property
    def settled(self) -> int:
        """Return how many files have come to their end."""
        return self.registered + self.quarantined


class Service:
    """One connection to the service, for one thread."""

    def __init__(
        self,
        wire: Wire,
        token: str,
        host: str,
        acknowledged: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Prepare; `acknowledged` tells the digest in the receipt of the list, once it came."""
        self._wire = wire
        self._token = token
        self._host = host
        self._acknowledged = acknowledged

    def close(self) -> None:
        """End the connection."""
        self._wire.close()

    def prove(self, log: VerifierKey | None) -> Checkpoint:
        """Return a checkpoint of the service's ledger; this request carries no token.

        Args:
            log: whose signature it must bear; None: its shape alone is looked at.

        Raises:
            LineIntercepted: what answers is not the service.
        """
        answer = self._wire.exchange("GET", "/api/v1/ledger/checkpoint", headers={})
        if answer.status != 200 or answer.content_type != "text/plain" or not answer.whole:
            raise self._error(answer, proved=False)
        try:
            note = answer.body.decode()
            if log is not None:
                return open_checkpoint(note, [log]).checkpoint
            return Checkpoint.parse_text(Note.parse(note).text)
        except (UnicodeDecodeError, MalformedNote) as error:
            raise LineIntercepted(
                f"what answers at {self._host} is no evidence service: its checkpoint cannot be "
                "read; nothing was sent to it"
            ) from error
        except BadSignature as error:
            raise LineIntercepted(
                f"what answers at {self._host} is not the service of the invitation: its ledger "
                "is signed by another key; nothing was sent to it. If its keeper changed the key, "
                "ask for a new invitation"
            ) from error

    def case(self, code: str) -> None:
        """Ask for a case: whether the token is good for it.

        Raises:
            ServiceRefused, ServiceDisagrees: it is not.
        """
        self._ask("GET", f"/api/v1/cases/{quote(code, safe='')}", 200)

    def begin(self, submission: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Open a submission under an id of our own; the same again changes nothing."""
        body = json.dumps({"id": submission, **said}, ensure_ascii=False).encode()
        headers = {"Content-Type": JSON}
        return _object(
            self._ask("POST", "/api/v1/submissions", 200, 201, headers=headers, body=[body],
                      length=len(body))
        )  # fmt: skip

    def announce(self, submission: str, lines: BinaryIO, length: int, into: BinaryIO) -> bool:
        """Send the list; its signed receipt goes into a file. Say whether it is new there."""
        blocks = iter(lambda: lines.read(1 << 16), b"")
        answer = self._ask(
            "PUT", f"{_path(submission)}/list", 200, 201, headers={"Content-Type": LINES},
            body=blocks, length=length, into=into,
        )  # fmt: skip
        return answer.status == 201

    def progress(self, submission: str) -> Progress:
        """Return how far the submission is."""
        found = _object(self._ask("GET", _path(submission), 200))
        counts = [found.get(name) or 0 for name in ("files", "registered", "quarantined", "stored")]
        if not all(isinstance(count, int) for count in counts):
            raise LineLost("the service's answer about the submission cannot be read")
        files, registered, quarantined, stored = counts
        completed = found.get("completed_at") is not None
        return Progress(files, registered, quarantined, stored, completed)

    def files(
        self, submission: str, *, state: str, cursor: str | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return a page of the list's files in a state, and the cursor of the next."""
        query = {"state": state, "limit": "500", **({"cursor": cursor} if cursor else {})}
        answer = self._ask("GET", f"{_path(submission)}/files?{urlencode(query)}", 200)
        found = _object(answer)
        return list(found["items"]), found.get("next")

    def receipts(self, submission: str, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Return the receipts of what was registered after an entry, in the order of entries."""
        query = urlencode({"after": after, "limit": limit})
        answer = self._ask("GET", f"{_path(submission)}/receipts?{query}", 200)
        return [_parsed(line) for line in answer.body.splitlines()]

    def complete(self, submission: str, motive: str, into: BinaryIO) -> None:
        """End the submission, whatever is missing; its signed receipt goes into a file."""
        said = {"without_missing": True, "motive": motive}
        body = json.dumps(said, ensure_ascii=False).encode()
        self._ask(
            "POST", f"{_path(submission)}/complete", 200, 201, headers={"Content-Type": JSON},
            body=[body], length=len(body), into=into,
        )  # fmt: skip

    def receipt(self, submission: str, stage: str, into: BinaryIO) -> None:
        """Fetch a receipt of the submission into a file."""
        self._ask("GET", f"{_path(submission)}/receipt?stage={stage}", 200, into=into)

    def create(
        self, submission: str, upload: str, files: tuple[int, int], size: int, body: Body,
        length: int, *, answer: float = ANSWER,
    ) -> int:  # fmt: skip
        """Begin an upload with its first bytes and return how many the service holds then.

        Args:
            submission: whose list it is.
            upload: an id of our own, known however much of the request or its answer is lost.
            files: the first and last file of the list that it brings.
            size: bytes in all.
            body: the first bytes.
            length: how many these are.
            answer: seconds to wait for the answer once all is sent.

        Raises:
            OffsetConflict: it was begun before; ask how far it is.
        """
        first, last = files
        which = (
            f"file {_encoded(first)}" if first == last else f"files {_encoded(f'{first}-{last}')}"
        )
        told = f"submission {_encoded(submission)},upload {_encoded(upload)},{which}"
        headers = {"Tus-Resumable": TUS, "Upload-Length": str(size), "Upload-Metadata": told}
        if length:
            headers["Content-Type"] = OCTETS
        try:
            found = self._ask(
                "POST", "/api/v1/uploads", 201, headers=headers, body=body, length=length,
                wait=answer,
            )  # fmt: skip
        except ServiceDisagrees as error:
            if error.problem == "upload-exists":
                raise OffsetConflict from error
            raise
        if found.headers.get("location", "").rpartition("/")[2] != upload:
            raise LineLost("the service's answer names another upload")
        return _number(found, "upload-offset")

    def offset(self, upload: str) -> int:
        """Return how many bytes of an upload the service holds.

        Raises:
            UploadGone: none; it has ended.
        """
        headers = {"Tus-Resumable": TUS}
        answer = self._ask(
            "HEAD", f"/api/v1/uploads/{upload}", 200, 204, headers=headers, of=upload
        )
        return _number(answer, "upload-offset")

    def append(
        self, upload: str, offset: int, body: Body, length: int, *, answer: float = ANSWER
    ) -> int:
        """Send bytes of an upload and return how many the service holds then.

        Args:
            upload: which.
            offset: where they go.
            body: the bytes.
            length: how many.
            answer: seconds to wait for the answer once all is sent.

        Raises:
            OffsetConflict: the next byte belongs elsewhere.
            UploadGone: it takes no more bytes.
        """
        headers = {"Tus-Resumable": TUS, "Upload-Offset": str(offset), "Content-Type": OCTETS}
        found = self._ask(
            "PATCH", f"/api/v1/uploads/{upload}", 200, 204, headers=headers, body=body,
            length=length, of=upload, wait=answer,
        )  # fmt: skip
        return _number(found, "upload-offset")

    def give_up(self, upload: str) -> None:
        """End an upload whose bytes are not wanted any more; one that has ended is well."""
        headers = {"Tus-Resumable": TUS}
        try:
            self._ask("DELETE", f"/api/v1/uploads/{upload}", 204, headers=headers, of=upload)
        except UploadGone:
            return

    def upload(self, upload: str) -> dict[str, Any]:
        """Return the state of an upload and what became of its files.

        Raises:
            UploadGone: there is none.
        """
        return _object(self._ask("GET", f"/api/v1/uploads/{upload}", 200, of=upload))

    def _ask(
        self, method: str, path: str, *good: int, headers: Mapping[str, str] | None = None,
        body: Body = (), length: int | None = None, into: BinaryIO | None = None,
        of: str | None = None, wait: float | None = None,
    ) -> Answer:  # fmt: skip
        """Exchange with the token, and return a good answer.

        Args:
            of: the upload the request is about: then 404, 409 and 410 say where it stands.
            wait: seconds until the answer begins.
        """
        asked = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        shown_list = self._acknowledged()
        if shown_list is not None:  # a token for one submission is told of what it sent alone
            asked["Evidence-Acknowledged"] = shown_list
        answer = self._wire.exchange(
            method, path, headers=asked, body=body, length=length, into=into, answer=wait
        )
        if not answer.whole:
            raise LineLost(f"{self._host}: its answer may have been cut")
        page = answer.content_type == "text/html" and answer.body
        if answer.status in good and not page:
            return answer
        if of is not None and "tus-resumable" in answer.headers:
            if answer.status in (404, 410):
                raise UploadGone
            if answer.status == 409:
                raise OffsetConflict
        raise self._error(answer, proved=True)

    def _error(self, answer: Answer, *, proved: bool) -> Exception:
        """Return what an answer that is not the wanted one means."""
        status = answer.status
        if 300 <= status < 400:
            where = urlsplit(answer.headers.get("location", "")).hostname or "somewhere else"
            return self._intercepted(f"it redirects to {shown(where)[:80]}")
        if status == 511:
            return self._intercepted("this network wants a log-in first")
        code, detail = _problem(answer)
        if code is not None:
            return _said(status, code, detail, answer)
        if proved and answer.content_type != "text/html" and status not in _LATER:
            return ServiceDisagrees(f"{self._host} answers {status} to what was asked")
        if proved and status in _LATER:
            return ServiceUnavailable(f"something before the service answers {status}")
        title = _TITLE.search(answer.body)
        page = shown(title[1].strip())[:60] if title else answer.content_type or "nothing"
        return self._intercepted(f"it answers {status} with {page}")

    def _intercepted(self, how: str) -> LineIntercepted:
        return LineIntercepted(
            f"what answers at {self._host} is not the service: {how}. A log-in page of this "
            "network? Nothing was sent to it"
        )


def _said(status: int, code: str, detail: str, answer: Answer) -> Exception:
    """Return the error that a problem of the service is here."""
    if status == 401:
        return ServiceRefused(f"the service does not accept this token (any more): {detail}")
    if status == 403:
        return ServiceRefused(f"the service says: {detail}")
    if status in _LATER:
        later = ServiceUnavailable(f"the service says: {detail}")
        after = answer.headers.get("retry-after", "")
        if re.fullmatch(r"[0-9]{1,6}", after):
            later.retry_after = min(int(after), 300)
        return later
    disagrees = ServiceDisagrees(f"the service says: {detail}")
    disagrees.problem = code
    return disagrees


def _problem(answer: Answer) -> tuple[str | None, str]:
    """Return code and words of a problem document of ours, or None."""
    if answer.content_type != "application/problem+json":
        return None, ""
    if not answer.body:  # of a HEAD
        return "", f"it answers {answer.status}"
    try:
        found = _parsed(answer.body)
    except LineLost:
        return None, ""
    kind, detail = str(found.get("type", "")), str(found.get("detail", ""))
    if not kind.startswith(TYPE_PREFIX):
        return None, ""
    return kind.removeprefix(TYPE_PREFIX), shown(detail)[:500]


def _path(submission: str) -> str:
    return f"/api/v1/submissions/{quote(submission, safe='')}"


def _encoded(value: object) -> str:
    return base64.b64encode(str(value).encode()).decode()


def _object(answer: Answer) -> dict[str, Any]:
    return _parsed(answer.body)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        found = loads_any(data)
    except (NotCanonical, RecursionError) as error:
        raise LineLost("the service's answer cannot be read") from error
    if not isinstance(found, dict):
        raise LineLost("the service's answer is no object")
    return found


def _number(answer: Answer, name: str) -> int:
    text = answer.headers.get(name, "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise LineLost(f"the service's answer lacks {name}")
    return int(text)
