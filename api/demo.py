"""The demonstration: the whole job on files it makes itself, with no server and no network."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from api.commands.context import login
from api.demo_samples import Sample, make_samples
from config.settings import Settings, load
from custody.audit import audit
from custody.findings import Finding
from ingest.batch import Failure, ingest
from ingest.register import Outcome
from ingest.sources import Thing, find
from ingest.workflows import Processors
from repository import Repository, now, open_repository
from repository.authorise import Caller
from repository.cases import find_case, open_case
from repository.errors import AccessDenied, BadRequest, RepositoryError
from repository.exports import export
from repository.exports.bag import FolderBag
from repository.fixity import check_all, open_run
from repository.initialise import initialise
from repository.ledger_mirror import publish, published
from repository.models import Case, Person
from repository.naming import shown
from repository.people import find_person, grant, new_person, new_token
from repository.purpose import parse
from repository.retrieve import recorded_parts, retrieve
from repository.submissions import Declaration, complete, open_submission

CODE = "DEMO"
PEOPLE = (
    ("Ines Okafor (fictional)", "investigator", "National unit, fictional"),
    ("Anton Weiss (fictional)", "analyst", "Tribunal, fictional"),
    ("Paula Reyes (fictional)", "prosecutor", "Tribunal, fictional"),
)

Say = Callable[[str], object]


def _program() -> str:
    """Return how this very program is called, for people to copy."""
    beside = Path(sys.executable).with_name("evidence")
    if not beside.exists():
        return "evidence"
    here = Path.cwd()
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


@dataclass(slots=True)
class _Demo:
    folder: Path
    say: Say
    step: int = 0

    def tell(self, title: str, *lines: str) -> None:
        """Say what was done and where to look."""
        self.step += 1
        self.say(f"\n{self.step}. {title}")
        for line in lines:
            self.say(f"   {line}")


def run_demo(out: Path | None, *, say: Say, settings_file: Path | None = None) -> None:
    """Run the demonstration in a new folder.

    Raises:
        BadRequest: the folder exists.
        RepositoryError: a step did not do what it must; the demonstration stops there.
    """
    demo = _Demo(_new_folder(out), say)
    say(f"Everything below happens in {demo.folder}; delete it when you like.")
    repo = _make(demo, settings_file)
    try:
        case = _open(demo, repo)
        taken = _take_in(demo, repo, case)
        _look(demo, repo, taken)
        _retrieve(demo, repo, taken)
        bundle = _export(demo, repo)
        _verify_bundle(demo, bundle)
        _verify(demo, repo)
        token = _token(repo)
    finally:
        repo.close()
    _damage(demo, repo.settings, taken)
    _end(demo, token)


def _new_folder(out: Path | None) -> Path:
    if out is not None:
        if out.exists():
            raise BadRequest(f"{out} exists; name a new folder")
        folder = out.absolute()
    else:
        names = (Path(f"evidence-demo{n}") for n in ("", *(f"-{i}" for i in range(2, 1000))))
        folder = next(name for name in names if not name.exists()).absolute()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BadRequest(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def _make(demo: _Demo, settings_file: Path | None) -> Repository:
    settings = load(demo.folder / "data", settings_file)
    repo = initialise(settings, login=login())
    demo.tell(
        "A repository: database, write-once object store, custody ledger, signing key",
        f"data        {repo.settings.data}",
        f"ledger      {repo.ledger.key.name}",
        f"fingerprint {repo.ledger.key.fingerprint}",
        "            (in real use: written down elsewhere, and compared with every bundle)",
    )
    return repo


def _open(demo: _Demo, repo: Repository) -> Case:
    custodian = _caller(repo, login()).actor()
    case = open_case(repo, custodian, code=CODE, title="Demonstration: the Tell Amara shrine")
    for name, role, organisation in PEOPLE:
        person = new_person(repo, custodian, name=name, role=role, organisation=organisation)
        grant(repo, custodian, case=case, person=person, role=role)
    demo.tell(
        f"A case {CODE} and one person of each role",
        *(f"{role:13} {name}" for name, role, _ in PEOPLE),
        f"{'custodian':13} {login()} (you)",
    )
    return case


def _take_in(demo: _Demo, repo: Repository, case: Case) -> list[Outcome]:
    folder = demo.folder / "samples"
    folder.mkdir()
    samples = make_samples(folder, clock=now)
    taken: list[Outcome] = []
    key = _declaration_key
    for _, group in groupby(sorted(samples, key=key), key=key):
        taken += _submit(repo, case, folder, list(group))
    publish(repo)
    demo.tell(
        f"{len(taken)} files of all three families taken in: hashed, stored once, registered",
        *(
            f"{one.number}  {one.sha256[:23]}…  {one.size:>8} bytes  entry {one.index:<3} "
            f"{shown(one.path)}"
            for one in taken
        ),
        f"files       {folder}",
        f"receipts    {repo.receipts}   (check one: {_program()} receipt check FILE)",
    )
    return taken


def _declaration_key(sample: Sample) -> tuple[str, ...]:
    claims = (sample.family, sample.collected_by, sample.collected_at, sample.place, sample.method)
    return tuple(claim or "" for claim in (*claims, sample.source))


def _submit(repo: Repository, case: Case, folder: Path, samples: list[Sample]) -> list[Outcome]:
    first = samples[0]
    declared = Declaration(
        purpose=parse("investigation: demonstration"),
        family=first.family,
        collected_by=first.collected_by,
        collected_at=first.collected_at,
        place=first.place,
        method=first.method,
        source=first.source,
    )
    actor = _caller(repo, PEOPLE[0][0]).actor()
    names = [str(folder / sample.path) for sample in samples]
    sources = [name.encode() for name in names]
    submission, _ = open_submission(repo, actor, case, declared, sources=sources)
    things = [Thing((source,)) for source in find(names)]
    results = list(ingest(repo, actor, case, submission, things))
    failures = [result for result in results if isinstance(result, Failure)]
    if failures:
        raise RepositoryError(f"the demonstration stops: {failures[0].error}")
    complete(repo, submission)
    return [result for result in results if isinstance(result, Outcome)]


def _look(demo: _Demo, repo: Repository, taken: list[Outcome]) -> None:
    ids = [one.exhibit_id for one in taken]
    with Processors(repo) as processors:
        runs = list(processors.map(ids))
    lines = [
        f"{one.number}  {run.outcome:12} {run.facts:3} facts  {run.mime}"
        + ("  (not what its name says)" if run.mismatch else "")
        for one, run in zip(taken, runs, strict=True)
        if run is not None
    ]
    demo.tell(
        "Identified, and metadata read, in a locked child process for each file",
        *lines,
        "(unsupported: identified; this version reads the metadata of photographs only)",
    )


def _retrieve(demo: _Demo, repo: Repository, taken: list[Outcome]) -> None:
    chosen = next(one for one in taken if one.path.endswith((b".jpg", b".jpeg")))
    number = chosen.number or ""
    target = demo.folder / f"{number}.jpg"
    purpose = "analysis: which stone is this?"
    reading = retrieve(repo, _caller(repo, PEOPLE[1][0]), number, purpose=purpose)
    with target.open("xb") as file:
        for block in reading:
            file.write(block)
    refused = "was not refused: this must not happen"
    try:
        retrieve(repo, _caller(repo, PEOPLE[0][0]), number, purpose="analysis")
    except AccessDenied:
        refused = "was refused, and the refusal is in the ledger"
    else:
        raise RepositoryError(f"the investigator's retrieval {refused}")
    demo.tell(
        f"The analyst retrieves {number}; every chunk is checked before it is written",
        f"written     {target}",
        f"The investigator, who may hand in but not take out, tried the same and {refused}.",
        f"history     {_program()} --data {repo.settings.data} show {number} --custody",
    )


def _export(demo: _Demo, repo: Repository) -> Path:
    bundle = demo.folder / "bundle"
    made = export(
        repo,
        _caller(repo, PEOPLE[2][0]),
        code=CODE,
        into=FolderBag(bundle),
        purpose="court: demonstration",
        recipient="The Court (fictional)",
    )
    demo.tell(
        f"The prosecutor exports the court bundle: {len(made.exhibits)} exhibits",
        f"bundle      {bundle}",
        f"report      {bundle / 'custody-report.pdf'}",
        f"manifest    {made.manifest}",
    )
    return bundle


def _verify_bundle(demo: _Demo, bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(bundle / "verify.py"), str(bundle)],
        capture_output=True,
        text=True,
        check=False,
    )
    demo.tell(
        "Anyone verifies it offline, with the one file inside it and plain Python",
        f"$ python3 {bundle / 'verify.py'} {bundle}",
        *done.stdout.rstrip().splitlines(),
    )
    if done.returncode != 0:
        raise RepositoryError(f"the bundle did not verify: {done.stderr}")


def _verify(demo: _Demo, repo: Repository) -> None:
    findings = _everything(repo)
    demo.tell(
        "The repository checks itself: every entry, every stored object",
        f"$ {_program()} --data {repo.settings.data} verify",
        *_told(findings),
    )
    if any(found.outcome != "pass" for found in findings):
        raise RepositoryError("the fresh repository did not verify")


def _damage(demo: _Demo, settings: Settings, taken: list[Outcome]) -> None:
    """Change one bit of one object and one ledger row in a copy; both must be found."""
    copy = demo.folder / "damaged-copy"
    shutil.copytree(settings.data, copy)
    repo = open_repository(settings.model_copy(update={"data": copy}), clock=_later)
    victim = taken[-1]
    with repo.database.reading() as session:
        case = find_case(session, CODE)
    if case is None or victim.number is None:
        raise RepositoryError("the copy lacks the case")
    changed = _flip(copy, repo, victim)
    _rewrite_row(copy / "evidence.db", taken[0].index)
    found = [one for one in _everything(repo) if one.outcome == "fail"]
    repo.close()
    checks = {one.check for one in found}
    demo.tell(
        "Now someone with full access changes a copy: one bit of an object, one ledger row",
        f"object      {changed} ({victim.number})",
        f"ledger row  {taken[0].index} ({taken[0].number}: its digest), triggers removed",
        f"$ {_program()} --data {copy} verify",
        *_told(found),
    )
    if not {"object", "entries"} <= checks:
        raise RepositoryError(f"the damage was not found: {checks}")


def _later() -> datetime:
    return now() + timedelta(seconds=1)


def _flip(copy: Path, repo: Repository, victim: Outcome) -> Path:
    from repository.exhibits import find_exhibit

    with repo.database.reading() as session:
        exhibit = find_exhibit(session, victim.number or "")
    if exhibit is None:
        raise RepositoryError("the copy lacks the exhibit")
    stored = recorded_parts(repo, exhibit)[0].objects[0]
    file = copy / "store" / stored.bucket / stored.key
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x01
    file.write_bytes(data)
    return file


def _rewrite_row(database: Path, index: int) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("DROP TRIGGER entry_no_update")
        [body] = connection.execute("SELECT body FROM entry WHERE idx = ?", (index,)).fetchone()
        position = body.index(b'"sha256":"sha256:') + len(b'"sha256":"sha256:')
        other = b"0" if body[position : position + 1] != b"0" else b"1"
        forged = body[:position] + other + body[position + 1 :]
        connection.execute("UPDATE entry SET body = ? WHERE idx = ?", (forged, index))
    connection.close()


def _everything(repo: Repository) -> list[Finding]:
    findings = audit(
        repo.database,
        keys=repo.ledger.key_history(),
        wrapping_key=repo.wrapping_key,
        policy=repo.policy,
        second=repo.second.key if repo.second else None,
        outside=published(repo),
    )
    return [*findings, *check_all(repo, _caller(repo, login()).actor(), open_run(repo))]


def _told(findings: Iterable[Finding]) -> list[str]:
    return [
        f"{one.outcome:5} {one.check:12} {one.subject:14} {shown(one.detail)}" for one in findings
    ]


def _token(repo: Repository) -> str:
    with repo.database.reading() as session:
        analyst: Person = find_person(session, PEOPLE[1][0])
    custodian = _caller(repo, login()).actor()
    _, text = new_token(
        repo, custodian, person=analyst, expires_at=repo.clock() + timedelta(days=1)
    )
    publish(repo)
    return text


def _end(demo: _Demo, token: str) -> None:
    demo.tell(
        "See it in the browser: run the command, open the address, paste the analyst's token",
        f"token       {token}   (ends in one day)",
        "address     http://127.0.0.1:8080/",
    )
    demo.say(f"\n{_program()} --data {demo.folder / 'data'} serve")


def _caller(repo: Repository, name: str) -> Caller:
    with repo.database.reading() as session:
        return Caller(find_person(session, name), "named")
