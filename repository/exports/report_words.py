"""Every word the custody report says of itself, in the language that a report is made in.

A language is one file of `languages/`: its texts by name, types of entries with what they record,
its direction, and whether a person reviewed the translation. Texts state facts with their limits.
`{…}` is filled in; values of evidence never pass through these patterns a second time. A text may
have a form for each plural its language has; `count` chooses it, by the rules of CLDR (Babel).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Self

FOLDER = Path(__file__).parent / "languages"
LANGUAGES = ("en", "ar", "es", "fr", "ru", "zh")


@dataclass(frozen=True, slots=True)
class Language:
    """What a report says in one language."""

    code: str
    name: str  # as its speakers call it
    direction: str  # ltr or rtl
    reviewed: bool  # by a person who speaks it
    words: Mapping[str, str | Mapping[str, str]]
    types: Mapping[str, tuple[str, str]]  # type -> what it is called, what it records

    def say(self, name: str, /, **values: object) -> str:
        """Return one text, filled in."""
        found = self.words[name]
        if not isinstance(found, str):
            found = found[plural_form(self.code, int(str(values["count"])))]
        return found.format(**values) if values else found


@lru_cache(maxsize=1_000)
def plural_form(code: str, count: int) -> str:
    """Return which of its plural forms a language has for a number of things (CLDR)."""
    from babel import Locale  # on first use: most commands print no report

    return str(Locale.parse(code).plural_form(count))


@cache
def language(code: str) -> Language:
    """Return a language by its code, one of `LANGUAGES`."""
    found = json.loads((FOLDER / f"{code}.json").read_text("utf-8"))
    types = {name: (label, meaning) for name, (label, meaning) in found["types"].items()}
    return Language(
        code, found["name"], found["direction"], found["reviewed"], found["words"], types
    )


_speaking: ContextVar[str] = ContextVar("language of the report", default="en")


@contextmanager
def speaking(code: str) -> Iterator[Language]:
    """Compose a report in a language: within, `word` and its like speak it."""
    token = _speaking.set(code)
    try:
        yield language(code)
    finally:
        _speaking.reset(token)


def word(name: str, /, **values: object) -> str:
    """Return one of the report's own texts, filled in."""
    return language(_speaking.get()).say(name, **values)


def word_or(name: str, otherwise: str) -> str:
    """Return a text without blanks; what a code is not called in words stands as it is."""
    found = language(_speaking.get()).words.get(name, otherwise)
    return found if isinstance(found, str) else otherwise


def type_words(type_: str) -> tuple[str, str] | None:
    """Return what a type of entry is called and records; None: a type not known."""
    return language(_speaking.get()).types.get(type_)


class Phrase(str):
    """A text of ours in English that knows its name, so that a report says it in its language."""

    __slots__ = ("name", "values")
    name: str
    values: Mapping[str, object]

    def __new__(cls, name: str, /, **values: object) -> Self:
        """Make the English text of that name."""
        made = super().__new__(cls, language("en").say(name, **values))
        made.name, made.values = name, values
        return made


def spoken(text: str) -> str:
    """Return a text in the language of the report where it is one of ours, else as it is."""
    return word(text.name, **text.values) if isinstance(text, Phrase) else text
