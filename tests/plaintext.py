"""Search everything a house leaves behind for plaintext: database dump, buckets, files."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from repository import Repository
from repository.stores import BUCKETS
from tests.postgres import BINARIES, Server


def finds(repo: Repository, needles: Iterable[bytes], *folders: Path) -> list[str]:
    """Return where one of the needles is: as it stands or in hex, in any of the places."""
    wanted = [form for one in set(needles) for form in (one, one.hex().encode())]
    assert wanted
    assert min(map(len, wanted)) >= 8, "too short to be found by chance alone"
    return [place for place, data in places(repo, *folders) if any(one in data for one in wanted)]


def places(repo: Repository, *folders: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every place there is, and its bytes: dump, every version of every object, files."""
    yield "database dump", dump(repo)
    for name, store in repo.stores.items():
        for bucket in BUCKETS:
            for stored in store.versions(bucket):
                with store.open(stored) as file:
                    data = b"".join(iter(lambda file=file: file.read(1 << 20), b""))
                yield f"{name} {bucket}/{stored.key}", data
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                yield str(file), file.read_bytes()


def dump(repo: Repository) -> bytes:
    """Return what the database holds: as pg_dump prints it, or each value of each SQLite table."""
    if repo.database.dialect == "sqlite":
        return b"\n".join(_values(repo))
    url = urlsplit(repo.settings.database_url)
    done = subprocess.run(
        [str(BINARIES[-1] / "pg_dump"), "-h", str(url.hostname), "-p", str(url.port),
         "-U", str(url.username), url.path.lstrip("/")],
        capture_output=True, check=True, timeout=60,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return done.stdout


def _values(repo: Repository) -> Iterator[bytes]:
    raw = repo.database.engine.raw_connection()
    try:
        ask = raw.cursor()
        made = ask.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        for name, sql in made:
            yield sql.encode()
            if sql.startswith("CREATE VIRTUAL"):
                continue  # what it holds is in tables beside it
            for row in ask.execute(f'SELECT * FROM "{name}"').fetchall():
                yield from (one if isinstance(one, bytes) else str(one).encode() for one in row)
    finally:
        raw.close()


def files_of(server: Server) -> Path:
    """Return the folder that the server keeps its tables and its log in."""
    return server.folder / "data"
