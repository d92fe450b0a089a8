"""ledger, serve, worker, demo: what runs and what is published."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from custody.entry import Act, Draft
from ingest.sandbox import check_libmagic
from ingest.workflows import work
from repository import software
from repository.access import Right
from repository.authorise import on_house
from repository.ledger_mirror import publish
from repository.people import SYSTEM


@click.group()
def ledger() -> None:
    """Show checkpoints, proofs and entries of the custody ledger."""


@ledger.command("checkpoint")
@pass_context
def ledger_checkpoint(ctx: Context) -> None:
    """Publish the newest checkpoint to the store and print it; keep a copy elsewhere."""
    signed = publish(ctx.repo)
    if signed is None:
        ctx.say("the ledger is empty")
        return
    found = {
        "size": signed.checkpoint.size,
        "checkpoint": signed.note,
        "key": str(ctx.repo.ledger.key),
    }
    ctx.result(found, signed.note.rstrip("\n"))


@ledger.command("proof")
@click.argument("index", type=click.IntRange(min=0))
@pass_context
def ledger_proof(ctx: Context, index: int) -> None:
    """Print the inclusion proof of the entry at INDEX (C2SP tlog-proof); it shows no content."""
    proof = str(ctx.repo.ledger.proof(index))
    ctx.result({"index": index, "proof": proof}, proof.rstrip("\n"))


@ledger.command("tail")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=10, show_default=True)
@pass_context
def ledger_tail(ctx: Context, count: int) -> None:
    """Print the newest entries; reading the ledger is an access and is recorded."""
    actor = on_house(ctx.repo, ctx.caller, Right.GOVERN, attempted=Act.CONSULTATION)
    ctx.repo.ledger.record(Draft(Act.CONSULTATION, actor, reason="ledger"))
    size = ctx.repo.ledger.size()
    for entry in ctx.repo.ledger.entries(max(0, size - count), size):
        fields = entry.fields
        number = fields.get("exhibit", {}).get("number", "")
        ctx.result(
            {"index": entry.index, "body": entry.body.decode()},
            f"{entry.index:8}  {fields['at']}  {fields['type']:28} {fields['outcome']:9} "
            f"{fields['actor']['role']:12} {number}",
        )


@click.command()
@pass_context
def worker(ctx: Context) -> None:
    """Process what waits in the background until told to stop (Ctrl-C or SIGTERM)."""
    check_libmagic()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    parent = os.getppid()
    ctx.repo.ledger.record(
        Draft(Act.SERVICE_STARTED, SYSTEM, plain={"instrument": _instrument("worker")})
    )
    ctx.say("working; stop with Ctrl-C")
    work(
        ctx.repo,
        until=lambda: stop.is_set() or os.getppid() != parent,
        idle=stop.wait,
        done=lambda count: ctx.say(f"processed {count}") if count else None,
    )


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@pass_context
def serve(ctx: Context, host: str, port: int) -> None:
    """Run the web service and one worker beside it."""
    from api.server import claim, run

    check_libmagic()
    listener = claim(host, port)
    ctx.repo.ledger.record(
        Draft(Act.SERVICE_STARTED, SYSTEM, plain={"instrument": _instrument("serve")})
    )
    settings = ctx.settings
    ctx.close()
    beside = [sys.executable, "-P", "-m", "api.cli", "--data", str(settings.data)]
    if ctx.settings_file:
        beside += ["--config", str(ctx.settings_file.absolute())]
    working = subprocess.Popen([*beside, "worker"], stdin=subprocess.DEVNULL)
    ctx.say(f"serving http://{host}:{port}/ from {settings.data}; stop with Ctrl-C")
    try:
        run(settings, listener)
    finally:
        working.terminate()
        working.wait(timeout=30)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="A new folder.")
@pass_context
def demo(ctx: Context, out: Path | None) -> None:
    """Make a repository in a new folder and watch the whole job happen on real files."""
    from api.demo import run_demo

    check_libmagic()
    run_demo(out, say=click.echo, settings_file=ctx.settings_file)


def _instrument(tool: str) -> dict[str, object]:
    name, _, version = software().rpartition(" ")
    return {"tool": f"{name} {tool}", "version": version, "parameters": {}}


COMMANDS = (ledger, worker, serve, demo)
