"""Make the small repository of a release: `python -m tests.releases.make PROGRAM OUT.tar.xz`.

PROGRAM is a folder with the program of that release (`git archive TAG | tar -x`), which is run as
it is. The archive holds one data folder: a case, an exhibit that was looked at, one that was not,
receipts, and the keys with their passphrases, which protect nothing but this.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (120, 60, 30)).save(out, "JPEG")
    return out.getvalue()


FILES = {"note.txt": b"What the release was told.\n", "picture.jpg": _picture()}


def make(program: Path, out: Path) -> None:
    """Make a repository with a program and pack it."""
    with TemporaryDirectory() as folder:
        data, files = Path(folder) / "data", Path(folder) / "files"
        files.mkdir()
        for name, content in FILES.items():
            (files / name).write_bytes(content)
        _evidence(program, data, "init", "--origin", f"release.invalid/{out.name.split('.tar')[0]}")
        _evidence(program, data, "case", "new", "KRN", "--title", "The bridge")
        for file, more in ((files / "note.txt", ["--no-extract"]), (files / "picture.jpg", [])):
            _evidence(
                program, data, "ingest", file, "--case", "KRN", "--purpose", "investigation", *more
            )
        _evidence(program, data, "verify")
        with tarfile.open(out, "w:xz") as archive:
            archive.add(data, "data", filter=_anybody)


def _evidence(program: Path, data: Path, *words: object) -> None:
    command = [sys.executable, "-m", "api.cli", "--data", data, *words]
    subprocess.run(
        [*map(str, command)], check=True, cwd=program,
        env={**os.environ, "PYTHONPATH": str(program)},
    )  # fmt: skip


def _anybody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program", type=Path)
    arguments.add_argument("out", type=Path)
    given = arguments.parse_args()
    make(given.program.absolute(), given.out.absolute())
