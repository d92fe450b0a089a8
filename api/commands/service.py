"""serve, worker, demo: what runs."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from api.commands.context import Context, pass_context
from api.told import Told
from ingest.sandbox import check_libmagic
from repository import open_repository
from repository.installed import record_start
from repository.setbacks import try_again

WORKER_ENDS = 10.0  # seconds that a worker has to hand back what it holds


@click.command()
@click.option("--once", is_flag=True, help="Do everything that is due, then end.")
@click.option("--again", is_flag=True, help="First let what was given up be tried again.")
@pass_context
def worker(ctx: Context, once: bool, again: bool) -> None:
    """Do what waits in the background until told to stop (Ctrl-C or SIGTERM)."""
    from ingest.duties import counts
    from ingest.worker import work

    check_libmagic()
    stop = Told()
    parent = os.getppid()
    if again:
        ctx.say(f"{try_again(ctx.repo)} things that were given up are tried again")
    if not once:
        record_start(ctx.repo, "worker")
        ctx.say("working; stop with Ctrl-C")
    whole = work(
        ctx.repo,
        until=lambda: bool(stop) or os.getppid() != parent,
        idle=stop.wait,
        say=ctx.say,
        once=once,
    )
    code = 0
    if once:
        code = 0 if whole else 3
        left = counts(ctx.repo)
        waits = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in left.items() if n)
        ctx.result(left, f"waiting: {waits or 'nothing'}")
    click.get_current_context().exit(code)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--tls", is_flag=True, help="Encrypt the line; makes a certificate once.")
@pass_context
def serve(ctx: Context, host: str, port: int, tls: bool) -> None:
    """Run the web service and one worker beside it."""
    from api import logs, metrics
    from api.app import create_app
    from api.server import claim, run

    check_libmagic()
    context = _tls(ctx, wanted=tls)
    listener = claim(host, port)
    counted = _counted(ctx)
    logs.install()
    record_start(ctx.repo, "serve")
    settings = ctx.settings
    ctx.close()
    counter = metrics.start(counted, ctx.settings) if counted else None
    beside = [sys.executable, "-P", "-m", "api.cli", "--data", str(settings.data)]
    if ctx.settings_file:
        beside += ["--config", str(ctx.settings_file.absolute())]
    keeper = _keep([*beside, "worker"], listener, ctx.say)
    scheme = "http" if context is None else "https"
    if context is None and host not in ("127.0.0.1", "::1", "localhost"):
        ctx.say("tokens and evidence cross this network readable: use --tls, or a proxy with TLS")
    ctx.say(f"serving {scheme}://{host}:{port}/ from {settings.data}; stop with Ctrl-C")
    try:
        run(lambda: create_app(open_repository(settings)), listener, context)
    finally:
        # Gunicorn may have waited for its death already.
        for child in (keeper, counter):
            if child is not None:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(child, signal.SIGTERM)
                    os.waitpid(child, 0)


def _counted(ctx: Context) -> socket.socket | None:
    """Return the socket of the metrics, if the settings want them."""
    from api.server import claim

    settings = ctx.settings
    if not settings.metrics_port:
        return None
    ctx.say(f"metrics: http://{settings.metrics_host}:{settings.metrics_port}/")
    return claim(settings.metrics_host, settings.metrics_port)


def _keep(command: list[str], listener: socket.socket, say: Callable[[str], None]) -> int:
    """Fork a process that runs a worker, and another when it dies, as long as this one lives."""
    service = os.getpid()
    keeper = os.fork()
    if keeper:
        return keeper
    try:
        listener.close()
        _keep_working(command, service, say)
    finally:
        os._exit(0)


def _keep_working(command: list[str], service: int, say: Callable[[str], None]) -> None:
    stop = Told()
    pause = 0.5
    while not stop:
        started = time.monotonic()
        working = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        while working.poll() is None:
            if stop.wait(0.2) or os.getppid() != service:
                working.terminate()
                try:
                    working.wait(WORKER_ENDS)
                except subprocess.TimeoutExpired:
                    working.kill()  # what it had begun is taken over, as after any death
                    working.wait()
                return
        pause = 1.0 if time.monotonic() - started > 60 else min(pause * 2, 60.0)
        say(f"the worker has ended ({working.returncode}); another starts in {pause:g} s")
        stop.wait(pause)


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


COMMANDS = (worker, serve, demo)
