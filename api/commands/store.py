"""store check, list, move; erase request, list, approve, refuse: keeping bytes, and ending them."""

from hashlib import sha256
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from api.commands.moving import Pace, move_view, running_once, said, settings_of
from custody.entry import Act, timestamp
from repository import erasure
from repository.access import Right
from repository.authorise import on_house
from repository.errors import BadRequest, StoreUnavailable
from repository.exhibits import children_of, parent_of
from repository.holdings import holdings
from repository.ledger_mirror import publish
from repository.move import Target, begin, latest, progress, run
from repository.reconcile import reconcile
from repository.trial import try_locks


@click.group()
def store() -> None:
    """Try the stores' locks, list what they hold, and move to another one."""


@store.command("check")
@pass_context
def store_check(ctx: Context) -> None:
    """Try to break the locks of every store, and put on record what nobody registered."""
    repo = ctx.repo
    on_house(repo, ctx.caller, Right.INSTALL, attempted=Act.STORE_CHECK)
    worst = 0
    for place in repo.stores:
        try:
            row = try_locks(repo, place)
            outcome, detail = row.outcome, row.detail
        except StoreUnavailable as error:
            outcome, detail = "not-done", str(error)
        found = {"check": "store", "subject": place, "outcome": outcome, "detail": detail}
        ctx.result(found, f"{outcome:8}  {place}: {detail}")
        worst = max(worst, {"pass": 0, "not-done": 3, "fail": 1}[outcome], key=(0, 3, 1).index)
    for finding in reconcile(repo):
        found = {
            "check": finding.check,
            "subject": finding.subject,
            "outcome": finding.outcome,
            "detail": finding.detail,
        }
        ctx.result(found, f"{finding.outcome:8}  {finding.subject}: {finding.detail}")
        worst = 1 if finding.outcome == "fail" else worst
    if worst:
        click.get_current_context().exit(worst)


@store.command("list")
@pass_context
def store_list(ctx: Context) -> None:
    """List every stored object with its digest, for whoever audits the storage without keys."""
    on_house(ctx.repo, ctx.caller, Right.INSTALL, attempted=Act.CONSULTATION)
    for stored in holdings(ctx.repo, ctx.caller):
        said = f"{stored['sha256']}  {stored['size']:>14}  {stored['bucket']}/{stored['key']}"
        last = f"{stored['place']} {stored['verified']} {stored['verified_at']}"
        ctx.result(stored, f"{said}  {stored['version']}  {last}")


@store.command("move")
@click.option("--to", "url", metavar="URL", help="The new store, as `store_url` names one.")
@click.option("--access-key-file", type=click.Path(path_type=Path), metavar="FILE",
              help="S3 access key of the new store; every machine needs this file.")  # fmt: skip
@click.option("--secret-key-file", type=click.Path(path_type=Path), metavar="FILE",
              help="S3 secret key of the new store; every machine needs this file.")  # fmt: skip
@click.option("--ca-file", type=click.Path(path_type=Path), metavar="FILE",
              help="Authorities that vouch for the new store's server (PEM).")  # fmt: skip
@click.option("--status", is_flag=True, help="Say how far a move has come, and do nothing.")
@pass_context
def store_move(
    ctx: Context,
    url: str | None,
    access_key_file: Path | None,
    secret_key_file: Path | None,
    ca_file: Path | None,
    status: bool,
) -> None:
    """Move everything to another store; interrupted, the same command goes on.

    From its beginning the new store takes what is new, and reads are answered from whichever has
    it. Nothing is removed from the old store.
    """
    repo = ctx.repo
    actor = on_house(repo, ctx.caller, Right.INSTALL, attempted=Act.CONFIGURATION_CHANGE)
    if status:
        found = latest(repo)
        if found is None:
            ctx.result({"state": "none"}, "nothing was ever moved")
        else:
            ctx.result(move_view(found), said(found))
        return
    if url is None:
        raise BadRequest("say where to: --to URL; or --status")
    target = Target(url, access_key_file, secret_key_file, ca_file)
    with running_once(repo.settings.data / "work" / "store-move"):
        row = begin(repo, actor, target)
        pace = Pace(latest(repo))
        outcome = run(repo, actor, row, lambda found: pace.told(found, ctx.say))
    done = progress(repo, row)
    for subject, detail in outcome.problems.items():
        ctx.result(
            {"subject": subject, "outcome": "fail", "detail": detail}, f"{subject}: {detail}"
        )
    ctx.result(move_view(done), said(done))
    if outcome.problems:
        ctx.say("not ended: repair what is named, and run the same command again")
        click.get_current_context().exit(1)
    ctx.say(
        "stop the service and every worker; run this once more, for what was on its way in; then "
        "set in config.toml:\n\n" + settings_of(row) + "\nand start them. The old store is as it "
        "was: keys that later erasures destroy stay in it, so keep it as safely as the new one, or "
        "destroy it"
    )


@click.group()
def erase() -> None:
    """Erase an exhibit by order: one custodian asks, another decides."""


@erase.command("request")
@click.argument("exhibit")
@click.option("--order", "order", required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="The document that orders it; its digest goes on record.")  # fmt: skip
@click.option("--motive", required=True, help="Why, in words.")
@pass_context
def erase_request(ctx: Context, exhibit: str, order: Path, motive: str) -> None:
    """Ask for an erasure; nothing is destroyed yet."""
    try:
        digest = f"sha256:{sha256(order.read_bytes()).hexdigest()}"
    except OSError as error:
        raise BadRequest(f"{order} cannot be read: {error.strerror}") from error
    row = erasure.request(ctx.repo, ctx.caller, exhibit, order=digest, motive=motive)
    publish(ctx.repo)
    ctx.result({"erasure": row.id, "exhibit": exhibit, "order": row.document}, row.id)
    ctx.say("nothing is destroyed until another custodian approves: evidence erase approve ID")
    with ctx.repo.database.reading() as session:
        parent = parent_of(session, row.exhibit_id)
        children = children_of(session, row.exhibit_id)
    if parent is not None:
        ctx.say(f"the same bytes are a member of {parent.number}, which stays")
    standing = [one.number for one in children if one.erased_at is None]
    if standing:
        ctx.say(f"taken out of it, and each erased by an order of its own: {', '.join(standing)}")


@erase.command("list")
@pass_context
def erase_list(ctx: Context) -> None:
    """List the erasures that wait for a decision, or for a store."""
    for row, number in erasure.waiting(ctx.repo, ctx.caller):
        at = timestamp(row.requested_at)
        found = {"erasure": row.id, "exhibit": number, "state": row.state, "requested_at": at}
        ctx.result(found, f"{row.id}  {number}  {row.state}  {at}")


@erase.command("approve")
@click.argument("erasure_id", metavar="ID")
@click.option("--motive", required=True, help="Why, in words.")
@pass_context
def erase_approve(ctx: Context, erasure_id: str, motive: str) -> None:
    """Approve an erasure that somebody else asked for: nobody can read the exhibit any more."""
    try:
        row = erasure.approve(ctx.repo, ctx.caller, erasure_id, motive=motive)
    except StoreUnavailable as error:
        ctx.say("approved: the exhibit cannot be read; a copy of its wrapped key still stands")
        raise StoreUnavailable(f"{error}; the worker goes on when the store answers") from error
    publish(ctx.repo)
    ctx.result({"erasure": row.id, "state": row.state}, f"{row.id}  {row.state}")


@erase.command("refuse")
@click.argument("erasure_id", metavar="ID")
@click.option("--motive", required=True, help="Why, in words.")
@pass_context
def erase_refuse(ctx: Context, erasure_id: str, motive: str) -> None:
    """Refuse an erasure that somebody else asked for; the exhibit stays."""
    erasure.reject(ctx.repo, ctx.caller, erasure_id, motive=motive)
    publish(ctx.repo)
    ctx.result({"erasure": erasure_id, "state": "refused"}, f"{erasure_id}  refused")


COMMANDS = (store, erase)
