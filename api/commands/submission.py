"""submission: what was announced, what has arrived, what is missing; its end and its receipts."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from custody.entry import Actor, timestamp
from custody.receipt import SubmissionReceipt
from ingest import completion, overview
from ingest.errors import SubmissionIncomplete
from ingest.lines import STATES, Line
from ingest.overview import Cursor, Overview, line_json
from repository.authorise import on_own_submission
from repository.errors import BadRequest
from repository.ledger_mirror import publish
from repository.models import Submission
from repository.naming import shown
from repository.submissions import complete as close

_PAGE = 2_000


@click.group()
def submission() -> None:
    """See what was announced and has not arrived; end a submission; its receipts."""


@submission.command("list")
@click.option("--case", "code", required=True, metavar="CODE")
@pass_context
def submission_list(ctx: Context, code: str) -> None:
    """List the submissions of a case that are not complete."""
    found = overview.open_ones(ctx.repo, ctx.caller, code)
    now = ctx.repo.clock()
    for one in found:
        row = one.progress.submission
        words = f"{row.id}  {_counts(one)}  {_last(one, now)}"
        ctx.result(one.to_json(), words)
    if not found:
        ctx.say(f"no submission of case {code} is open")


@submission.command("show")
@click.argument("name", metavar="SUB-…")
@click.option("--files", "with_files", is_flag=True, help="Every file and what became of it.")
@click.option("--state", type=click.Choice(STATES), help="Only files in this state.")
@pass_context
def submission_show(ctx: Context, name: str, with_files: bool, state: str | None) -> None:
    """Show how far a submission is, when its last byte came and when it is given up."""
    one = overview.show(ctx.repo, ctx.caller, name)
    if not (with_files or state):
        ctx.result(one.to_json(), _described(one, ctx.repo.clock()))
        return
    after: Cursor = (0, None)
    while found := overview.files(
        ctx.repo, ctx.caller, name, state=state, after=after, limit=_PAGE
    ):
        for line in found:
            ctx.result(line_json(line), _row(line))
        if len(found) < _PAGE:
            return
        after = overview.cursor_of(found[-1])


@submission.command("complete")
@click.argument("name", metavar="SUB-…")
@click.option("--without-missing", is_flag=True, help="Although announced files never came.")
@click.option("--motive", help="Why it ends without them.")
@pass_context
def submission_complete(ctx: Context, name: str, without_missing: bool, motive: str | None) -> None:
    """End a submission and write its one receipt for all."""
    repo = ctx.repo
    actor, _, row = on_own_submission(repo, ctx.caller, name)
    made = completion.complete(repo, actor, row.id, without_missing=without_missing, motive=motive)
    file = completion.write_receipt(repo, made)
    publish(repo)
    _said(ctx, made, file)


@submission.command("receipt")
@click.argument("name", metavar="SUB-…")
@click.option(
    "--stage", type=click.Choice(("announced", "complete")), default="complete", show_default=True
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.")
@click.option("--pdf", is_flag=True, help="As pages for people; needs --out.")
@pass_context
def submission_receipt(ctx: Context, name: str, stage: str, out: Path | None, pdf: bool) -> None:
    """Make a receipt of a submission anew, with the witnesses it has by now."""
    if pdf and out is None:
        raise BadRequest("a PDF goes into a file: --out FILE")
    if out is not None and out.exists():
        raise BadRequest(f"{shown(out)} is there already; nothing was written")
    found = overview.receipt(ctx.repo, ctx.caller, name, stage)
    if pdf and out is not None:
        out.write_bytes(completion.receipt_pages(ctx.repo, found))
        _said(ctx, found, out)
        return
    with completion.spooled(ctx.repo, found) as file:
        if out is None:
            for line in file:
                click.echo(line, nl=False)
            return
        with out.open("xb") as target:
            shutil.copyfileobj(file, target)
    _said(ctx, found, out)


def give_receipt(ctx: Context, actor: Actor, row: Submission) -> None:
    """End a submission whose every file was dealt with here, and say where its receipt is."""
    repo = ctx.repo
    try:
        made = completion.complete(repo, actor, row.id)
    except SubmissionIncomplete as error:
        if any(error.facts.values()):
            ctx.say(f"{row.id} stays open: {error}")
        else:
            close(repo, row)  # nothing was handed in, so there is nothing to acknowledge
        return
    file = completion.write_receipt(repo, made)
    publish(repo)
    ctx.say(f"the receipt for all {made.count} files of {row.id}: {file}")


def _said(ctx: Context, made: SubmissionReceipt, file: Path) -> None:
    found = {
        "submission": made.submission,
        "stage": made.stage,
        "files": made.count,
        "sha256": made.sha256,
        "entry": made.index,
        "receipt": str(file),
    }
    ctx.result(
        found,
        f"{made.submission}  {made.stage}  {made.count} files  {made.sha256}  "
        f"entry {made.index}\nreceipt   {file}",
    )


def _counts(one: Overview) -> str:
    found = one.progress
    if not found.listed:
        return f"no list, {found.further} files"
    states = ", ".join(f"{found.files[state]} {state}" for state in STATES if state in found.files)
    more = f", {found.further} further" if found.further else ""
    return f"{found.listed} files: {states}{more}"


def _last(one: Overview, now: datetime) -> str:
    row = one.progress.submission
    if row.touched_at is None or one.expires_at is None:
        return f"begun {_ago(now - row.opened_at)}"
    return f"last byte {_ago(now - row.touched_at)}, given up {timestamp(one.expires_at)}"


def _described(one: Overview, now: datetime) -> str:
    found, row = one.progress, one.progress.submission
    lines = [
        ("submission", row.id),
        ("case", found.case),
        ("begun", timestamp(row.opened_at)),
        ("files", _counts(one)),
        ("bytes", f"{found.arrived} of {found.size} announced"),
        ("on their way", f"{found.open} uploads, {found.finishing} being finished"),
        ("looked at", f"{found.looked} of {found.exhibits} exhibits"),
        ("list", one.list or "none was sent"),
    ]
    if row.completed_at is None:
        lines.append(("open", _last(one, now)))
    else:
        lines.append(("complete", timestamp(row.completed_at)))
        lines.append(("receipt", one.receipt or "none"))
    return "\n".join(f"{name:14}{value}" for name, value in lines)


def _row(line: Line) -> str:
    became = line.exhibit or line.quarantine or ""
    if line.part is not None:
        became += f" part {line.part}"
    further = "  (not announced)" if line.further else ""
    return (
        f"{line.n:>7}  {line.state:12}  {became:20}  {line.size:>14}  {shown(line.path)}{further}"
    )


def _ago(passed: timedelta) -> str:
    minutes = int(passed.total_seconds()) // 60
    days, hours = minutes // 1_440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h ago"
    return f"{hours} h {minutes % 60} min ago" if hours else f"{minutes} min ago"


COMMANDS = (submission,)
