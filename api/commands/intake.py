"""ingest and quarantine: how evidence comes in."""

import os
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import click

from api.commands import remote
from api.commands.context import Context, exit_code, file_result, pass_context, worst
from api.commands.gathering import THINGS, Offer, offered
from api.commands.rules import condition_options, conditions_json, declared_conditions
from api.commands.submission import give_receipt
from custody.entry import Act, Draft
from ingest import matchable
from ingest.batch import Failure
from ingest.batch import ingest as take_in
from ingest.quarantine import held, reject, release
from ingest.receive import declared_digests
from ingest.register import Outcome, received_of
from ingest.sources import Thing, find, named
from ingest.staging import joined_before
from ingest.workflows import TOGETHER, Processors, Runs
from repository.access import Right
from repository.authorise import on_case, on_house
from repository.consult import known_numbers
from repository.errors import BadRequest, KeyUnavailable, StoreError
from repository.ledger_mirror import publish
from repository.models import Submission
from repository.naming import recorded_name, shown
from repository.purpose import parse
from repository.search import index as search_index
from repository.submissions import FAMILIES, Declaration, interrupted, open_submission

_AMONG = 500  # exhibits that are compared at once with what others hold


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.UNPROCESSED)
@click.option("--case", "code", metavar="CODE", help="Needed, but where an invitation names it.")
@click.option("--purpose", default="investigation", show_default=True)
@click.option("--collected-by")
@click.option(
    "--collected-at", metavar="TIME", help="Like 2026-11-20T14:05:00+01:00, or 2026-11-20."
)
@click.option("--place")
@click.option("--method")
@click.option("--authority")
@click.option("--source")
@click.option("--conditions", help="Under which the source gave it.")
@click.option("--digest", "digests", multiple=True, metavar="ALG:HEX", help="Digest at source.")
@click.option("--sha256", metavar="HEX", help="The same as --digest sha256:HEX.")
@click.option(
    "--manifest", "manifest", type=click.Path(path_type=Path), metavar="FILE",
    help="What is declared of each file: CSV, JSON lines, sha256sum, hashdeep, a bag.",
)  # fmt: skip
@click.option(
    "--manifest-root",
    "root",
    type=click.UNPROCESSED,
    metavar="PATH",
    help="What the list's paths begin with; left out.",
)
@click.option("--near", is_flag=True, help="Take paths of the list that nearly fit as meant.")
@click.option(
    "--things", type=click.Choice(THINGS), default="ask", show_default=True,
    help="Files that form one thing: ask at a terminal, join them, or keep them apart.",
)  # fmt: skip
@click.option("--family", type=click.Choice(FAMILIES), default="other", show_default=True)
@click.option("--submission", "submission_name", metavar="ID", help="Begin or continue this one.")
@click.option("--no-extract", is_flag=True, help="Leave identification and metadata to a worker.")
@condition_options
@remote.remote_options
@pass_context
def ingest(
    ctx: Context,
    /,
    paths: tuple[str, ...],
    code: str | None,
    purpose: str,
    digests: tuple[str, ...],
    sha256: str | None,
    manifest: Path | None,
    root: str | None,
    near: bool,
    things: str,
    submission_name: str | None,
    no_extract: bool,
    **claims: Any,
) -> None:
    """Take in files and folders ("-": standard input), unchanged, and give a receipt for each."""
    declared = declared_digests([*digests, *([f"sha256:{sha256}"] if sha256 else [])])
    _check_paths(paths, one=bool(declared))
    far = {name: claims.pop(name) for name in remote.NAMES}
    marking = declared_conditions(claims)
    declaration = Declaration(purpose=parse(purpose), **claims)
    if declared and manifest is not None:
        raise BadRequest("give digests either with --digest, for one file, or in the list")

    def gather(joined: frozenset[tuple[bytes, ...]]) -> Offer:
        return offered(
            ctx, [replace(source, declared=declared) for source in find(paths)],
            manifest=manifest, root=root, take_near=near, things=things, joined_before=joined,
        )  # fmt: skip

    if far["to"]:
        said = {"purpose": purpose, **claims, "marking": conditions_json(marking)}
        code_of_all = remote.send(
            ctx, paths, code, gather=gather, said=said, submission=submission_name, options=far
        )
        raise click.exceptions.Exit(code_of_all)
    if code is None:
        raise BadRequest("name the case: --case CODE")
    repo = ctx.repo
    actor, case = on_case(repo, ctx.caller, Right.INGEST, code, attempted=Act.SUBMISSION)
    places = named(paths)
    before = interrupted(
        repo, actor, case, declaration, named=submission_name, sources=places, marking=marking
    )
    offer = gather(joined_before(repo, before) if before else frozenset())
    submission, going_on = open_submission(
        repo, actor, case, declaration,
        named=submission_name, sources=places, manifest=offer.manifest, marking=marking,
    )  # fmt: skip
    ctx.say(f"{'going on with' if going_on else 'submission'} {submission.id}")
    results = take_in(repo, actor, case, submission, offer.things)
    codes: list[int] = [1] if offer.unmatched else []  # announced, and not there
    failed = bool(offer.unmatched)
    with Background(ctx, on=not no_extract) as background:
        try:
            with ctx.progress(results, label="taking in", length=len(offer.things)) as shown_ones:
                for thing, result in zip(offer.things, shown_ones, strict=True):
                    codes.append(_show(ctx, submission, thing, result))
                    failed = failed or isinstance(result, Failure)
                    background.add(result)
        finally:
            publish(repo)
        background.finish()
    done = sum(code == 0 for code in codes)
    count = len(offer.things)
    ctx.say(f"{done} of {count} registered in {submission.id}; receipts in {repo.receipts}")
    if failed:
        ctx.say(f"to try the rest again: the same command with --submission {submission.id}")
    else:
        give_receipt(ctx, actor, submission)  # until here the same command goes on with it
    raise click.exceptions.Exit(worst(codes))


def _check_paths(paths: tuple[str, ...], *, one: bool) -> None:
    for path in paths:
        try:
            if path != "-":
                os.stat(path)  # noqa: PTH116  (Path("") is the folder one stands in)
        except FileNotFoundError as error:
            raise BadRequest(
                f"there is no file or folder {shown(path)}; nothing was taken in"
            ) from error
        except OSError as error:
            raise BadRequest(f"{shown(path)}: {error.strerror}; nothing was taken in") from error
    if one and (len(paths) != 1 or (paths[0] != "-" and Path(paths[0]).is_dir())):
        raise BadRequest("a digest is declared for one file; name that file alone")
    if paths.count("-") > 1:
        raise BadRequest("standard input can be read only once")


def _show(ctx: Context, submission: Submission, thing: Thing, result: Outcome | Failure) -> int:
    if isinstance(result, Failure):
        found = file_result(submission.id, result.path, status="failed", error=result.error.code)
        ctx.result(found, f"failed  {result.error}")
        return exit_code(result.error)
    found = file_result(
        submission.id,
        result.path,
        exhibit=result.number,
        sha256=result.sha256,
        size=result.size,
        entry=result.index,
        stored=result.at,
        status=result.status,
        receipt=str(result.receipt) if result.receipt else None,
        error=None if result.status == "registered" else "digest-mismatch",
    )
    label = result.number or f"quarantined {result.quarantine}"
    notes = ""
    if len(thing.sources) > 1:
        names = [recorded_name(source.path) for source in thing.sources]
        found["parts"] = [{"part": n, "path": name} for n, name in enumerate(names, 1)]
        notes = f" and {len(names) - 1} further parts"
    if result.quarantine:
        found["quarantine"] = result.quarantine
        notes += "  the declared digest is another; kept, without a number"
    if result.again:
        notes += "  registered before"
    mine = known_numbers(ctx.repo, ctx.caller, result.known_as) if result.known_as else ()
    if same := [one for one in result.known_as if one in mine]:
        found["known_as"] = same
        notes += f"  the same bytes as {', '.join(same)}"
    ctx.result(
        found,
        f"{label}  {result.sha256}  {result.size} bytes  entry {result.index}  "
        f"{shown(result.path)}{notes}",
    )
    return 0 if result.status == "registered" else 1


class Background:
    """Looks at what was registered while the rest is still coming in."""

    def __init__(self, ctx: Context, *, on: bool) -> None:
        self._ctx = ctx
        self._processors = Processors(ctx.repo) if on else None
        self._waiting: list[str] = []
        self._groups: list[Future[Runs]] = []
        self._exhibits: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._processors is not None:
            self._processors.__exit__()

    def add(self, result: Outcome | Failure) -> None:
        """Hand over a result; exhibits are looked at in groups."""
        if self._processors is None or isinstance(result, Failure) or not result.number:
            return
        self._waiting.append(result.exhibit_id)
        self._exhibits.append(result.exhibit_id)
        if len(self._waiting) >= TOGETHER:
            self._groups += self._processors.submit(self._waiting)
            self._waiting = []

    def finish(self) -> None:
        """Wait for the rest and say what came of it."""
        if self._processors is None:
            return
        self._groups += self._processors.submit(self._waiting)
        if not self._groups:
            return
        outcomes: Counter[str] = Counter()
        with self._ctx.progress(
            self._groups, label="looking at it", length=len(self._groups)
        ) as groups:
            for group in groups:
                for run in group.result():
                    outcomes[run.outcome if run else "done before, or damaged"] += 1
        self._match()
        self._index()
        publish(self._ctx.repo)
        said = ", ".join(f"{count} {word}" for word, count in sorted(outcomes.items()))
        self._ctx.say(f"identification and metadata: {said}")

    def _match(self) -> None:
        """Compare with what other institutions hold, where the exhibits' own takes part."""
        try:
            for start in range(0, len(self._exhibits), _AMONG):
                matchable.make_all(self._ctx.repo, self._exhibits[start : start + _AMONG])
        except KeyUnavailable as error:
            self._ctx.say(f"not compared with what others hold, a worker will: {error}")

    def _index(self) -> None:
        """Have what was taken in found by search; a worker does what fails here."""
        try:
            for start in range(0, len(self._exhibits), _AMONG):
                search_index.make_all(self._ctx.repo, self._exhibits[start : start + _AMONG])
        except (KeyUnavailable, StoreError) as error:
            self._ctx.say(f"not indexed for search, a worker will: {error}")


@click.group()
def quarantine() -> None:
    """Decide about bytes whose declared digest differs."""


@quarantine.command("list")
@pass_context
def quarantine_list(ctx: Context) -> None:
    """List what waits for a decision."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    waiting = held(ctx.repo)
    ctx.repo.ledger.record(
        Draft(Act.CONSULTATION, actor, reason="quarantine-list", plain={"count": len(waiting)})
    )
    for kept, code in waiting:
        received = received_of(kept)
        first = received.parts[0]
        found: dict[str, Any] = {
            "quarantine": kept.id,
            "case": code,
            "submission": kept.submission_id,
            "path": recorded_name(kept.path),
            "declared": first.declared,
            "observed": first.digests,
            "entry": kept.index,
        }
        more = ""
        if len(received.parts) > 1:
            found["parts"] = [
                {
                    "part": part.part,
                    "path": recorded_name(part.path),
                    "declared": part.declared,
                    "observed": part.digests,
                    "mismatches": part.mismatches,
                }
                for part in received.parts
            ]
            differing = [part for part in received.parts if part.mismatches]
            said = ", ".join(f"part {part.part} {shown(part.path)}" for part in differing)
            more = f"  {len(received.parts)} parts; the digest differs of {said}"
        ctx.result(
            found,
            f"{kept.id}  {code}  {received.sha256}  entry {kept.index}  {shown(kept.path)}{more}",
        )


@quarantine.command("release")
@click.argument("quarantine_id", metavar="ID")
@click.option("--motive", required=True)
@pass_context
def quarantine_release(ctx: Context, quarantine_id: str, motive: str) -> None:
    """Register the bytes after all; the difference stays in the record."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.APPROVAL_GIVEN)
    outcome = release(ctx.repo, actor, quarantine_id, motive=motive)
    publish(ctx.repo)
    ctx.result(
        {"quarantine": quarantine_id, "exhibit": outcome.number, "entry": outcome.index},
        f"{outcome.number}  {outcome.sha256}  entry {outcome.index}",
    )


@quarantine.command("reject")
@click.argument("quarantine_id", metavar="ID")
@click.option("--motive", required=True)
@pass_context
def quarantine_reject(ctx: Context, quarantine_id: str, motive: str) -> None:
    """Decide that the bytes do not become an exhibit; they stay stored."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.APPROVAL_REFUSED)
    reject(ctx.repo, actor, quarantine_id, motive=motive)
    publish(ctx.repo)
    ctx.result({"quarantine": quarantine_id, "rejected": True}, f"{quarantine_id} is rejected")


COMMANDS = (ingest, quarantine)
