"""Pictures of a custody report's pages in six languages, to look at.

    python -m tests.make_report_pictures FOLDER

Needs `pdftoppm`, and for Chinese Debian's `fonts-noto-cjk`.
"""

import subprocess
import sys
from pathlib import Path

from repository.exports.fonts import GlyphMissing, check_language
from repository.exports.pdf import render
from repository.exports.report_words import LANGUAGES
from tests.repository.report_rows import history, report


def make(folder: Path) -> None:
    """Write a PDF and a picture of each page, for every language that can be printed here."""
    folder.mkdir(parents=True, exist_ok=True)
    for code in LANGUAGES:
        try:
            check_language(code)
        except GlyphMissing as error:
            print(f"{code}: {error}", file=sys.stderr)
            continue
        file = folder / f"report-{code}.pdf"
        file.write_bytes(render(report(history(), code)))
        subprocess.run(["pdftoppm", "-r", "80", "-png", file, folder / f"page-{code}"], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
