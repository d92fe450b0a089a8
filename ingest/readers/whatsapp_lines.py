"""The lines of WhatsApp's exported chats: where a message begins, and in whichever script its time.

The order of day and month is that of the telephone's language, and there is never a zone.
"""

import re
from collections.abc import Iterator

from ingest.readers.members import BLOCK, Budget

MOST_LINE = 65_536
# Characters of a line that are looked at for its beginning, and for words of WhatsApp's own.
MOST_NAMES = 400
CHAT_NAME = re.compile(r"(?:^|/)(?:_chat|[^/]*(?:WhatsApp|واتساب)[^/]*)\.txt$", re.I)
START = re.compile(
    r"\[?([0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4},?[\s\u202f\u00a0]+[0-9]{1,2}[:.][0-9]{2}"
    r"(?:[:.][0-9]{2})?(?:[\s\u202f\u00a0]*[ap]\.?[\s\u202f\u00a0]?m\.?)?)(?:\]| -) "
    r"(?:([^:]{1,200}): )?",
    re.I,
)
# Digits, comma and halves of the day as Arabic and Persian telephones write them; marks of
# direction go. Only to find the time: what is kept is the text as it stands.
_ARABIC = str.maketrans(
    {
        **{chr(0x660 + n): str(n) for n in range(10)},
        **{chr(0x6F0 + n): str(n) for n in range(10)},
        "،": ",", "\u200e": "", "\u200f": "", "\u061c": "", "\u202f": " ", "\u00a0": " ",
    }
)  # fmt: skip
_HALVES = re.compile(r"(?<=[0-9]) ?([صم])(?=\]| -)")


def regular(line: str) -> str:
    """Return the beginning of a line with the digits and halves of the day that `START` reads."""
    plain = line[:MOST_NAMES].translate(_ARABIC)
    return _HALVES.sub(lambda found: " AM" if found[1] == "ص" else " PM", plain, count=1)


def stands(line: str, plain: str) -> str:
    """Return the time of a line as it stands there; `plain` is the line made regular."""
    return line.partition("]" if plain[:1] == "[" else " - ")[0].strip("[\u200e\u200f\u061c ")


def named(sender: str) -> str:
    """Return a sender without the marks that WhatsApp puts around names."""
    return sender.strip("\u200e\u202a\u202c\u2068\u2069 ~")


def lines(blocks: Iterator[bytes], budget: Budget) -> Iterator[str]:
    """Yield the lines of a chat, each cut at `MOST_LINE`.

    Raises:
        Exhausted: the budget is spent.
    """
    rest = b""
    for block in blocks:
        budget.spend(len(block))
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line[:MOST_LINE].decode("utf-8-sig", "replace")
        if len(rest) > BLOCK * 16:
            rest = rest[:MOST_LINE]
    yield rest[:MOST_LINE].decode("utf-8-sig", "replace")
