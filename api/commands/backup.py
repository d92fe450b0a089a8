"""backup, restore, upgrade, recovery: a copy of all that is in no store, back again, its key."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from api.commands.context import Context, pass_context
from api.commands.forwarded import say_forward, told_of
from api.commands.outside import known_outside, outside_options
from config.settings import Settings
from custody.entry import Act, Draft, timestamp
from repository import now, open_first_signer, passphrase_file
from repository.access import Right
from repository.authorise import on_house
from repository.backup import Tell, back_up
from repository.backup_file import read_head
from repository.errors import AlreadyExists, BadRequest, WrongDatabase
from repository.recovery import (
    combined,
    draw,
    read_shares,
    recovery_file,
    recovery_key,
    share_text,
)
from repository.replacing import replacing
from repository.restore import Restored, drilled, unpack
from repository.restore import restore as bring_back
from repository.upgrading import migrate, recorded

_EVERY = 0.2  # seconds between two words of how far it is


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE|DIR",
    help="The file to make; or a folder, in which it gets a name.",
)  # fmt: skip
@pass_context
def backup(ctx: Context, out: Path) -> None:
    """Copy database, keys, secrets and settings into one sealed file, while the service runs.

    Objects stay in their stores. The file is read back before it gets its name; only the shares of
    the recovery key open it (evidence recovery new).
    """
    actor = on_house(ctx.repo, ctx.caller, Right.INSTALL, attempted=Act.REPLICATION)
    with telling(ctx) as tell:
        made = back_up(ctx.repo, actor, out.absolute(), tell)
    found = {
        "file": str(made.file), "sha256": made.sha256, "bytes": made.bytes, "size": made.size,
        "recovery": made.recovery, "elsewhere": list(made.elsewhere),
    }  # fmt: skip
    ctx.result(
        found,
        f"backup    {made.file}\nsha256    {made.sha256.partition(':')[2]}\n"
        f"bytes     {made.bytes}\nledger    {made.size} entries\n"
        f"opened by the recovery key {made.recovery}",
    )
    for one in made.elsewhere:
        ctx.say(f"not in it, as it never leaves its module: {one}; back the module up as well")
    ctx.say("keep it on another machine than this one, and the shares on neither")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--shares", multiple=True, metavar="FILE", help="Files with shares; - is the input.")
@click.option(
    "--store", "store_url", metavar="URL", help="Where the objects are now, if not where they were."
)
@click.option(
    "--read", type=click.IntRange(min=0), default=100, show_default=True,
    help="Exhibits to read back, drawn at random, beside those that the backup did not have.",
)  # fmt: skip
@outside_options
@click.option("--read-all", is_flag=True, help="Read every exhibit back.")
@click.option(
    "--drill", is_flag=True,
    help="Try it in a temporary folder beside the repository, which has it on record then.",
)  # fmt: skip
@pass_context
def restore(
    ctx: Context,
    file: Path,
    shares: Sequence[str],
    store_url: str | None,
    read: int,
    read_all: bool,
    drill: bool,
    checkpoints: Sequence[Path],
    receipts: Sequence[Path],
) -> None:
    """Restore the repository that FILE is a backup of, into the empty folder of --data.

    The database is the one of EVIDENCE_DATABASE_URL, empty too; without it SQLite in the folder.
    What was registered since the backup, and what was erased, comes from the object store.
    """
    given = shares_of(shares, read_head(file).recovery.threshold)
    most = None if read_all else read
    if drill:
        _drill(ctx, file, given, most)
        return
    data = (ctx.data or Settings().data).absolute()
    with telling(ctx) as tell:
        changes = {"store_url": store_url} if store_url else {}
        settings = unpack(file, given, data, tell, changes=changes)
        if settings.database_url:
            from ingest.durable import prepare

            prepare(settings)
        known = known_outside(checkpoints, receipts)
        repo, done = bring_back(settings, file, tell, read=most, known=known)
    repo.close()
    _say(ctx, done, str(data))
    say_forward(ctx, done.forward)
    if not done.forward.beyond:
        ctx.say("next: evidence verify --ledger, then evidence serve; look at config.toml first")
    if not done.whole or done.forward.beyond:
        click.get_current_context().exit(1)


def _drill(ctx: Context, file: Path, shares: Sequence[str], read: int | None) -> None:
    repo = ctx.repo
    actor = on_house(repo, ctx.caller, Right.INSTALL, attempted=Act.RESTORED)
    live = repo.settings
    changes = {"store_url": live.store_url or (live.data / "store").as_uri()}
    with TemporaryDirectory(dir=live.data / "work", prefix="drill-") as folder:
        data = Path(folder) / "data"
        with telling(ctx) as tell:
            settings = unpack(file, shares, data, tell, changes=changes, database="")
            tried, done = bring_back(settings, file, tell, read=read, drill=True)
        tried.close()
    drilled(repo, actor, done)
    _say(ctx, done, "a folder that is gone again: a drill")
    if not done.whole:
        click.get_current_context().exit(1)


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE|DIR",
    help="Where the backup goes that is made first.",
)  # fmt: skip
@pass_context
def upgrade(ctx: Context, out: Path) -> None:
    """Bring the database of an earlier version to this one; a backup is made first.

    With services and workers stopped. Broken off, the same command goes on. On PostgreSQL with the
    database owner's account; run config/deploy/postgresql-roles.sql again afterwards.
    """
    settings = ctx.settings
    with telling(ctx) as tell:
        needed = migrate(settings, out.absolute(), tell)
    if not needed:
        ctx.result({"upgraded": False}, "the database is at this program's revision already")
        return
    if settings.database_url:
        from ingest.durable import prepare

        prepare(settings)
    actor = on_house(ctx.repo, ctx.caller, Right.INSTALL, attempted=Act.CONFIGURATION_CHANGE)
    done = recorded(ctx.repo, actor)
    assert done is not None
    ctx.result(
        {"upgraded": True, **asdict(done)},
        f"upgraded  from revision {done.before} to {done.after}\nbackup    {done.file}\n"
        f"opened by the recovery key {done.recovery}",
    )
    ctx.say("next: evidence verify --ledger, then start services and workers")


def _say(ctx: Context, done: Restored, where: str) -> None:
    passed = sum(one.outcome == "pass" for one in done.findings)
    found = {
        "backup": done.backup, "sha256": done.sha256, **told_of(done.forward),
        "read_back": len(done.findings), "passed": passed,
        "findings": [asdict(one) for one in done.findings if one.outcome != "pass"],
    }  # fmt: skip
    ctx.result(
        found,
        f"restored  into {where}\nledger    {done.backup} entries in the backup, "
        f"{done.forward.size} with those of the store\n"
        f"exhibits  {len(done.forward.exhibits)} registered since the backup, all back\n"
        f"read back {passed} of {len(done.findings)} without fault",
    )
    for one in done.findings:
        if one.outcome != "pass":
            ctx.say(f"{one.outcome}  {one.subject}  {one.detail}")


@click.group()
def recovery() -> None:
    """Make the key that opens backups, and try its shares."""


@recovery.command("new")
@click.option("--shares", "count", required=True, type=int, help="How many there are, up to 16.")
@click.option("--threshold", required=True, type=int, help="How many are needed together.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR",
    help="Where the shares are written, a file each; best on memory or on sticks.",
)  # fmt: skip
@pass_context
def recovery_new(ctx: Context, count: int, threshold: int, out: Path) -> None:
    """Draw a recovery key, write its shares, and seal backups to it from now on.

    The key itself is kept nowhere. Backups made before are opened by the shares of before.
    """
    settings = ctx.settings
    record = _who_makes_a_key(ctx)
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AlreadyExists(f"{out} is not empty; shares are never written over others")
    key, words = draw(threshold, count)
    at = timestamp(now())
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = []
    for number, one in enumerate(words, 1):
        file = out / f"share-{number}-of-{count}.txt"
        _new_file(file, share_text(key, number, one, origin=settings.origin, at=at))
        names.append(str(file))
    # What was written is tried before anything depends on it.
    combined(key, read_shares(Path(name).read_text() for name in names[-threshold:]))
    with replacing(recovery_file(settings)) as public:
        public.write(json.dumps(key.to_json()).encode() + b"\n")
    record({"recovery": key.id, "threshold": threshold, "shares": count})
    ctx.result(
        {"recovery": key.id, "threshold": threshold, "shares": names},
        f"recovery key {key.id}, {threshold} of {count} shares:\n" + "\n".join(names),
    )
    ctx.say(
        "Give each share to another person, on paper or a stick; then destroy these files. "
        "Several machines over one database: copy keys/recovery.json to each.\n"
        "Next: evidence recovery check --shares FILE … and evidence backup --out DIR"
    )


@recovery.command("show")
@pass_context
def recovery_show(ctx: Context) -> None:
    """Print which recovery key backups are sealed to, and how many shares open them."""
    on_house(ctx.repo, ctx.caller, Right.INSTALL, attempted=Act.CONSULTATION)
    key = recovery_key(ctx.settings)
    ctx.result(
        {"recovery": key.id, "threshold": key.threshold, "shares": key.shares},
        f"recovery key {key.id}: {key.threshold} of {key.shares} shares open a backup",
    )


@recovery.command("check")
@click.option("--shares", multiple=True, metavar="FILE", help="Files with shares; - is the input.")
@pass_context
def recovery_check(ctx: Context, shares: Sequence[str]) -> None:
    """Try whether shares restore the recovery key; what they restore is shown to nobody."""
    on_house(ctx.repo, ctx.caller, Right.INSTALL, attempted=Act.CONSULTATION)
    key = recovery_key(ctx.settings)
    given = shares_of(shares, key.threshold)
    combined(key, given)
    ctx.result(
        {"recovery": key.id, "shares": len(given), "outcome": "pass"},
        f"{len(given)} shares restore the recovery key {key.id}",
    )


def _who_makes_a_key(ctx: Context) -> Callable[[dict[str, Any]], None]:
    """Return how the making of a recovery key is put on record.

    Before an upgrade it cannot be: the backup that the upgrade begins with is then the first
    entry that names the key.

    Raises:
        AccessDenied: not for this caller; recorded.
    """
    try:
        repo = ctx.repo
    except WrongDatabase:
        # Who reads the passphrase could open the house with the program that made it.
        open_first_signer(ctx.settings, passphrase_file(ctx.settings).read_bytes().strip())
        return lambda _: None
    actor = on_house(repo, ctx.caller, Right.GOVERN, attempted=Act.CONFIGURATION_CHANGE)

    def record(detail: dict[str, Any]) -> None:
        change = Act.CONFIGURATION_CHANGE
        withheld = {"detail": detail}
        repo.ledger.record(Draft(change, actor, reason="recovery-key", withheld=withheld))

    return record


def shares_of(files: Sequence[str], wanted: int) -> list[str]:
    """Return the shares in files, or ask for them one by one.

    Raises:
        BadRequest: a file cannot be read, or holds none.
    """
    if not files:
        return read_shares(
            click.prompt(f"share {n} of {wanted}", hide_input=True) for n in range(1, wanted + 1)
        )
    texts = []
    for name in files:
        try:
            texts.append(sys.stdin.read() if name == "-" else Path(name).read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequest(f"the share in {name} cannot be read: {error}") from error
    return read_shares(texts)


@contextmanager
def telling(ctx: Context) -> Iterator[Tell]:
    """Yield a function that shows people at a terminal how far a long act has come."""
    if ctx.as_json or not sys.stderr.isatty():
        yield lambda _step, _done, _of: None
        return
    said = {"": 0.0}  # the step, and when it was last told of

    def tell(step: str, done: int, of: int) -> None:
        now = time.monotonic()
        if done < of and now - said.get(step, 0.0) < _EVERY:
            return
        said.clear()
        said[step] = now
        click.echo(f"\r{step}: {100 * done // max(1, of):3} %\033[K", err=True, nl=False)

    try:
        yield tell
    finally:
        click.echo("\r\033[K", err=True, nl=False)


def _new_file(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


COMMANDS = (backup, restore, upgrade, recovery)
