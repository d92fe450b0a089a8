"""Numbers of exhibits in a file, one a line: the option --numbers of several commands."""

from typing import BinaryIO

from repository.errors import BadRequest

MOST_BYTES = 64 << 20


def numbers_in(file: BinaryIO | None) -> list[str] | None:
    """Return the numbers in a file, or None where there is no file.

    Raises:
        BadRequest: it is not UTF-8, too long, or names nothing: an empty list is not all there is.
    """
    if file is None:
        return None
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise BadRequest(f"a list of numbers has at most {MOST_BYTES >> 20} MiB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadRequest("the list of numbers is not UTF-8; save it as text in UTF-8") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise BadRequest("the list of numbers names no exhibit; nothing was done")
    return found
