"""The list of a submission: what is going to come, a line for each file, fixed before sending."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.remote.hashing import Hashed
from api.remote.plan import in_order
from api.remote.state import Listed
from ingest.sources import Source, Thing
from repository.errors import BadRequest
from repository.naming import recorded_name, shown

MAX_LINE = 64 << 10  # bytes of a line
MAX_LIST = 256 << 20  # bytes of all lines


@dataclass(frozen=True, slots=True)
class Known:
    """A thing whose files were all hashed."""

    thing: Thing
    files: tuple[Hashed, ...]


def make_list(things: Sequence[Known]) -> list[Listed]:
    """Return the list's files in the order in which they will be numbered and sent.

    Args:
        things: what to announce.

    Raises:
        BadRequest: a line, or all of them, are longer than a service takes.
    """
    groups = [[((one, part), file.size) for part, file in enumerate(one.files)] for one in things]
    made: list[Listed] = []
    first = total = 0
    for n, (one, part) in enumerate(in_order(groups), 1):
        first = n if part == 0 else first
        file = one.files[part]
        found = {
            "n": n,
            "path": recorded_name(file.source.path),
            "size": file.size,
            "digests": {"sha256": file.sha256, **_digests(file.source)},
            **({"claims": claims} if part == 0 and (claims := dict(one.thing.claims)) else {}),
            **({"thing": first, "part": part + 1} if part else {}),
        }
        line = json.dumps(found, ensure_ascii=False)
        length = len(line.encode()) + 1
        total += length
        if length > MAX_LINE:
            raise BadRequest(f"the name of {shown(file.source.path)[:100]}… is too long")
        made.append(_listed(n, file, line, first))
    if total > MAX_LIST:
        raise BadRequest(
            f"{len(made):,} files make a list of {total:,} bytes, and a service takes "
            f"{MAX_LIST:,}: send the folders one by one"
        )
    return made


def check_declared(lines: Mapping[bytes, str], things: Sequence[Thing]) -> None:
    """Refuse to go on with a list that declares something else than this run does.

    Args:
        lines: the fixed list's lines, by where their files are.
        things: what this run found.

    Raises:
        BadRequest: digests or claims of a file differ.
    """
    for thing in things:
        for part, source in enumerate(thing.sources):
            line = lines.get(source.file or b"")
            if line is None:
                continue
            listed = json.loads(line)
            claims = (dict(thing.claims) or None) if part == 0 else None
            if listed.get("claims") != claims or not (
                _digests(source).items() <= listed["digests"].items()
            ):
                raise BadRequest(
                    f"{shown(source.path)}: what is declared of it is not what the list that was "
                    "sent says; go on with the same declarations, or begin another submission "
                    "with --submission and a new id"
                )


def _digests(source: Source) -> dict[str, str]:
    """Return what was declared at source, as it was declared, even if it is wrong."""
    return {name: value.partition(":")[2] for name, value in source.declared.items()}


def _listed(n: int, file: Hashed, line: str, thing: int) -> Listed:
    source = file.source
    return Listed(
        n, source.file or b"", source.path, file.size, file.changed, file.sha256, line, thing
    )


def known(things: Sequence[Thing], files: Iterator[Hashed | None]) -> Iterator[Known | Thing]:
    """Yield each thing with its hashed files; as it is, if one of them could not be read.

    Args:
        things: what is to be announced.
        files: what became of their sources, one after the other; None: not readable.
    """
    for thing in things:
        found = [next(files) for _ in thing.sources]
        whole = tuple(one for one in found if one is not None)
        yield Known(thing, whole) if len(whole) == len(found) else thing
