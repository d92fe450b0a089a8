"""Load for the fault runs: clients that never give up, and keep what they were told.

Single files in one or several requests, parallel parts, packs with a list, uploads given up,
and readers. An answer that never came is asked for again; what was told is checked afterwards by
`tests.faults.checker`, which knows nothing of how it came about.
"""

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tests.service import PATIENCE
from tests.wire import Answer, Place, Tus, ask

DURING_WORK = 0.7  # of all kills come after something was acknowledged since the one before

SUBMISSIONS = "/api/v1/submissions"
SIZES = (1, 100, 20_000, 20_000, 20_000, 300_000)
LARGE = (9 << 20) + 7  # beyond what one request brings in without staging
PACK = 20
MARK = b"MARK of what was handed in"  # what stands in every file, and in clear nowhere
TRY_AGAIN = {409, 410, 423, 500, 502, 503, 507}  # looked at more closely before


def digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


@dataclass
class Told:
    """What the clients sent and were told; filled by many threads."""

    sent: dict[str, str] = field(default_factory=dict)  # digest -> what it was for
    acknowledged: dict[str, str] = field(default_factory=dict)  # exhibit -> digest
    entries: dict[str, int] = field(default_factory=dict)  # exhibit -> index of its registration
    offsets: dict[str, int] = field(default_factory=dict)  # upload -> the highest acknowledged
    given_up: set[str] = field(default_factory=set)  # uploads whose end was acknowledged
    reads: list[tuple[str, float]] = field(default_factory=list)  # exhibit, time of its first byte
    wrong: list[str] = field(default_factory=list)  # what must never be: said in words
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def offset(self, upload: str, told: int) -> None:
        with self.lock:
            before = self.offsets.get(upload, 0)
            if told < before:
                self.wrong.append(f"upload {upload} went back from {before} to {told}")
            self.offsets[upload] = max(before, told)

    def exhibit(self, number: str, found: str, entry: int) -> None:
        with self.lock:
            if self.acknowledged.setdefault(number, found) != found:
                self.wrong.append(f"{number} was told for {found} and for another")
            self.entries[number] = entry

    def await_more(self) -> None:
        """Wait until something more was acknowledged: on a busy machine starting takes its time."""
        before, end = len(self.acknowledged), time.monotonic() + PATIENCE
        while len(self.acknowledged) == before and time.monotonic() < end:
            time.sleep(0.05)

    def failed(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)


class Client:
    """One client, in a thread of its own."""

    def __init__(
        self, places: list[Place], tokens: dict[str, str], told: Told, seed: int,
        going: Callable[[], bool], *, large: float = 0.0, timeout: float = 60.0,
    ) -> None:  # fmt: skip
        self._timeout = timeout
        self._places = places
        self._tokens = tokens
        self._told = told
        self._draw = random.Random(seed)
        self._going = going
        self._large = large

    def run(self) -> None:
        """Hand in until told to stop; what was begun then stays as it is."""
        kinds = [self.single] * 6 + [self.pack, self.parallel, self.ended, self.plain]
        while self._going():
            try:
                self.once(self._draw.choice(kinds))
            except Stopped:
                return

    def once(self, act: Callable[[], None]) -> None:
        """Do one thing; what must not be is kept with what was told.

        Raises:
            Stopped: the run is over.
        """
        try:
            act()
        except AssertionError as error:
            self._told.failed(f"{act.__name__}: {error}")

    # What a client does.

    def single(self) -> None:
        data = self._data()
        location = self._create(("Upload-Length", str(len(data))))
        self._send(location, data, pieces=self._draw.choice((1, 1, 2, 3)))
        self._read(self._registered(location, data))

    def plain(self) -> None:
        """One request without resumption: an answer that does not come is not asked for again."""
        data = self._data()
        try:
            answer = ask(
                self._place(), "POST", "/api/v1/exhibits?case=KRN",
                [("Authorization", f"Bearer {self._tokens['investigator']}")], data,
                timeout=self._timeout,
            )  # fmt: skip
        except OSError:
            return
        if answer.status == 201:
            found = json.loads(answer.body)
            self._acknowledged(found["exhibit"], data, found["index"])

    def parallel(self) -> None:
        data = self._data()
        cut = len(data) // 2
        parts = []
        for part in (data[:cut], data[cut:]):
            location = self._create(("Upload-Length", str(len(part))), ("Upload-Concat", "partial"))
            self._send(location, part, pieces=1)
            parts.append(location)
        concat = ("Upload-Concat", "final;" + " ".join(parts))
        try:
            made = self._tus().post(concat)
        except OSError:
            return  # whether it was joined shows in the database
        if made.status == 201:
            self._registered(made.location, data)

    def ended(self) -> None:
        data = self._data()
        location = self._create(("Upload-Length", str(len(data) + 1)))
        self._send(location, data, pieces=1, length=len(data) + 1)
        answer = self._until(lambda tus: tus.ask("DELETE", location), {204})
        if answer.status == 204:
            self._told.given_up.add(_id(location))

    def pack(self) -> None:
        files = [self._data(small=True) for _ in range(PACK)]
        name = f"SUB-{uuid.uuid4()}"
        begin = json.dumps({"case": "KRN", "id": name}).encode()
        self._until(lambda tus: tus.ask("POST", SUBMISSIONS, body=begin), {200, 201})
        lines = b"".join(
            json.dumps(
                {"n": n, "path": f"{n}.bin", "size": len(data),
                 "digests": {"sha256": sha256(data).hexdigest()}}
            ).encode() + b"\n"
            for n, data in enumerate(files, 1)
        )  # fmt: skip
        listed = ("Content-Type", "application/x-ndjson")
        place = f"{SUBMISSIONS}/{name}"
        self._until(lambda tus: tus.ask("PUT", f"{place}/list", listed, body=lines), {200, 201})
        data = b"".join(files)
        said = {"submission": name.encode(), "files": b"1-%d" % PACK}
        location = self._create(("Upload-Length", str(len(data))), **said)
        self._send(location, data, pieces=2)
        state = self._done(location)
        for result in state["results"]:
            self._acknowledged(result["exhibit"], files[result["n"] - 1], result["entry"])
        ended = self._until(
            lambda tus: tus.ask("POST", f"{place}/complete", body=b"{}"), {200, 201}
        )
        assert json.loads(ended.body)["stage"] == "complete", ended.body
        self._told.counts["packs"] += 1

    # How it does it.

    def _data(self, *, small: bool = False) -> bytes:
        size = self._draw.choice(SIZES[:5] if small else SIZES)
        if not small and self._draw.random() < self._large:
            size = LARGE
        data = MARK + self._draw.randbytes(16) + uuid.uuid4().bytes + self._draw.randbytes(size)
        with self._told.lock:
            self._told.sent[digest(data)] = "evidence"
        return data

    def _place(self) -> Place:
        return self._draw.choice(self._places)

    def _tus(self, **said: bytes) -> Tus:
        found = Tus(self._place(), self._tokens["investigator"], **said)
        found.timeout = self._timeout
        return found

    def _until(self, act: Callable[[Tus], Answer], good: set[int], **said: bytes) -> Answer:
        """Ask until an answer comes that is none of a service in trouble.

        Raises:
            Stopped: the run is over and no answer came.
        """
        end = None
        while True:
            try:
                answer = act(self._tus(**said))
            except OSError:
                self._told.counts["no answer"] += 1
            else:
                if answer.status in good or answer.status not in TRY_AGAIN:
                    return answer
                self._told.counts[str(answer.status)] += 1
                if answer.status in (409, 410, 423):
                    return answer
            if not self._going():
                end = end or time.monotonic() + 10
                if time.monotonic() > end:
                    raise Stopped
            time.sleep(self._draw.uniform(0.005, 0.05))

    def _create(self, *told: tuple[str, str], **said: bytes) -> str:
        made = self._until(lambda tus: tus.post(*told), {201}, **said)
        assert made.status == 201, made
        return made.location

    def _send(self, location: str, data: bytes, *, pieces: int, length: int = 0) -> None:
        """Send everything, from wherever the service says that it goes on."""
        name, offset = _id(location), 0
        sized = max(1, -(-len(data) // pieces))
        for _ in range(200):
            block = data[offset : offset + sized]
            answer = self._patch(location, offset, block)
            if answer is not None and answer.status == 204:
                offset = answer.offset
            else:
                head = self._until(lambda tus: tus.head(location), {200})
                assert head.status == 200, (answer, head)
                offset = head.offset
            self._told.offset(name, offset)
            if offset >= len(data):
                return
        raise AssertionError(f"upload {name} never came to its end, {length or len(data)} bytes")

    def _patch(self, location: str, offset: int, block: bytes) -> Answer | None:
        if not self._going():
            raise Stopped
        try:
            answer = self._tus().patch(location, offset, block)
        except OSError:
            self._told.counts["no answer"] += 1
            return None
        if answer.status not in {204, *TRY_AGAIN}:
            raise AssertionError(f"PATCH at {offset} was answered {answer}")
        if answer.status != 204:
            self._told.counts[str(answer.status)] += 1
        return answer

    def _done(self, location: str) -> dict[str, Any]:
        """Wait until an upload is finished: by a worker, or because it is asked for again."""
        asked_again = self._draw.random() < 0.7
        while True:
            answer = self._until(lambda tus: tus.state(location), {200})
            assert answer.status == 200, answer
            state: dict[str, Any] = json.loads(answer.body)
            if state["state"] == "done":
                return state
            assert state["state"] in ("open", "arrived", "closing"), state
            if not self._going():
                raise Stopped
            time.sleep(0.05)
            if asked_again and state["state"] == "closing":
                self._patch(location, state["length"], b"")

    def _registered(self, location: str, data: bytes) -> str:
        [result] = self._done(location)["results"]
        assert result["sha256"] == digest(data), (result, digest(data))
        self._acknowledged(result["exhibit"], data, result["entry"])
        return str(result["exhibit"])

    def _acknowledged(self, number: str, data: bytes, entry: int) -> None:
        self._told.exhibit(number, digest(data), entry)

    def _read(self, number: str) -> None:
        if self._draw.random() > 0.3:
            return
        headers = [
            ("Authorization", f"Bearer {self._tokens['analyst']}"),
            ("Evidence-Purpose", "analysis"),
        ]
        try:
            answer = ask(
                self._place(), "GET", f"/api/v1/exhibits/{number}/content", headers,
                timeout=self._timeout,
            )  # fmt: skip
        except OSError:
            return
        if answer.status == 200 and answer.body:
            with self._told.lock:
                self._told.reads.append((number, time.time()))
            if digest(answer.body) != self._told.acknowledged[number]:
                self._told.failed(f"{number} was served with other bytes")


class Stopped(Exception):
    """The run is over; what was on its way is left as it is."""


def _id(location: str) -> str:
    return location.rpartition("/")[2]


class Load:
    """Clients at work: `with Load(...) as told:`; all have stopped at the end of the block."""

    def __init__(
        self, places: list[Place], tokens: dict[str, str], *, threads: int = 6, seed: int = 1,
        told: Told | None = None, large: float = 0.02, timeout: float = 60.0,
    ) -> None:  # fmt: skip
        self.told = told or Told()
        self._stop = threading.Event()
        going = lambda: not self._stop.is_set()  # noqa: E731
        clients = [
            Client(places, tokens, self.told, seed * 1000 + n, going, large=large, timeout=timeout)
            for n in range(threads)
        ]
        self._threads = [threading.Thread(target=one.run, daemon=True) for one in clients]

    def __enter__(self) -> Told:
        for one in self._threads:
            one.start()
        return self.told

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join(120)
            if one.is_alive():
                self.told.failed("a client never came to an end")
