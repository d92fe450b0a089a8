"""witness: cosign the checkpoints of other institutions' logs, from a folder of its own."""

from pathlib import Path

import click

from api.commands.context import Context
from custody.database import Database
from custody.errors import MalformedNote
from custody.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, VerifierKey, valid_name
from custody.signers import file as file_signer
from custody.witness import Witness
from repository import now
from repository.errors import AlreadyInitialised, BadRequest, NotInitialised
from repository.initialise import new_passphrase

_KEYS = ((COSIGNATURE_ED25519, "ed25519.pem"), (COSIGNATURE_ML_DSA_44, "ml-dsa-44.pem"))


@click.group(invoke_without_command=True)
@click.option(
    "--dir",
    "folder",
    default="evidence-witness",
    show_default=True,
    type=click.Path(path_type=Path),
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8081, show_default=True, type=click.IntRange(1, 65535))
@click.pass_context
def witness(click_context: click.Context, folder: Path, host: str, port: int) -> None:
    """Serve as a witness (C2SP tlog-witness): cosign what extends all it cosigned before.

    A witness belongs to another institution than the log. It sees sizes and hashes, no evidence.
    """
    click_context.meta["folder"] = folder
    if click_context.invoked_subcommand is not None:
        return
    from api.server import claim, run
    from api.witness import create_witness_app

    ctx = click_context.ensure_object(Context)
    _open(folder)  # what is missing is said before the port is taken
    listener = claim(host, port)
    ctx.say(f"witnessing on http://{host}:{port}/ from {folder}; stop with Ctrl-C")
    run(lambda: create_witness_app(_open(folder)), listener)


@witness.command("init")
@click.option("--name", required=True, help="Its name in policies, like court.example/witness.")
@click.pass_context
def init(click_context: click.Context, name: str) -> None:
    """Make keys and memory in the folder and print the verifier keys."""
    folder: Path = click_context.meta["folder"]
    if not valid_name(name) or len(name) > 200:
        raise BadRequest("a name is like court.example/witness: no spaces, no plus")
    if folder.exists() and any(folder.iterdir()):
        raise AlreadyInitialised(f"{folder} is not empty; nothing was changed")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    passphrase = new_passphrase(folder / "passphrase")
    for kind, file in _KEYS:
        # Never one key under two names or types: an Ed25519 cosignature does not cover the name.
        file_signer.create(folder / file, name=name, passphrase=passphrase, kind=kind)
    (folder / "name").write_text(name + "\n")
    _open(folder)
    _show(click_context, folder)


@witness.command("trust")
@click.argument("vkey")
@click.pass_context
def trust(click_context: click.Context, vkey: str) -> None:
    """Cosign from now on for the log with this verifier key."""
    try:
        key = VerifierKey.parse(vkey)
        _open(click_context.meta["folder"]).trust(key)
    except MalformedNote as error:
        raise BadRequest(f"{vkey[:80]!r}: {error}") from error
    ctx = click_context.ensure_object(Context)
    ctx.result({"origin": key.name, "fingerprint": key.fingerprint}, f"trusted   {key.name}")


@witness.command("show")
@click.pass_context
def show(click_context: click.Context) -> None:
    """Print the witness's verifier keys, the logs it trusts and the largest size of each."""
    _show(click_context, click_context.meta["folder"])


def _show(click_context: click.Context, folder: Path) -> None:
    ctx = click_context.ensure_object(Context)
    for signer in _signers(folder):
        found = {"key": str(signer.key), "fingerprint": signer.key.fingerprint}
        ctx.result(found, f"key       {signer.key}")
    for origin, size in _open(folder).seen():
        ctx.result({"origin": origin, "size": size}, f"log       {origin}  {size} entries cosigned")


def _open(folder: Path) -> Witness:
    found = Witness(Database(f"sqlite:///{folder / 'witness.db'}"), _signers(folder), now)
    found.prepare()
    return found


def _signers(folder: Path) -> list[file_signer.FileSigner]:
    if not (folder / "name").exists():
        raise NotInitialised(f"there is no witness in {folder}; make one: evidence witness init")
    name = (folder / "name").read_text().strip()
    passphrase = (folder / "passphrase").read_bytes().strip()
    return [
        file_signer.open_signer(
            (folder / file).absolute().as_uri(), name=name, passphrase=passphrase, kind=kind
        )
        for kind, file in _KEYS
    ]


COMMANDS = (witness,)
