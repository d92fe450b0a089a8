"""A house of many exhibits for search, written straight into the tables: rows, tokens, indexes.

Six of ten exhibits are photographs (a name, 12 words of facts), three messages or notes of 60
words, one a document of 300, drawn after Zipf's law from 200,000 made words of which every tenth
is a name. A tenth of the exhibits belongs to the case OTHER; a tenth was taken out of the one
before it and one of 100 is marked, so that `decide` is asked about them one by one. Pairs of words
that nobody asks for have numbers as their tokens: hashing them would take longer than indexing.

What the product makes one exhibit at a time is made of 50,000 here: each word of the vocabulary is
stemmed and hashed once, and SQLite's index is written in pieces of as many. So it takes minutes and
says nothing of the indexer (`bench_search --sample` does); what is searched is the same.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from repository.search.index import as_text
from repository.search.tokens import EVERY, FACTS, OPEN, Keyed
from repository.search.words import words
from tests.benchmarks.bench_api_reads import ID, NUMBERS, SUBMISSION, furnish
from tests.benchmarks.house_of import say
from tests.house import House

Row = tuple[int, str, str, Any]
WORDS, LOT, COMMON = 200_000, 50_000, 20
_PENDING = 1 << 30  # bytes that FTS5 keeps before it writes a piece: a whole lot
_PENDING_AS_SHIPPED = 1 << 20
LENGTHS, SHARES = (12, 60, 300), (6, 3, 1)
_PIECES = "INSERT INTO search_fts(search_fts, rank) VALUES ('hashsize', {})"
_SYLLABLES = [a + b for b in "aeiou" for a in "krtm"]
_TYPES = ("image/jpeg", "image/jpeg", "video/mp4", "text/plain", "application/pdf")


def word(n: int) -> str:
    """Return the n-th made word: 1 is the commonest; every tenth is a name."""
    found, rest = "", n
    while rest:
        rest, last = divmod(rest, len(_SYLLABLES))
        found += _SYLLABLES[last]
    return found.capitalize() if n % 10 == 0 else found


def fill(house: House, count: int) -> float:
    """Write all of it; return how long the tokens took."""
    furnish(house, count)
    _say_of_some(house, count)
    sqlite = house.repo.database.dialect == "sqlite"
    if sqlite:
        _execute(house, _PIECES.format(_PENDING))
    else:
        _execute(house, "DROP INDEX search_exhibit_tokens")
    began = time.monotonic()
    for done in lots(house, count):
        say(f"{done} in the index after {time.monotonic() - began:.0f} s")
    if sqlite:
        _execute(house, _PIECES.format(_PENDING_AS_SHIPPED))
    else:
        _execute(
            house,
            "SET LOCAL maintenance_work_mem = '1GB'",
            "CREATE INDEX search_exhibit_tokens ON search_exhibit USING gin (tokens)",
        )
    took = time.monotonic() - began
    _execute(house, "ANALYZE")
    return took


def _say_of_some(house: House, count: int) -> None:
    kind = house.repo.database.dialect
    numbers, own = NUMBERS[kind], ID[kind]
    before = own.replace("n)", "n - 1)")
    marking = """'{"sealed"\\: false, "named"\\: []}'"""
    if kind == "postgresql":
        marking = f"CAST({marking} AS json)"
    case, other = (f"(SELECT id FROM case_file WHERE code = '{one}')" for one in ("KRN", "OTHER"))
    _execute(
        house,
        f"UPDATE exhibit SET case_id = {other} WHERE serial % 10 = 7",
        f"""INSERT INTO child_exhibit (exhibit_id, parent_id, member_sha256)
            {numbers} SELECT {own}, {before}, substr('{"0" * 64}' || n, 1 + length('' || n), 64)
            FROM s WHERE n % 10 = 4""",
        f"""INSERT INTO marking (subject, case_id, marking, "index")
            {numbers} SELECT {own}, {case}, {marking}, 0 FROM s WHERE n % 100 = 50""",
        count=count,
    )


def _execute(house: House, *statements: str, count: int | None = None) -> None:
    with house.repo.database.writing() as session:
        for one in statements:
            session.execute(text(one), {"count": count} if ":count" in one else {})


def lots(house: House, count: int, *, after: int = 0) -> Iterator[int]:
    """Write the tokens of exhibits beyond a number, and yield of how many exhibits they are.

    Each lot is drawn for itself and committed: whoever was interrupted goes on with the next.
    """
    keyed, sqlite = Keyed(house.repo), house.repo.database.dialect == "sqlite"
    share = np.cumsum(1 / np.arange(1, WORDS + 1))
    share /= share[-1]
    said = [next(words(word(n))) for n in range(1, WORDS + 1)]
    kept = [list(dict.fromkeys(keyed.of_word(FACTS, one))) for one in said]
    made = np.array([(one * 3)[:3] for one in kept], dtype=np.int64)
    near = np.array(  # of two common words side by side: their own tokens, as they are asked for
        [
            [keyed.token(FACTS, "pair", f"{a.folded} {b.folded}") for b in said[:COMMON]]
            for a in said[:COMMON]
        ],
        dtype=np.int64,
    )
    with house.repo.database.reading() as session:
        cases = dict(session.execute(text("SELECT code, id FROM case_file")).tuples().all())
    fixed = {
        (code, one): [
            *(keyed.token(level, EVERY, "") for level in (OPEN, FACTS)),
            *(token for level in (OPEN, FACTS) for token in keyed.of_text(level, words(code))),
            *keyed.of_field(OPEN, "case", words(code)),
            *keyed.of_field(OPEN, "type", words(one)),
        ]
        for code in cases
        for one in _TYPES
    }
    for start in range(after + 1, count + 1, LOT):
        many, draw = min(LOT, count + 1 - start), np.random.default_rng([11, start])
        lengths = draw.choice(LENGTHS, many, p=np.array(SHARES) / sum(SHARES))
        drawn = np.searchsorted(share, draw.random(int(lengths.sum())))
        first, then = drawn[:-1], drawn[1:]
        pairs = (first * np.int64(WORDS) + then) * np.int64(2654435761) % np.int64(1 << 48)
        common = (first < COMMON) & (then < COMMON)
        pairs[common] = near[first[common], then[common]]
        rows, end = [], 0
        for n, length in zip(range(start, start + many), lengths.tolist(), strict=True):
            begin, end = end, end + length
            code = "OTHER" if n % 10 == 7 else "KRN"
            name = list(words(f"DCIM/{n}.jpg"))
            other = [*fixed[code, _TYPES[n % 5]], *keyed.of_field(OPEN, "name", name)]
            for level in (OPEN, FACTS):
                other += keyed.of_text(level, name)
            found = np.unique(
                np.concatenate([made[drawn[begin:end]].ravel(), pairs[begin : end - 1], other])
            )
            rows.append((n, f"01a1f000-0000-7000-8000-{n:012x}", cases[code], found))
        with house.repo.database.writing() as session:
            (_to_sqlite if sqlite else _to_postgresql)(session, rows)
        yield start + many - 1


def _to_sqlite(session: Session, rows: list[Row]) -> None:
    raw = session.connection().connection.cursor()
    raw.executemany(
        "INSERT INTO search_exhibit (n, exhibit_id, case_id, submission_id, asked, made, partial, "
        f"tokens) VALUES (?, ?, ?, '{SUBMISSION}', 1, 1, 0, ?)",
        [(n, one, case, found.astype("<i8").tobytes()) for n, one, case, found in rows],
    )
    raw.executemany(
        "INSERT INTO search_fts(rowid, t) VALUES (?, ?)",
        [(n, as_text(found.tolist())) for n, _, _, found in rows],
    )


def _to_postgresql(session: Session, rows: list[Row]) -> None:
    raw = session.connection().connection.cursor()
    columns = "n, exhibit_id, case_id, submission_id, asked, made, partial, tokens"
    with raw.copy(f"COPY search_exhibit ({columns}) FROM STDIN") as target:
        for n, one, case, found in rows:
            target.write_row([n, one, case, SUBMISSION, 1, 1, False, found.tolist()])


def size_of(house: House) -> int:
    """Return how many bytes the index takes, its rows included."""
    if house.repo.database.dialect == "postgresql":
        asked = "SELECT pg_total_relation_size('search_exhibit')"
    else:
        asked = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%search_%'"
    with house.repo.database.reading() as session:
        return int(session.scalar(text(asked)) or 0)
