"""exifread with maker notes, which a few changed bytes keep busy without end."""

import exifread

NAME = "maker_notes"
VERSION = "exifread with maker notes"
FORMATS = frozenset({"image/jpeg"})
SAMPLE = b""


def extract(file, found):
    exifread.process_file(file, details=True)
    yield from ()
