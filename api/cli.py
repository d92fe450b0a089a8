"""evidence: the command line. Results on standard output, words for people on standard error."""

import gc
import logging
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from api.commands.context import Context, exit_code
from config.settings import SettingsError
from custody.errors import EvidenceError
from repository import software

# Which module has which commands: each is imported when it is called, as most need little of the
# program and starting all of it takes twice as long.
COMMANDS = {
    name: module
    for module, names in {
        "house": ("init", "organisation", "case", "person", "token"),
        "invite": ("invite",),
        "intake": ("ingest", "quarantine"),
        "submission": ("submission",),
        "extraction": ("extract",),
        "members": ("members", "derive"),
        "access": ("list", "show", "retrieve"),
        "receipts": ("receipt",),
        "citing": ("cite", "open"),
        "copies": ("copies", "own-marking"),
        "annotating": ("note", "tag", "assess", "annotation", "selection"),
        "court": ("verify", "export", "import"),
        "certificate": ("certificate",),
        "bundles": ("bundle", "exports"),
        "status": ("status",),
        "backup": ("backup", "restore", "upgrade", "recovery"),
        "checker": ("checker",),
        "store": ("store", "erase"),
        "ledger": ("ledger",),
        "kek": ("kek",),
        "rules": ("mark", "unseal", "reveal", "approval", "disclose", "access-log"),
        "transfers": ("transfer", "continuity", "counterpart"),
        "proceedings": ("situation", "associate", "hold"),
        "consent": ("consent",),
        "register": ("register",),
        "privilege": ("privilege",),
        "disclosure": ("disclosure",),
        "number": ("number",),
        "sessions": ("session",),
        "identity": ("identity",),
        "match": ("match",),
        "search": ("search", "reindex"),
        "saved": ("saved",),
        "related": ("related",),
        "service": ("worker", "serve", "demo"),
        "witness": ("witness",),
    }.items()
    for name in names
}  # fmt: skip
# Groups to which a second module adds commands.
ADDED_TO = {"person": "sessions", "organisation": "consent", "receipt": "bundles"}


class Evidence(click.Group):
    """The commands of `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; its module is imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"api.commands.{COMMANDS[cmd_name]}")
        if cmd_name in ADDED_TO:
            import_module(f"api.commands.{ADDED_TO[cmd_name]}")
        [found] = [command for command in module.COMMANDS if command.name == cmd_name]
        return found if isinstance(found, click.Command) else None


@click.group(
    cls=Evidence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--data", type=click.Path(path_type=Path), help="The repository's folder.")
@click.option(
    "--config", "settings_file", type=click.Path(path_type=Path), help="Settings file (TOML)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@click.option("--as", "person", metavar="PERSON", help="Act as this person (name or id).")
@click.version_option(software().rpartition(" ")[2], prog_name="evidence")
@click.pass_context
def evidence(
    ctx: click.Context,
    data: Path | None,
    settings_file: Path | None,
    as_json: bool,
    person: str | None,
) -> None:
    """Keep evidence unchanged, record every touch, and export what a court can verify.

    Exit codes: 0 done, 1 a check failed, 2 wrong use, 3 unavailable, 4 refused by rule.
    """
    ctx.obj = Context(data=data, settings_file=settings_file, as_json=as_json, person=person)
    ctx.call_on_close(ctx.obj.close)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code; errors are one line, no traceback."""
    try:
        code = evidence.main(arguments, prog_name="evidence", standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        click.echo("interrupted; what was acknowledged stays, the rest can be run again", err=True)
        code = 130
    except (EvidenceError, SettingsError) as error:
        click.echo(f"evidence: {error}", err=True)
        code = exit_code(error)
    except BrokenPipeError:
        code = 141
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        click.echo(
            f"evidence: {error.strerror or error}{where}; nothing acknowledged is lost", err=True
        )
        code = 3
    sys.exit(code if isinstance(code, int) else 0)


def program() -> None:
    """Be the program `evidence`: run the command line and end the process with its exit code.

    Threads that are still at work are not waited for: what a worker had begun is handed back when
    it stops, and another goes on.
    """
    # What is imported is no garbage: looking for some in it took a third of each command's time.
    gc.set_threshold(100_000, 20, 20)
    try:
        main()
    except SystemExit as error:
        gc.freeze()  # nor is anything looked for at the end, where all of it is freed
        if threading.active_count() > 1:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.code if isinstance(error.code, int) else 1)
        raise


if __name__ == "__main__":
    program()
