"""check.html in Chromium, from disk: files in memory, many in one session."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repository.exports.checker import checker_html
from tests.browser.chromium import drive

CHECK = """
import json as _json
page.goto("file://" + given[0])
cases = _json.loads(open(given[1]).read())
seen["results"] = page.evaluate('''async (cases) => {
  const bytes = (text) => {
    const plain = atob(text);
    const made = new Uint8Array(plain.length);
    for (let at = 0; at < plain.length; at += 1) made[at] = plain.charCodeAt(at);
    return made;
  };
  const results = [];
  for (const [files, trust] of cases) {
    const made = files.map(([name, text]) => [name, new Blob([bytes(text)])]);
    try {
      results.push(await checkFiles(made, trust === null ? null : new Blob([bytes(trust)])));
    } catch (error) {
      results.push({ refused: error.message, wrongUse: error.wrongUse === true });
    }
  }
  return results;
}''', cases)
"""


@dataclass
class Case:
    """What is given to the page: files by their paths, and a trust file."""

    files: Mapping[str, bytes]
    trust: bytes | None = None
    name: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def checker_file(folder: Path) -> Path:
    """Write the page into a folder, as somebody has it on disk."""
    found = folder / "check.html"
    found.write_bytes(checker_html())
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a bag, under the folder's own name as a browser names them."""
    return {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check_all(
    cases: Sequence[Case], folder: Path, *, changes: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return what the page says of each, all in one session; it may ask for nothing.

    `changes` are made in its worker's program: what another browser, or smaller blocks, would be.
    """
    told = [
        [
            [[name, b64encode(data).decode()] for name, data in case.files.items()],
            None if case.trust is None else b64encode(case.trust).decode(),
        ]
        for case in cases
    ]
    listed = folder / "cases.json"
    listed.write_text(json.dumps(told))
    page = checker_file(folder)
    text = page.read_text()
    for old, fresh in (changes or {}).items():
        assert old in text
        text = text.replace(old, fresh)
    page.write_text(text)
    seen = drive(CHECK, folder, str(page), str(listed))
    assert seen["errors"] == []
    asked = [url for url in seen["asked"] if not url.startswith("blob:")]
    assert asked == [page.as_uri()]
    results: list[dict[str, Any]] = seen["results"]
    return results


def outcomes(result: Mapping[str, Any]) -> dict[str, str]:
    """Return the outcome of each claim."""
    return {found["claim"]: found["outcome"] for found in result["findings"]}
