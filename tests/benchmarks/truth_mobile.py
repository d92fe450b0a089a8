"""Mobile samples: databases as SQLite itself counts them, backups as their makers made them."""

import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from tests.benchmarks.bench_ground_truth import Case
from tests.shared import SHARED

GROUP = "mobile"
SAMPLES = SHARED / "samples" / "mobile"
MAGIC = b"SQLite format 3\0"
# Table, time and its unit of what messages_db claims of the samples (read off plaso's own plugins).
MESSAGES = {
    "babel.db": ("messages", "timestamp", 1_000_000),
    "burners.sqlite": ("messages", "date_created", 1000),
    "IMODb2.sqlite": ("ZIMOCHATMSG", "ZTS", 1_000_000_000),
    "tango_android_tc.db": ("messages", "create_time", 1000),
}


def cases() -> Iterator[Case]:
    """Every database and backup."""
    for path in sorted(SAMPLES.rglob("*")):
        if not path.is_file():
            continue
        head = path.open("rb").read(60)
        if head.startswith(MAGIC):
            yield database(path)
        elif head.startswith(b"ANDROID BACKUP"):
            yield backup(path)


def database(path) -> Case:
    base = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    names = [row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    tables = set()
    for name in names:
        try:
            (count,) = base.execute(f'SELECT count(*) FROM "{name}"').fetchone()
        except sqlite3.Error:
            continue
        tables.add(f"{name} {count}")
    facts = {"SQLite:Table": tables, "SQLite:Tables": {str(len(names))}}
    if path.name in MESSAGES:
        table, time, unit = MESSAGES[path.name]
        question = f"SELECT count(*), min({time}) FROM {table} WHERE {time} > 0"
        count, first = base.execute(question).fetchone()
        iso = base.execute("SELECT strftime('%Y-%m-%dT%H:%M:%S', ?, 'unixepoch')", (first // unit,))
        digits = len(str(unit)) - 1
        facts["Messages:Count"] = {str(count)}
        facts["Messages:First"] = {f"{iso.fetchone()[0]}.{first % unit:0{digits}}Z"}
    base.close()
    return Case((path,), facts)


def backup(path) -> Case:
    _, version, packed, cipher, rest = path.read_bytes().split(b"\n", 4)
    facts = {
        "AndroidBackup:Version": {version.decode()},
        "AndroidBackup:Encryption": {cipher.decode()},
    }
    if cipher != b"none":
        return Case((path,), facts, inhibitors=frozenset({"encrypted"}))
    with tarfile.open(
        fileobj=BytesIO(zlib.decompress(rest) if packed == b"1" else rest)
    ) as archive:
        members = {info.name: (info.size, None) for info in archive if info.isfile()}
    facts["AndroidBackup:Package"] = {
        name.split("/")[1] for name in members if name.startswith("apps/")
    }
    return Case((path,), facts, members=members)
