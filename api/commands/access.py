"""list, show, retrieve: how evidence is looked at and leaves."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import click

from api.commands.context import Context, pass_context
from repository.citations import with_locators
from repository.conditions import EXCLUDED_USES
from repository.consult import Custody, list_exhibits, show_custody, show_exhibit
from repository.errors import BadRequest, DiskFull, Erased, RepositoryError
from repository.exhibits import count_parts
from repository.extractions import record_at
from repository.naming import file_name, shown
from repository.quoted import show_quoted
from repository.retrieve import Reading, Span
from repository.retrieve import retrieve as open_reading


@click.command("list")
@click.option("--case", "code", required=True, metavar="CODE")
@pass_context
def list_(ctx: Context, code: str) -> None:
    """List the exhibits of a case."""
    found = list_exhibits(ctx.repo, ctx.caller, code)
    for one in found:
        kind = (one.run.mime if one.run else None) or "not looked at yet"
        ctx.result(
            one.to_json(),
            f"{one.exhibit.number}  {one.exhibit.size:>12}  {kind:28}  {shown(one.exhibit.path)}",
        )
    if not found:
        ctx.say(
            f"case {code} has no exhibits yet; take some in: evidence ingest PATH --case {code}"
        )


@click.command()
@click.argument("exhibit")
@click.option("--custody", "history", is_flag=True, help="Every entry of its history.")
@click.option("--facts", is_flag=True, help="What the newest run read out of it.")
@pass_context
def show(ctx: Context, exhibit: str, history: bool, facts: bool) -> None:
    """Show an exhibit, with --custody its whole history, with --facts what is in it."""
    if facts:
        about, run, record = record_at(ctx.repo, ctx.caller, exhibit)
        record["facts"] = with_locators(about, run, record)
        ctx.result(record, "\n".join(_record_lines(record, run.run)))
        return
    if not history:
        described, _ = show_exhibit(ctx.repo, ctx.caller, exhibit)
        found = described.to_json()
        listed = (
            "parts", "derived_from", "children", "privilege", "numbers", "external_numbers",
        )  # fmt: skip
        rows = [(name, _plain(value)) for name, value in found.items() if name not in listed]
        for part in found.get("parts", ()):
            said = f"{shown(part['path'])}  {part['size']} bytes  {part['sha256']}"
            rows.append((f"part {part['part']}", said))
        if "derived_from" in found:
            of = found["derived_from"]
            rows.append(("derived from", f"{of['exhibit']}, as {of.get('kind') or 'a member'}"))
        rows += [
            ("privileged", f"{one['state']}  {shown(one['member'] or 'all of it')}")
            for one in found.get("privilege", ())
        ]
        rows += [
            ("number", f"{one['first']} - {one['last']} in {one['case']}")
            for one in found.get("numbers", ())
        ]
        rows += [
            (
                "other number",
                shown(f"{one['first']} - {one['last'] or one['first']}, {one['issuer']}"),
            )
            for one in found.get("external_numbers", ())
        ]
        rows += [
            ("derived", f"{one['exhibit']}  {one.get('kind') or shown(one['member'])}")
            for one in found.get("children", ())
        ]
        ctx.result(found, "\n".join(f"{name:14} {text}" for name, text in rows))
        return
    try:
        quoted = show_quoted(ctx.repo, ctx.caller, exhibit)
    except Erased:
        ctx.say("what was quoted of custody before was erased with the exhibit")
        quoted = None
    if quoted is not None:
        _quote(ctx, quoted)
    _, entries = show_custody(ctx.repo, ctx.caller, exhibit)
    for one in entries:
        ctx.result(
            {
                "index": one.entry.index,
                "body": one.entry.body.decode(),
                "proof": one.proof,
                "opened": one.opened,
            },
            _row(one),
        )


def _quote(ctx: Context, quoted: dict[str, Any]) -> None:
    """Write custody of before, as another repository recorded it, apart from our own."""
    origin = quoted["checkpoint"].partition("\n")[0]
    ctx.say(f"custody of before, quoted from {shown(origin)}:")
    for one in quoted["entries"]:
        fields = json.loads(one["body"])
        text = f"  quoted {fields['at']}  {fields['type']:28} {fields['outcome']}"
        ctx.result({"quoted": origin, **one}, text)
    ctx.say("own custody:")


def _record_lines(record: dict[str, Any], run: int) -> Iterator[str]:
    """Yield a record for people: claims of the file, each with its source and its doubts."""
    kind = record["format"]
    called = f"{kind['mime']} {kind['puid'] or ''} ({kind['agreement']})" if kind else "unknown"
    yield f"run {run}  {record['outcome']}  {called}  {record['ended']}  {record['sandbox']}"
    for seal in record["seals"]:
        yield f"seal      {seal['verdict']:12} {shown(seal['kind'])}: {shown(seal['detail'])}"
    for word in record["inhibitors"]:
        yield f"inhibitor {shown(word)}"
    for n, fact in enumerate(record["facts"], 1):
        notes = [f"zone {fact['tz']}"] if fact["tz"] else []
        notes += [f"doubted: {fact['suspect']}"] if fact["suspect"] else []
        said = f"  ({shown('; '.join(notes))})" if notes else ""
        yield f"{n:5}  {shown(fact['name']):36} {shown(fact['value'])}{said}"
    for one in record["members"]:
        yield f"member    {one['size']:>12}  {one['modified_at'] or '-':20} {shown(one['path'])}"
    for one in record["derivatives"]:
        where = shown(one["locator"])
        yield f"made      {one['kind']:10} {one['mime']} {one['size']} bytes {where}"
    for word in record["problems"]:
        yield f"problem   {shown(word)}"


def _row(one: Custody) -> str:
    fields = one.entry.fields
    who = one.opened.get("actor_name") or f"{fields['actor']['id']} (name withheld)"
    if fields["actor"]["assurance"] == "system":
        who = "automatic"
    purpose = one.opened.get("purpose") or {}
    words = " ".join(filter(None, (purpose.get("code"), purpose.get("text"))))
    words = "  ".join(filter(None, (words, _making(one))))
    outcome = fields["outcome"] + (f" ({fields['reason']})" if "reason" in fields else "")
    return (
        f"{fields['exhibit']['seq']:4}  {fields['at']}  {fields['type']:28} {outcome:24} "
        f"{fields['actor']['role']:12} {shown(who)}{'  ' + shown(words) if words else ''}"
        f"  entry {one.entry.index}"
    )


def _making(one: Custody) -> str:
    """Say who made a derivative with what, why, and what is withheld in it; of other acts nothing.

    Of each only what may be shown.
    """
    detail = one.opened.get("detail") or {}
    if one.entry.fields["type"] != "derivative_creation" or "author" not in detail:
        return ""
    tool = one.entry.fields["instrument"]["tool"]
    said = [f"by {detail['author']} with {tool}", *detail.get("codes", ())]
    return "; ".join(filter(None, (*said, one.opened.get("motive"))))


def _plain(value: object) -> str:
    return "-" if value is None else shown(value)


@click.command()
@click.argument("exhibit")
@click.option(
    "--out", required=True, metavar="FILE",
    help='Where to write; "-": standard output. Of several parts: a folder.',
)  # fmt: skip
@click.option("--purpose", help="Why; a code, or 'code: your words'.")
@click.option("--authority", help="The warrant, request or article it rests on.")
@click.option("--assured", multiple=True, type=click.Choice(EXCLUDED_USES),
              help="An excluded use that is ruled out in writing.")  # fmt: skip
@click.option("--range", "span", metavar="A-B", help="Zero-based, inclusive.")
@click.option(
    "--part", type=click.IntRange(1, 999_999), metavar="N",
    help="One part of an exhibit of several; without it, all of them into the folder --out.",
)  # fmt: skip
@pass_context
def retrieve(
    ctx: Context,
    /,
    exhibit: str,
    out: str,
    purpose: str | None,
    authority: str | None,
    assured: tuple[str, ...],
    span: str | None,
    part: int | None,
) -> None:
    """Write an exhibit's bytes, each checked against the ledger before it is written.

    Of an exhibit of several parts each part is a file, NUMBER.1.bin, NUMBER.2.bin and so on.
    """
    wanted = of_range(span)
    why: dict[str, Any] = {"purpose": purpose, "authority": authority, "assured": assured}
    target = None if out == "-" else Path(out)
    with ctx.repo.database.reading() as session:
        count = count_parts(session, exhibit)
    if count > 1 and part is None and wanted is None and target is not None:
        _retrieve_all(ctx, exhibit, target, why, count)
        return
    if target is not None and target.exists():
        raise BadRequest(f"{target} exists; nothing is overwritten, name another file")
    reading = open_reading(ctx.repo, ctx.caller, exhibit, **why, span=wanted, part=part)
    deliver(ctx, reading, target)


def _retrieve_all(
    ctx: Context, exhibit: str, folder: Path, why: dict[str, Any], count: int
) -> None:
    """Write every part into a folder, each with entries of its own."""
    files = [folder / file_name(exhibit, n) for n in range(1, count + 1)]
    if folder.exists() and not folder.is_dir():
        raise BadRequest(f"{folder} is a file; {exhibit} has {count} parts, name a folder")
    taken = [file for file in files if file.exists()]
    if taken:
        raise BadRequest(f"{taken[0]} exists; nothing is overwritten, name another folder")
    for n, file in enumerate(files, 1):
        reading = open_reading(ctx.repo, ctx.caller, exhibit, **why, part=n)
        _make_folder(reading, folder)
        deliver(ctx, reading, file)


def _make_folder(reading: Reading, folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        reading.close("aborted", "target-unwritable")
        raise RepositoryError(f"{folder} cannot be made: {error.strerror}") from error


def deliver(ctx: Context, reading: Reading, target: Path | None) -> None:
    """Write what is read to a file or standard output, and say so."""
    if target is None:
        _copy(ctx, reading, sys.stdout.buffer)
    else:
        _write(ctx, reading, target)
    sha256 = reading.recorded.digests["sha256"]
    found = {
        "exhibit": reading.exhibit.number,
        "sha256": sha256,
        "range": [reading.first, reading.last],
        "size": reading.length,
        "path": "-" if target is None else str(target),
        "request_id": reading.request_id,
    }
    about = reading.exhibit.number
    if reading.part is not None:
        found["part"] = reading.part
        about += f" part {reading.part}"
    where = "standard output" if target is None else target
    text = f"{about}  {reading.length} bytes  {sha256}  verified, written to {where}"
    if target is None:
        ctx.say(text)
    else:
        ctx.result(found, text)


def _write(ctx: Context, reading: Reading, target: Path) -> None:
    """Write beside the target and link, so that a failed check leaves nothing that looks whole."""
    part = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        with part.open("xb") as file:
            _copy(ctx, reading, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, target)
    except OSError as error:
        reading.close("aborted", "target-unwritable")
        if error.errno == 28:
            raise DiskFull(f"no room for {target}; nothing was left there") from error
        raise RepositoryError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _copy(ctx: Context, reading: Reading, file: BinaryIO) -> None:
    blocks = iter(reading)
    chunks = -(-reading.length // (1 << 20))
    with ctx.progress(blocks, label=reading.exhibit.number, length=chunks) as verified:
        for block in verified:
            file.write(block)


def of_range(text: str | None) -> Span | None:
    """Return a range as people write it; BadRequest: it is none."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,15})-([0-9]{1,15})?", text)
    if match is None:
        raise BadRequest("a range is A-B: the first and the last byte, counted from 0")
    return int(match[1]), int(match[2]) if match[2] else None


COMMANDS = (list_, show, retrieve)
