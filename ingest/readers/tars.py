"""Tar archives in order: ustar, GNU long names, sparse files, pax records; damage is skipped."""

from collections.abc import Iterator

from ingest.readers.members import (
    BLOCK,
    DEVICE,
    FILE,
    FOLDER,
    LINK,
    MOST_MEMBERS,
    UNIX,
    Budget,
    Entry,
    Exhausted,
    Sequential,
    text_of,
    utc,
)

RECORD = 512
MOST_RECORDS = 1 << 20  # bytes of one pax or long-name record
MOST_DAMAGED = 2048  # blocks that are no header, passed over in a row

_KINDS = {
    b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, b"1": LINK, b"2": LINK,
    b"3": DEVICE, b"4": DEVICE, b"6": DEVICE, b"5": FOLDER, b"D": FOLDER,
}  # fmt: skip


def is_header(block: bytes) -> bool:
    """Return whether a block of 512 bytes is the header of a member: its checksum says so."""
    if len(block) < RECORD:
        return False
    said = number(block[148:156])
    if said is None or not said:
        return False
    return said == sum(block[:148]) + 256 + sum(block[156:RECORD])


def number(field: bytes) -> int | None:
    """Return a numeric field, octal or base 256; None: it is neither."""
    if field[:1] and field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return None if field[0] & 0x40 else value
    text = field.split(b"\0")[0].strip(b" ")
    if not text:
        return 0
    return int(text, 8) if text.isdigit() and not text.strip(b"01234567") else None


def members(source: Sequential, budget: Budget, problems: list[str]) -> Iterator[Entry]:
    """Yield the members of a tar, in order.

    A member's bytes can be read until the next one is asked for. What is damaged is said in
    `problems`, and reading goes on at the next block that is a header.

    Raises:
        Exhausted: the budget is spent.
        Unreadable: what it is read from is damaged.
    """
    count = damaged = empty = 0
    defaults: dict[str, str] = {}
    own: dict[str, str] = {}
    while count < MOST_MEMBERS:
        budget.check()
        block = source.take(RECORD)
        if len(block) < RECORD:
            if block.strip(b"\0") or (not empty and not damaged):
                problems.append("the archive ends without its closing blocks")
            return
        if not block.strip(b"\0"):
            empty += 1
            if empty >= 2:
                return
            continue
        empty = 0
        if not is_header(block):
            damaged += 1
            if damaged == 1:
                problems.append(f"a block that is no header, after {count} members")
            if damaged > MOST_DAMAGED:
                problems.append("no header found any more")
                return
            continue
        damaged = 0
        kind, size = block[156:157], number(block[124:136])
        if size is None:
            problems.append(f"a size that is no number, after {count} members")
            continue
        if kind in b"LKxgX":
            if size > MOST_RECORDS:
                problems.append(f"an extended header of {size} bytes is not read")
                source.skip(_padded(size))
                continue
            data = source.take(_padded(size))[:size]
            if kind == b"g":
                defaults.update(records(data))
            elif kind in b"xX":
                own.update(records(data))
            else:
                own["path" if kind == b"L" else "linkpath"] = text_of(data.rstrip(b"\0"))
            continue
        yield from _member(source, block, {**defaults, **own}, size, problems)
        own = {}
        count += 1
    problems.append(f"more than {MOST_MEMBERS} members: the others are not listed")


def records(data: bytes) -> dict[str, str]:
    """Return the records of a pax header: `length key=value` lines, as far as they hold."""
    found: dict[str, str] = {}
    while data:
        length, space, _ = data.partition(b" ")
        if not space or not length.isdigit() or len(length) > 8 or int(length) <= len(length) + 1:
            break
        key, _, value = data[len(length) + 1 : int(length)].rstrip(b"\n").partition(b"=")
        found[text_of(key)] = text_of(value)
        data = data[int(length) :]
    return found


def _member(
    source: Sequential, block: bytes, pax: dict[str, str], size: int, problems: list[str]
) -> Iterator[Entry]:
    kind = _KINDS.get(block[156:157], FILE)
    said = pax.get("size", "")
    if said.isdecimal() and len(said) < 20:
        size = int(said)
    if kind != FILE:
        size = 0 if block[156:157] in b"123456" else size
    left = size
    packed = size
    if block[156:157] == b"S":  # GNU sparse: further maps follow, the real size stands elsewhere
        more = block[482]
        while more:
            extension = source.take(RECORD)
            if len(extension) < RECORD:
                break
            more = extension[504]
        size = number(block[483:495]) or size
    real = pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size") or ""
    if real.isdecimal() and len(real) < 20:
        size = int(real)
    sparse = size != packed or "GNU.sparse.major" in pax
    ended = False

    def read() -> Iterator[bytes]:
        nonlocal left, ended
        while left > 0 and not ended:
            data = source.take(min(BLOCK, left))
            if not data:
                ended = True
                raise Exhausted("the archive ends inside this member")
            left -= len(data)
            yield data

    name = pax.get("GNU.sparse.name") or pax.get("path") or _name(block)
    entry = Entry(
        path=name,
        size=size,
        kind=FOLDER if kind == FILE and name.endswith("/") and not size else kind,
        modified_at=_time(pax.get("mtime"), block),
        packed=packed,
        target=pax.get("linkpath") or text_of(block[157:257].split(b"\0")[0]),
        read=None if sparse or kind != FILE else read,
    )
    yield entry
    wanted = left + _padded(packed) - packed
    if source.skip(wanted) < left or ended:
        problems.append("the archive ends inside a member")


def _name(block: bytes) -> str:
    name = block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0]
    if prefix and block[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    return text_of(name)


def _time(pax: str | None, block: bytes) -> str | None:
    """Return the time of change; a tar holds seconds since 1970 in UTC."""
    whole, _, _ = (pax or "").partition(".")
    seconds = int(whole) if whole.isdecimal() and len(whole) < 12 else number(block[136:148])
    return utc(UNIX, seconds=seconds) if seconds else None


def _padded(size: int) -> int:
    return -(-size // RECORD) * RECORD
