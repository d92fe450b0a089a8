"""Print the module table of docs/architecture.md from the docstrings: python -m tests.make_map."""

import ast
import sys

from tests.shared import ROOT

START, END = "<!-- map -->", "<!-- end of map -->"


def table() -> str:
    lines = ["| file | what it is |", "|---|---|"]
    for package in ("config", "custody", "repository", "ingest", "api"):
        for file in sorted((ROOT / package).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if "migrations/versions" in name:
                continue
            said = (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n")[0]
            lines.append(f"| `{name}` | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    page = ROOT / "docs" / "architecture.md"
    text = page.read_text()
    top, bottom = text.split(START)[0], text.split(END)[1]
    page.write_text(f"{top}{START}\n{table()}\n{END}{bottom}")
    sys.stdout.write(f"{page} written\n")
