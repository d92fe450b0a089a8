"""Every word the pages say, in the language of whoever reads them.

A language is one file of `api/languages/`: its texts in groups, its direction, and whether a person
reviewed the translation. `{…}` is filled in; a text may have a form for each plural its language
has, chosen by `count` after the rules of CLDR (Babel). Values of evidence never pass through here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Request

from repository.exports.report_words import plural_form

FOLDER = Path(__file__).parents[1] / "languages"
LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")  # in which every page speaks
COOKIE = "evidence-language"
Text = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Language:
    """What the pages say in one language."""

    code: str
    name: str  # as its speakers call it
    direction: str  # ltr or rtl
    reviewed: bool  # by a person who speaks it
    words: Mapping[str, Mapping[str, Text]]  # group -> name -> text

    def say(self, key: str, /, **values: object) -> str:
        """Return one text, `group.name`, filled in."""
        group, _, name = key.partition(".")
        found = self.words[group][name]
        if not isinstance(found, str):
            found = found[plural_form(self.code, int(str(values["count"])))]
        return found.format(**values) if values else found

    def has(self, key: str) -> bool:
        """Say whether there is such a text."""
        group, _, name = key.partition(".")
        return name in self.words.get(group, {})

    def called(self, group: str, code: str) -> str:
        """Return what a code is called; one that has no name stands as it is."""
        key = f"{group}.{code}"
        return self.say(key) if self.has(key) else code


@cache
def language(code: str) -> Language:
    """Return a language by its code."""
    found = json.loads((FOLDER / f"{code}.json").read_text("utf-8"))
    return Language(code, found["name"], found["direction"], found["reviewed"], found["words"])


def chosen(request: Request, among: tuple[str, ...] = LANGUAGES) -> str:
    """Return the language to speak: what the address says, then the cookie, then the browser."""
    for said in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if said in among:
            return str(said)
    return request.accept_languages.best_match(among) or "en"
