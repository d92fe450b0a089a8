"""The program as it is installed: a digest of its files, and the record of when it was started."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from custody.entry import Act, Draft
from repository import Repository, software
from repository.columns import DIGEST, Model

PACKAGES = ("api", "config", "custody", "ingest", "repository")


class Installed(Model):
    """A digest of the program that was started, and the first entry that says so."""

    __tablename__ = "installed"
    program: Mapped[str] = mapped_column(String(100), primary_key=True)
    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    index: Mapped[int]


@cache
def software_digest(root: Path = Path(__file__).parents[1]) -> str:
    """Return the digest of the installed files, as docs/format.md 2.2 names it.

    `find api config custody ingest repository -type f ! -path '*/__pycache__/*' | LC_ALL=C sort |
    xargs sha256sum | sha256sum` says the same, where they are installed or in an unpacked wheel.
    """
    files = sorted(
        path.relative_to(root).as_posix()
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    lines = (f"{sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in files)
    return f"sha256:{sha256(''.join(lines).encode()).hexdigest()}"


def record_start(repo: Repository, kind: str) -> None:
    """Record that a service or worker started, and which program that was.

    The witnesses are asked before: of a database that was put back they know more than is here.

    Raises:
        LedgerBehind: this ledger is shorter than one given out before; nothing was recorded.
        StoreUnavailable: the store does not answer, so nothing can be compared.
    """
    from repository import outside  # which need all tables, and this is one
    from repository.people import SYSTEM

    outside.look(repo)
    name, _, version = software().rpartition(" ")
    digest = software_digest()
    instrument = {"tool": f"{name} {kind}", "version": version, "parameters": {"software": digest}}
    with repo.database.writing() as session:
        draft = Draft(Act.SERVICE_STARTED, SYSTEM, plain={"instrument": instrument})
        [entry] = repo.ledger.append(session, [draft])
        if session.get(Installed, (software(), digest)) is None:
            session.add(Installed(program=software(), digest=digest, index=entry.index))


def digests_of(repo: Repository, programs: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return programs with the digests they had when they were started, proved by their entries.

    Raises:
        LedgerDamaged: an entry is not what was signed.
    """
    query = select(Installed).where(Installed.program.in_(programs)).order_by(Installed.index)
    with repo.database.reading() as session:
        rows = list(session.scalars(query))
    entries = repo.ledger.proved([row.index for row in rows]) if rows else []
    return [
        (row.program, row.digest, row.index)
        for row, entry in zip(rows, entries, strict=True)
        if entry.fields["instrument"]["parameters"].get("software") == row.digest
    ]
