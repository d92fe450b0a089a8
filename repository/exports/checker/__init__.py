"""check.html: one file that checks a bundle or a receipt in a browser, without a network."""

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

NAME = "check.html"
LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")
# Each may use those before it. They are modules; `_together` makes one script of them.
_ENGINE = (
    "engine/outcomes engine/bytes engine/strict_json engine/ed25519 engine/tree engine/notes "
    "engine/sources engine/archives engine/measure engine/entries engine/shapes engine/bag "
    "engine/seals engine/histories engine/registered engine/quoted engine/closing engine/examine "
    "engine/worker"
)
_PAGE = "engine/outcomes page/words page/show page/drop page/run"
_VENDORED = "sha256 sha512 md5 sha1 sha224 sha384"
_POLICY = (
    "default-src 'none'; script-src 'sha256-{script}' 'wasm-unsafe-eval'; "
    "style-src 'sha256-{style}'; worker-src blob:; base-uri 'none'; form-action 'none'"
)
_MADE = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)


@cache
def checker_html() -> bytes:
    """Return the page: the same bytes at every call on every machine."""
    vendored = [_read(f"vendor/{name}.umd.min.js") for name in _VENDORED.split()]
    vendored.append(_read("vendor/nacl-fast.min.js"))
    worker = "\n".join([*vendored, _together(_ENGINE)])
    catalogues = {name: catalogue(name) for name in LANGUAGES}
    told = json.dumps(catalogues, sort_keys=False).replace("<", "\\u003c")
    script = f"const CATALOGUES = {told};\n{_together(_PAGE)}"
    style = _read("page.css")
    for text in (worker, script, style):
        assert not re.search("</(script|style)|<!--|\r", text, re.IGNORECASE)
    given = {
        "POLICY": _POLICY.format(script=_hashed(script), style=_hashed(style)),
        "STYLE": style,
        "NOSCRIPT": "".join(
            f'<p lang="{name}" dir="{one["dir"]}">{escape(one["texts"]["noscript"])}</p>'
            for name, one in catalogues.items()
        ),
        "WORKER": worker,
        "SCRIPT": script,
    }
    return re.sub(r"\[\[([A-Z]+)\]\]", lambda mark: given[mark[1]], _read("page.html")).encode()


def digest() -> str:
    """Return the digest of the page, to be published where the page is not."""
    return f"sha256:{sha256(checker_html()).hexdigest()}"


def catalogue(language: str) -> dict[str, Any]:
    """Return the texts of one language."""
    found: dict[str, Any] = json.loads(_read(f"words/{language}.json"))
    return found


def _together(names: str) -> str:
    """Return modules as one script: none imports what is not in it, no name stands twice."""
    pieces = []
    for name in names.split():
        text = re.sub(r"^import [^;]*;\n", "", _read(f"{name}.js"), flags=re.MULTILINE)
        pieces.append(re.sub(r"^export ", "", text, flags=re.MULTILINE))
    made = _MADE.findall("\n".join(pieces))
    assert len(set(made)) == len(made), "a name stands in two modules, and one would hide the other"
    return '(() => {\n"use strict";\n' + "\n".join(pieces) + "})();\n"


def _hashed(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (files(__name__) / name).read_text("utf-8")
