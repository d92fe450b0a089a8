"""Recall and precision of search over judged queries, beside FTS5's and PostgreSQL's own words.

python -m tests.benchmarks.bench_search_quality

Ours are the tokens, tiers and FTS5 expressions that the product makes; all tiers count as found.
The others (`unicode61`, `simple`) get each query's words, quoted, and its AND, OR and NOT;
PostgreSQL is a server of its own, left out where it is not installed.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import psycopg
from psycopg import sql

from repository.search.expression import fts, tiers
from repository.search.grammar import parse
from repository.search.index import as_text, tokens_of
from repository.search.sources import Text
from repository.search.tokens import FACTS, Keyed
from tests.benchmarks.house_of import say
from tests.benchmarks.search_judged import GROUPS, SENTENCES
from tests.postgres import BINARIES, postgres_server

Find = Callable[[str], set[int]]


def documents() -> list[tuple[int, str]]:
    """Return each document with the number of its group."""
    found = []
    for group, (forms, _) in enumerate(GROUPS):
        for n, form in enumerate(forms):
            found.append((group, SENTENCES[(group + n) % len(SENTENCES)].format(form)))
    return found


def ours(texts: list[str]) -> Find:
    """Return our search over texts, by their place."""
    keyed = Keyed(cast("Any", SimpleNamespace(wrapping_key=bytes(32))))
    base = sqlite3.connect(":memory:")
    base.execute(
        "CREATE VIRTUAL TABLE f USING fts5(t, content='', columnsize=0, detail=none, "
        "tokenize='ascii')"
    )
    for n, one in enumerate(texts):
        tokens, _ = tokens_of(keyed, [Text(FACTS, one)])
        base.execute("INSERT INTO f(rowid, t) VALUES (?, ?)", (n, as_text(tokens)))

    def find(query: str) -> set[int]:
        found: set[int] = set()
        for _, one in tiers(keyed, FACTS, parse(query)):
            rows = base.execute("SELECT rowid FROM f WHERE f MATCH ?", (fts(keyed, FACTS, one),))
            found.update(row[0] for row in rows)
        return found

    return find


def unicode61(texts: list[str]) -> Find:
    """Return FTS5's own words over texts, by their place."""
    base = sqlite3.connect(":memory:")
    base.execute("CREATE VIRTUAL TABLE f USING fts5(t, tokenize='unicode61')")
    base.executemany("INSERT INTO f(rowid, t) VALUES (?, ?)", list(enumerate(texts)))

    def find(query: str) -> set[int]:
        said = re.findall(r'"[^"]+"|\S+', query)
        words = [one if one in ("AND", "OR", "NOT") else f'"{one.strip(chr(34))}"' for one in said]
        rows = base.execute("SELECT rowid FROM f WHERE f MATCH ?", (" ".join(words),))
        return {row[0] for row in rows}

    return find


@contextmanager
def simple(texts: list[str]) -> Iterator[Find]:
    """Yield PostgreSQL's words of the configuration `simple` over texts, by their place."""
    with postgres_server() as url, psycopg.connect(url.replace("+psycopg", "")) as base:
        base.execute("CREATE TABLE f (n int, t tsvector)")
        for n, one in enumerate(texts):
            base.execute("INSERT INTO f VALUES (%s, to_tsvector('simple', %s))", (n, one))

        def find(query: str) -> set[int]:
            joined, expects = "", False
            for one in re.findall(r'"[^"]+"|\S+', query):
                if one in ("AND", "OR", "NOT"):
                    joined += {"AND": " && ", "OR": " || ", "NOT": " && !! "}[one]
                    expects = False
                    continue
                joined += " && " * expects + "phraseto_tsquery('simple', %s)"
                expects = True
            said = [
                one.strip('"')
                for one in re.findall(r'"[^"]+"|\S+', query)
                if one not in ("AND", "OR", "NOT")
            ]
            asked = sql.SQL("SELECT n FROM f WHERE t @@ (") + sql.SQL(joined) + sql.SQL(")")
            return {row[0] for row in base.execute(asked, said)}

        yield find


def judge(what: str, find: Find, groups: list[int], *, tell: bool) -> None:
    """Say how much of what is wanted was found, and how much of what was found is wanted."""
    queries, recall, precision, answered = 0, 0.0, 0.0, 0
    for group, (_, asked) in enumerate(GROUPS):
        wanted = {n for n, of in enumerate(groups) if of == group}
        for query in asked:
            found = find(query)
            queries += 1
            recall += len(found & wanted) / len(wanted)
            if found:
                answered += 1
                precision += len(found & wanted) / len(found)
            if tell and found != wanted:
                say(f"  {query!r}: missing {len(wanted - found)}, beside it {len(found - wanted)}")
    say(f"| {what} | {queries} | {len(groups)} | {recall / queries:.1%} | "
        f"{precision / answered:.1%} |")  # fmt: skip


def main() -> None:
    made = documents()
    groups, texts = [group for group, _ in made], [text for _, text in made]
    say("| search | queries | documents | recall | precision of what was answered |")
    say("|---|---|---|---|---|")
    judge("ours", ours(texts), groups, tell=True)
    judge("FTS5 unicode61", unicode61(texts), groups, tell=False)
    if BINARIES:
        with simple(texts) as find:
            judge("PostgreSQL simple", find, groups, tell=False)


if __name__ == "__main__":
    main()
