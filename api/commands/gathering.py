"""What `ingest` is given: files, a list that declares something of each, things of several parts.

Everything that does not fit is a line of the result: rows without a file, files without a row. Sets
that could be joined, or have a gap, are listed on standard error. Nothing is dropped, and nothing
joined that nobody confirmed.
"""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from api.commands.context import Context
from ingest.gather import Gathered, gather
from ingest.manifests import Manifest, read_manifest
from ingest.manifests.matching import Matching, match
from ingest.sources import Source, Thing
from ingest.things import Proposal
from repository.errors import BadRequest
from repository.naming import recorded_name, shown

THINGS = ("ask", "join", "apart")
_FEW = 5  # names that are shown of many


@dataclass(frozen=True, slots=True)
class Offer:
    """The things to take in, the list that came with them, and how many of its rows fit no file."""

    things: list[Thing]
    manifest: dict[str, Any] | None = None
    unmatched: int = 0


def offered(
    ctx: Context,
    sources: Sequence[Source],
    *,
    manifest: Path | None,
    root: str | None,
    take_near: bool,
    things: str,
    joined_before: frozenset[tuple[bytes, ...]] = frozenset(),
) -> Offer:
    """Return what is to be taken in; list what does not fit, and ask about things if asked to.

    Args:
        ctx: the command's context.
        sources: the files named.
        manifest: the list, if there is one.
        root: what its paths begin with where it was made.
        take_near: take paths that nearly fit as meant.
        things: `ask`, `join` or `apart`.
        joined_before: things, by the paths of their parts, that were joined in an interrupted run.

    Raises:
        BadManifest: the list is wrong; nothing was said or taken in.
        BadRequest: options about a list without one.
    """
    if manifest is None:
        if root is not None or take_near:
            raise BadRequest("name the list: --manifest FILE")
        found = gather(sources)
        return Offer(found.things(_confirmed(ctx, found, things, joined_before)))
    listed = read_manifest(manifest)
    with ExitStack() as stack:
        matching = stack.enter_context(
            match(listed, sources, folder=listed.folder, root=os.fsencode(root or ""))
        )
        near = list(matching.near())
        if take_near:
            matching.take_near()
        found = gather(sources, matching)
        found.things()  # refuses what contradicts itself, before anything is asked
        for row, path in near:
            _say_near(ctx, row.where, row.path, path, taken=take_near)
        unmatched = _say_unmatched(ctx, matching)
        for source in found.unlisted:
            ctx.result(
                {"status": "unlisted-file", "path": recorded_name(source.path)},
                f"unlisted file  {shown(source.path)}: no row names it; it is taken in",
            )
        summary = _summary(listed, matching, found, unmatched)
        ctx.result({"status": "manifest", **summary}, _said(summary))
    joined = _confirmed(ctx, found, things, joined_before)
    about = {name: summary[name] for name in ("name", "format", "sha256", "rows") if summary[name]}
    return Offer(found.things(joined), about, unmatched)


def _say_near(ctx: Context, where: str, path: bytes, file: bytes, *, taken: bool) -> None:
    status = "near-match" if taken else "near-match-left"
    what = "taken as meant" if taken else "not taken as meant; --near does"
    ctx.result(
        {"status": status, "row": where, "path": recorded_name(path), "file": recorded_name(file)},
        f"near match  {where} ({shown(path)}) and {shown(file)}: {what}",
    )


def _say_unmatched(ctx: Context, matching: Matching) -> int:
    count = 0
    for row in matching.unmatched():
        count += 1
        ctx.result(
            {"status": "unmatched-row", "row": row.where, "path": recorded_name(row.path)},
            f"unmatched row  {row.shown}: no such file was named",
        )
    return count


def _summary(
    listed: Manifest, matching: Matching, found: Gathered, unmatched: int
) -> dict[str, Any]:
    return {
        "name": listed.name,
        "format": listed.format,
        "sha256": listed.sha256,
        "rows": matching.count,
        "listed_files": len(found.rows),
        "unmatched_rows": unmatched,
        "unlisted_files": len(found.unlisted),
        "unused_columns": listed.unused,
    }


def _said(summary: dict[str, Any]) -> str:
    text = (
        f"list {shown(summary['name'])} ({summary['format']}): {summary['rows']} rows, "
        f"{summary['listed_files']} files listed, {summary['unmatched_rows']} rows without a file, "
        f"{summary['unlisted_files']} files without a row"
    )
    if summary["unused_columns"]:
        names = ", ".join(shown(name) for name in summary["unused_columns"])
        text += f"; columns not used: {names}"
    return text


def _confirmed(
    ctx: Context, found: Gathered, mode: str, before: frozenset[tuple[bytes, ...]]
) -> list[Proposal]:
    """Return the proposals that the submitter confirms; say what becomes of each.

    What was confirmed in an interrupted run of the same submission is not asked again.
    """
    proposals = found.proposals()
    whole = [one for one in proposals if one.whole]
    joined = [] if mode == "apart" else whole
    if mode == "ask":
        joined = [one for one in whole if tuple(found.paths(one.parts)) in before]
        rest = [one for one in whole if one not in joined]
        joined += _ask(found, rest) if rest and _at_terminal(ctx, found) else []
    for one in proposals:
        _say_proposal(ctx, found, one, joined=one in joined, mode=mode)
    return joined


def _at_terminal(ctx: Context, found: Gathered) -> bool:
    streamed = any(source.file is None for source in found.sources)
    return not ctx.as_json and not streamed and sys.stdin.isatty() and sys.stderr.isatty()


def _ask(found: Gathered, proposals: Sequence[Proposal]) -> list[Proposal]:
    click.echo("these files seem to form one thing each:", err=True)
    for one in proposals:
        click.echo(f"  {_described(found, one)}", err=True)
    answer = click.prompt(
        "join them into one exhibit each?",
        type=click.Choice(["all", "none", "each"]),
        default="none",
        err=True,
    )
    if answer != "each":
        return list(proposals) if answer == "all" else []
    return [one for one in proposals if click.confirm(_described(found, one), err=True)]


def _say_proposal(ctx: Context, found: Gathered, one: Proposal, *, joined: bool, mode: str) -> None:
    line = {
        "status": "proposed-thing",
        "kind": one.kind,
        "joined": joined,
        "parts": [recorded_name(path) for path in found.paths(one.parts)],
        "missing": [recorded_name(name) for name in one.missing],
        "doubled": [recorded_name(name) for name in one.doubled],
    }
    if joined:
        what = "joined into one exhibit"
    elif one.whole:
        what = "kept apart" if mode == "apart" else "kept apart; --things join makes it one exhibit"
    else:
        what = "kept apart: " + "; ".join(filter(None, (_lacks(one), _doubles(one))))
    # Not among the results: what is not joined is no result, and what is shows its parts there.
    text = (
        json.dumps(line, ensure_ascii=False) if ctx.as_json else f"{_described(found, one)}: {what}"
    )
    click.echo(text, err=True)


def _described(found: Gathered, one: Proposal) -> str:
    names = [shown(path) for path in found.paths(one.parts)]
    if len(names) > _FEW:
        names = [*names[: _FEW - 1], "…", names[-1]]
    return f"{one.kind}, {len(one.parts)} parts: {', '.join(names)}"


def _lacks(one: Proposal) -> str:
    return f"{_few(one.missing)} missing" if one.missing else ""


def _doubles(one: Proposal) -> str:
    return f"{_few(one.doubled)} there twice" if one.doubled else ""


def _few(names: Sequence[bytes]) -> str:
    said = ", ".join(shown(name) for name in names[:_FEW])
    more = len(names) - _FEW
    return f"{said} and {more} more" if more > 0 else said
