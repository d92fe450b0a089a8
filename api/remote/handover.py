"""Hand one submission over: list, bytes, receipts, and the end. Its steps are those of `ingest`."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from api.errors import NotListed, ServiceDisagrees, ServiceUnavailable
from api.remote.collect import Collector
from api.remote.hashing import Hashed, Unreadable, hash_all
from api.remote.listing import Known, check_declared, known, make_list
from api.remote.patience import patiently
from api.remote.rate import files_text, size_text
from api.remote.run import Gathered, Run
from api.remote.send import Sending
from api.remote.service import Progress, Service, UploadGone
from api.remote.state import SETTLED, Listed, State
from api.remote.wire import Stopped
from custody.errors import EvidenceError
from ingest.errors import SourceUnreadable
from ingest.sources import Source, Thing
from repository.errors import BadRequest
from repository.naming import shown

POLL = 2.0  # seconds between two looks at the service
SOON = 0.25  # and to the first once all is sent; each wait is then twice as long
LEFT_OVER = "all files of the list are in; uploads that interrupted runs left behind are given up"
LOOK_AGAIN = 30.0  # seconds without news after which uploads that were sent are asked for


class Handover:
    """The submission of one run."""

    def __init__(
        self, run: Run, service: Service, state: State, name: str, collector: Collector
    ) -> None:
        self._run = run
        self._service = service
        self._state = state
        self._name = name
        self._collector = collector
        self._failed: set[int] = set()  # files of things that cannot be sent whole

    def send(self) -> bool:
        """Send it and say whether it is complete."""
        gathered = self._run.wanted.gather(self._state.joined())
        for path, status, result in self._state.settled():
            self._run.result(self._name, path, status, result)
        if self._state.is_listed:
            self._compare(gathered.things)
        else:
            self._list(gathered)
        if gathered.unmatched:
            self._run.outcomes.append(1)  # announced, and not there
        progress = self._announce()
        if not progress.completed:
            self._deliver(progress)
        return self._finish()

    def _list(self, gathered: Gathered) -> None:
        """Hash everything and fix the list. (3)"""
        run, things = self._run, gathered.things
        sources = [source for thing in things for source in thing.sources]
        sizes = sum(source.size or 0 for source in sources)
        run.meter.begin(len(sources), sizes, done_files=0, done_bytes=0)
        run.display.showing("hashed")
        found: list[Known] = []
        for one in known(things, self._hashed(sources)):
            if isinstance(one, Known):
                found.append(one)
            elif len(one.sources) > 1:
                why = f"{shown(one.path)}: a part of it cannot be read, so none of it is sent"
                run.failed(self._name, one.path, SourceUnreadable(why))
        run.display.showing("")
        if not found:
            raise BadRequest("there is nothing that could be sent")
        files = make_list(found)
        if gathered.manifest is not None:
            self._state.keep("manifest", json.dumps(gathered.manifest))
        self._state.fix_list(files)
        size = sum(one.size for one in files)
        run.say(f"hashed {files_text(len(files))}, {size_text(size)}")

    def _hashed(self, sources: Sequence[Source]) -> Iterator[Hashed | None]:
        run = self._run
        told = run.meter.moving(0)
        for one in hash_all(self._state, iter(sources), told=told, stop=run.stop):
            run.meter.done(-1, 1, 0)
            if isinstance(one, Unreadable):
                run.failed(self._name, one.path, one.error)
            yield one if isinstance(one, Hashed) else None

    def _compare(self, things: Sequence[Thing]) -> None:
        """Compare what is there with the list that was fixed; name what it lacks."""
        lines = self._state.lines()
        check_declared(lines, things)
        for thing in things:
            for source in thing.sources:
                if source.problem is not None:
                    why = f"{shown(source.path)}: {source.problem}"
                    self._run.failed(self._name, source.path, SourceUnreadable(why))
                elif source.file not in lines:
                    why = f"{shown(source.path)}: not in the list that {self._name} has sent"
                    error = NotListed(f"{why}; hand it over in a submission of its own")
                    self._run.failed(self._name, source.path, error)

    def _announce(self) -> Progress:
        """Begin the submission and send its list; keep and check the receipt. (4)"""
        run, name = self._run, self._name
        said = {"case": run.wanted.case, **run.wanted.said}
        manifest = self._state.kept("manifest")
        if manifest is not None:
            said["manifest"] = json.loads(manifest)
        if run.wanted.invitation.submission is None:  # else it was begun by whoever invited
            patiently(run.line, lambda: self._service.begin(name, said))
        receipt, new, files = self._collector.list_receipt("announced"), False, 0
        if self._state.kept("announced") is None:
            length = self._state.list_file.stat().st_size

            def put() -> bool:
                with self._state.list_file.open("rb") as lines, receipt.open("wb") as into:
                    return self._service.announce(name, lines, length, into)

            new = patiently(run.line, put)
            counts = self._collector.check_list("announced")
            files = sum(counts.values())
            self._state.keep("announced", "1")
            run.say(
                f"the list of {files_text(files)} is on record, and its receipt verifies: {receipt}"
            )
        if run.wanted.invitation.submission is not None:
            run.acknowledged = self._collector.acknowledged()
        if new:  # nobody can have sent anything yet
            return Progress(files, 0, 0, 0, completed=False)
        return patiently(run.line, lambda: self._collector.collect(self._service, self._tell))

    def _deliver(self, progress: Progress) -> None:
        """Send what the service lacks, and collect what became of it. (5, 6)"""
        if progress.settled + progress.stored > self._sent():
            self._take_stock()
        self._run.display.showing("sent")
        again = True
        while again:
            sending = self._start()
            try:
                again = self._watch(sending)
            except Stopped:
                sending.end()
                _ = sending.running  # raises what ended the threads
                raise
            except BaseException:
                self._run.stop.set()
                sending.end()
                raise
        self._run.display.showing("")

    def _watch(self, sending: Sending) -> bool:
        """Collect what becomes of the files until all have come to their end.

        Returns:
            Whether uploads ended there without a result, so that their files are to be sent again.
        """
        line = self._run.line
        news: Progress | None = None
        heard, told, soon = line.clock(), False, SOON
        while True:
            running = sending.running
            found = patiently(line, self._collect)
            if found != news:
                news, heard = found, line.clock()
            left = found.files - found.settled - len(self._failed)
            if not running:
                line.done()
                if left <= 0:
                    return False
                if not told:
                    told = True
                    self._run.say(f"all is sent; the service still works on {files_text(left)}")
                if line.clock() - heard > LOOK_AGAIN:
                    heard = line.clock()
                    if self._lost_there():
                        return True
            self._pause(sending, running, POLL if running else soon)
            soon = soon if running else min(POLL, 2 * soon)

    def _pause(self, sending: Sending, running: bool, seconds: float) -> None:
        """Wait until the service is to be asked again, or everything was sent since."""
        end = self._run.line.clock() + seconds
        while (left := end - self._run.line.clock()) > 0 and sending.running == running:
            self._run.wait(min(left, 0.1))

    def _start(self) -> Sending:
        counts = self._state.counts()
        files = sum(count for count, _ in counts.values())
        size = sum(size for _, size in counts.values())
        left_files, left_bytes = counts.get("listed", (0, 0))
        self._run.meter.begin(
            files, size, done_files=files - left_files, done_bytes=size - left_bytes
        )
        sending = Sending(
            self._state, self._name, connect=self._run.connect, line=self._run.line,
            meter=self._run.meter, failed=self._unsendable, stop=self._run.stop,
        )  # fmt: skip
        if left_files:
            self._run.say(f"sending {files_text(left_files)}, {size_text(left_bytes)}")
        sending.start(self._run.wanted.connections)
        return sending

    def _collect(self) -> Progress:
        return self._collector.collect(self._service, self._tell)

    def _tell(self, path: bytes, status: str, result: dict[str, Any]) -> None:
        self._run.result(self._name, path, status, result)

    def _unsendable(self, one: Listed, error: EvidenceError) -> None:
        self._failed.update(part.n for part in self._state.parts_of(one.thing))
        self._run.failed(self._name, one.path, error)

    def _sent(self) -> int:
        counts = self._state.counts()
        return sum(count for state, (count, _) in counts.items() if state != "listed")

    def _take_stock(self) -> None:
        """Ask the service which files it lacks: it has more than this computer remembers."""
        missing: list[int] = []
        cursor = None
        while True:
            page, cursor = patiently(
                self._run.line,
                partial(self._service.files, self._name, state="announced", cursor=cursor),
            )
            missing += [one["n"] for one in page]
            if cursor is None:
                break
        self._state.only_missing(missing)

    def _lost_there(self) -> bool:
        """Say whether uploads that were sent whole have ended at the service without a result."""
        settled = self._state.in_state("registered") | self._state.in_state("quarantined")
        lost = False
        for first, last, upload in self._state.uploads(sent=True):
            if settled.issuperset(range(first, last + 1)):
                continue
            try:
                found = patiently(self._run.line, partial(self._service.upload, upload))
                ended = found.get("state") == "ended"
            except UploadGone:
                ended = True
            if ended:
                self._state.upload_over(first, last)
                lost = True
        return lost

    def _finish(self) -> bool:
        """Complete the submission and check the receipt for all. (7)"""
        run, motive = self._run, self._run.wanted.without_missing
        counts = self._state.counts()
        left = sum(count for state, (count, _) in counts.items() if state not in SETTLED)
        if left and motive is None:
            run.say(
                f"not taken in: {files_text(left)} of the list; {self._name} stays open. Run the "
                "same command again, or end it with --without-missing 'why'"
            )
            return False
        receipt = self._collector.list_receipt("complete")

        def complete() -> None:
            try:
                with receipt.open("wb") as into:
                    self._service.complete(self._name, (left and motive) or LEFT_OVER, into)
            except ServiceDisagrees as error:
                if error.problem in ("submission-incomplete", "upload-ended"):
                    # Only what is being worked on at this moment stands in the way.
                    raise ServiceUnavailable(str(error)) from error
                raise

        try:
            patiently(run.line, complete)
        except ServiceDisagrees:
            receipt.unlink(missing_ok=True)
            raise
        listed = self._collector.check_list("complete")
        registered = listed.get("registered", 0)
        log = self._collector.log
        run.say(
            f"{registered:,} of {sum(listed.values()):,} registered in {self._name}; every receipt "
            f"was checked here, offline: {self._collector.receipts}"
        )
        if run.wanted.invitation.log is None and log is not None:
            run.say(
                f"they are signed by the key with the fingerprint {log.fingerprint}; compare it "
                "with one you got another way"
            )
        if run.line.cuts:
            run.say(f"the line broke {run.line.cuts} times; what had arrived was not sent again")
        return True
