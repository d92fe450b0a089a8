"""serve, worker, demo: what runs."""

import os
import signal
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from custody.entry import Act, Draft
from ingest.sandbox import check_libmagic
from ingest.workflows import work
from repository import open_repository, software
from repository.people import SYSTEM


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
        problem=lambda text: ctx.say(f"not yet: {text}"),
    )


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--tls", is_flag=True, help="Encrypt the line; makes a certificate once.")
@pass_context
def serve(ctx: Context, host: str, port: int, tls: bool) -> None:
    """Run the web service and one worker beside it."""
    from api.app import create_app
    from api.server import claim, run

    check_libmagic()
    context = _tls(ctx, wanted=tls)
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
    scheme = "http" if context is None else "https"
    if context is None and host not in ("127.0.0.1", "::1", "localhost"):
        ctx.say("tokens and evidence cross this network readable: use --tls, or a proxy with TLS")
    ctx.say(f"serving {scheme}://{host}:{port}/ from {settings.data}; stop with Ctrl-C")
    try:
        run(lambda: create_app(open_repository(settings)), listener, context)
    finally:
        working.terminate()
        working.wait(timeout=30)


def _tls(ctx: Context, *, wanted: bool) -> ssl.SSLContext | None:
    """Return what to speak TLS with, if it is asked for here or in the settings."""
    from api.tls import make_identity, server_context

    settings = ctx.settings
    named = settings.tls_certificate_file or settings.tls_key_file
    if not (wanted or settings.tls or named):
        return None
    identity = make_identity(settings)
    ctx.say(f"the key of this service: {identity.pin}")
    return server_context(identity, settings)


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


COMMANDS = (worker, serve, demo)
