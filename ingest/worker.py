"""A worker: finds what waits, has it done by durable workflows, and takes over from the dead.

Several workers share one database. Each looks what waits; the first of the living looks twice a
second, the others now and then, in case it stops. Whoever finds a thing starts a workflow under an
id made of the thing and its state: started twice, it runs once. Any worker runs it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from custody.errors import EvidenceError
from ingest.durable import Run, Workflows
from ingest.duties import AWAY, QUEUES, TRIES, Duty, Waiting, duties
from ingest.workflows import Processors
from repository import Repository, setbacks, upkeep
from repository.machines import Place, Watch, beat, leave
from repository.setbacks import Standing, standing

_HASTY = 0.05  # seconds between looks into the queues, where all is to be done once
SOON = 0.5  # seconds between two turns of the first worker
LATER = 5.0  # of the others, and between looks for what has no haste
KEPT = timedelta(days=3)  # for which workflows that were done are remembered
SETTLED = 10.0  # seconds after which a workflow that was done should show in the tables
_IN_HAND = 4  # workflows of one duty for each living worker: more wait in the tables

Say = Callable[[str], None]


def work(
    repo: Repository,
    *,
    until: Callable[[], bool],
    idle: Callable[[float], object] = time.sleep,
    say: Say = lambda _: None,
    once: bool = False,
    more: Callable[[Repository, Say], Sequence[Duty]] = lambda _repo, _say: (),
) -> bool:
    """Do what waits, until told to stop; say whether nothing was left undone.

    Args:
        repo: the repository.
        until: asked between turns; True ends the work.
        idle: waits that many seconds when nothing is to be done.
        say: told in calm lines what was done, and what did not work and is tried again.
        once: end when everything that is due was done or put off.
        more: gives further duties.

    Raises:
        LedgerUnavailable, WrongDatabase: the database of the work cannot be used.
    """
    lines = Lines(say)
    place = Place.take(repo)
    processors = Processors(repo)
    found = [*duties(repo, processors, lines.problem), *more(repo, lines.problem)]
    crew = Crew(repo, place.name, lines, found, once=once)
    try:
        crew.run(until, idle)
    finally:
        if not crew.busy:  # else a thread is still at work: what it holds ends with the process
            processors.__exit__()
            place.leave()
    return not (crew.busy or lines.undone)


class Lines:
    """What a worker says: sums of what was done, and each problem once in a while."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._done: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        self.undone = False

    def did(self, what: str, count: int) -> None:
        """Add to what was done."""
        with self._lock:
            self._done[what] += count

    def problem(self, text: str) -> None:
        """Tell of a problem, unless that was told a minute ago."""
        now = time.monotonic()
        with self._lock:
            self.undone = True
            told = self._told.get(text, now - 60)
            self._told = {one: at for one, at in self._told.items() if now - at < 60}
            self._told.setdefault(text, now)
        if now - told >= 60:
            self._say(text)

    def tell(self, text: str) -> None:
        """Tell of something that is no problem of ours."""
        self._say(text)

    def flush(self) -> None:
        """Say what was done since the last time."""
        with self._lock:
            done, self._done = self._done, Counter()
        if done:
            self._say(", ".join(f"{what} {count}" for what, count in sorted(done.items())))


class Crew:
    """One worker at work: its workflows, its eyes on the others, and its own turns."""

    def __init__(
        self, repo: Repository, name: str, lines: Lines, found: Sequence[Duty], *, once: bool
    ) -> None:
        self._repo = repo
        self._name = name
        self._lines = lines
        self._duties = {duty.name: duty for duty in found}
        self._once = once
        self._watch = Watch(repo, name)
        self._next: dict[str, float] = {}  # by what has no haste, when it is looked for again
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._failed: BaseException | None = None
        self._suspect = False  # whether something runs with which a process died before
        self.busy = False  # whether a thread is at work

    def run(self, until: Callable[[], bool], idle: Callable[[float], object]) -> None:
        """Work until told to stop; what is not finished by then is handed back."""
        beat(self._repo, self._name)
        flows = Workflows(
            self._repo.settings,
            name=self._name,
            duties={duty.name: duty.queue for duty in self._duties.values()},
            queues=_hasty(QUEUES) if self._once else QUEUES,
            attempt=self._attempt,
            note=self._note,
            problem=self._lines.problem,
        )
        self.busy = True
        # A thread of its own: while a database is away its calls wait, and we can still stop.
        turns = threading.Thread(target=self._turns, args=(flows,), daemon=True)
        turns.start()
        while not until() and not self._ended.is_set():
            idle(0.1 if self._once else SOON)
            self._lines.flush()
        self._stop.set()
        turns.join(SOON)
        self.busy = not flows.close() or turns.is_alive()
        self._lines.flush()
        if self._failed is not None:
            raise self._failed
        if not self.busy:
            leave(self._repo, self._name)

    def _turns(self, flows: Workflows) -> None:
        try:
            if self._once:
                setbacks.hurry(self._repo)
            else:
                upkeep.begin(self._repo, self._lines.problem)
            pause = min(SOON, self._repo.settings.beat_seconds / 2)
            trouble = pause
            while not self._stop.is_set():
                try:
                    self._live(flows)
                    if self._once or self._watch.first or self._often("turn", LATER):
                        busy = self.turn(flows)
                        if self._once and not busy:
                            return
                    trouble = pause
                except EvidenceError as error:
                    self._lines.problem(f"not yet: {error}")
                    trouble = min(trouble * 2, 30.0)
                self._stop.wait(0.05 if self._once else trouble)
        except BaseException as error:  # noqa: BLE001 - raised again where the worker waits
            self._failed = error
        finally:
            self._ended.set()

    def _live(self, flows: Workflows) -> None:
        """Say that we are alive, look who is not, and go on with what they had begun."""
        seconds = self._repo.settings.beat_seconds
        if self._often("beat", seconds):
            beat(self._repo, self._name)
        if self._often("look at others", seconds / 2):
            for name in self._watch.look():
                count = flows.take_over(name)
                self._watch.forget(name)
                self._lines.tell(f"a worker has died; {count} of its workflows go on here")
        if self._often("tidy", 3600):
            flows.tidy(KEPT)

    def turn(self, flows: Workflows) -> bool:
        """Settle what failed, start what waits; say whether anything is under way."""
        runs = flows.open_runs()  # before the tables: what is done by now does not wait there
        failed = [run for run in runs if run.state == "failed"]
        for run in failed:
            if not run.noted:
                self._settle(run)
        flows.forget([run.id for run in failed])
        active = [run for run in runs if run.state == "active"]
        stands = standing(self._repo)
        # One suspect at a time: what dies with it again is either guilty, or new under suspicion.
        self._suspect = any(stands.died(run.duty, run.things[0]) for run in active if run.tries)
        started = False
        for duty in self._duties.values():
            if stands.rests(duty.name):
                continue
            if self._once and duty.queue == "chore" and (started or active):
                continue  # last of all: they publish and look over what the others did
            if not (duty.haste or self._once or self._often(duty.name, LATER)):
                continue
            started |= self._dispatch(flows, duty, stands, active)
        return bool(started or active or failed)

    def _dispatch(
        self, flows: Workflows, duty: Duty, stands: Standing, active: Sequence[Run]
    ) -> bool:
        mine = [run for run in active if run.duty == duty.name]
        busy = {thing for run in mine for thing in run.things}
        # After a setback of the whole duty one thing is tried alone, to see whether it works again.
        probing = stands.tries(duty.name, setbacks.WHOLE) > 0
        room = (1 if probing else _IN_HAND * len(self._watch.alive)) - len(mine)
        if room <= 0:
            return False
        wanted = room * duty.together + len(busy) + stands.count(duty.name)
        free = [
            one
            for one in duty.find(wanted)
            if one.id not in busy and not stands.rests(duty.name, one.id)
        ]
        groups = self._groups(duty, free, stands, alone=probing)[:room]
        started = [self._start(flows, duty, group, stands) for group in groups]
        return any(started)

    def _groups(
        self, duty: Duty, found: Sequence[Waiting], stands: Standing, *, alone: bool
    ) -> list[list[Waiting]]:
        """Return things in groups; what had a setback before is tried alone, one of them first."""
        if alone:
            return [[one] for one in found]
        tried = [one for one in found if stands.tries(duty.name, one.id)]
        suspects = [one for one in tried if stands.died(duty.name, one.id)]
        tried = [one for one in tried if one not in suspects]
        if suspects and not self._suspect:
            self._suspect = True
            tried.insert(0, suspects[0])
        fresh = [one for one in found if not stands.tries(duty.name, one.id)]
        size = duty.together
        groups = [fresh[n : n + size] for n in range(0, len(fresh), size)]
        return [*([one] for one in tried[:1]), *groups, *([one] for one in tried[1:])]

    def _start(
        self, flows: Workflows, duty: Duty, group: Sequence[Waiting], stands: Standing
    ) -> bool:
        tries = stands.tries(duty.name, group[0].id)
        things = [one.id for one in group]
        known = flows.start(duty.name, workflow_id(duty, group), things, tries)
        if known is None:
            return True
        since = self._repo.clock().timestamp() - known.ended_at
        if known.state == "done" and not 0 <= since <= SETTLED:
            self._put_off(duty, dict.fromkeys(things, "it was done, and waits as before"), tries)
            flows.forget([known.id])
        return False

    def _settle(self, run: Run) -> None:
        """Put off what a workflow was about that did not even come to say why it failed."""
        duty = self._duties.get(run.duty)
        if duty is not None:
            self._put_off(duty, dict.fromkeys(run.things, run.reason), run.tries)

    def _attempt(self, name: str, things: list[str], _tries: int) -> Mapping[str, Any]:
        """Do some of a duty: the first step of a workflow."""
        try:
            return {"left": dict(self._duties[name].do(things))}
        except AWAY as error:
            return {"away": _said(error)}
        except Exception as error:  # noqa: BLE001 - whatever a thing does to us, it is put off
            return {"left": dict.fromkeys(things, _said(error))}

    def _note(self, name: str, things: list[str], tries: int, came: Mapping[str, Any]) -> bool:
        """Keep what came of it in our tables: the second step of a workflow; say if all is done."""
        duty = self._duties[name]
        if "away" in came:
            self._wait(duty, things, came["away"])
            return False
        left: dict[str, str] = came["left"]
        done = [thing for thing in things if thing not in left]
        stands = standing(self._repo)
        known = [one for one in (*done, setbacks.WHOLE) if stands.has(name, one)]
        if known:
            with self._repo.database.writing() as session:
                setbacks.clear(session, name, known)
        if left:
            self._put_off(duty, left, tries)
        if done and duty.said:
            self._lines.did(duty.said, len(done))
        return not left

    def _wait(self, duty: Duty, things: Sequence[str], reason: str) -> None:
        """Let a whole duty rest: what it needs is away."""
        probe = things[0] if len(things) == 1 and duty.queue != "chore" else None
        with self._repo.database.writing() as session:
            setbacks.put_off_whole(session, self._repo.clock(), duty.name, reason, probe=probe)
        self._lines.problem(f"not yet: {reason}")

    def _put_off(self, duty: Duty, left: Mapping[str, str], tries: int) -> None:
        """Try things again later, each alone; after some tries, give them up and record it."""
        at = self._repo.clock()
        for thing, reason in left.items():
            with self._repo.database.writing() as session:
                if setbacks.given_up(session, duty.name, thing):
                    continue
                if duty.give_up is not None and len(left) == 1 and tries + 1 >= TRIES:
                    duty.give_up(session, thing, reason)
                    setbacks.give_up(session, at, duty.name, thing, tries + 1, reason)
                    self._lines.problem(
                        f"given up: {duty.name} {thing}: {reason}; it is on record, and tried once "
                        "more by: evidence worker --again"
                    )
                    continue
                setbacks.put_off(session, at, duty.name, thing, tries + 1, reason)
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            self._lines.problem(f"put off: {duty.name} {next(iter(left))}{more}: {reason}")

    def _often(self, name: str, seconds: float) -> bool:
        """Say whether so many seconds are over since this was true."""
        now = time.monotonic()
        if now < self._next.get(name, 0.0):
            return False
        self._next[name] = now + seconds
        return True


def _hasty(queues: Mapping[str, tuple[int, float]]) -> dict[str, tuple[int, float]]:
    """Return the queues as somebody looks into them who waits for the end."""
    return {name: (most, min(seconds, _HASTY)) for name, (most, seconds) in queues.items()}


def workflow_id(duty: Duty, group: Sequence[Waiting]) -> str:
    """Return the id of the workflow about things in their state: the same again for the same."""
    if len(group) == 1:
        return "-".join(part for part in (duty.name, group[0].id, group[0].mark) if part)
    said = "\n".join(f"{one.id} {one.mark}" for one in group)
    return f"{duty.name}-{sha256(said.encode()).hexdigest()[:32]}"


def _said(error: BaseException) -> str:
    text = str(error) if isinstance(error, EvidenceError) else f"{type(error).__name__}: {error}"
    return text.strip().partition("\n")[0][:500] or type(error).__name__
