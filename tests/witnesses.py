"""Witnesses on loopback for tests: real ones, and ones that fail in a chosen way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from api.witness import create_witness_app
from custody.database import Database
from custody.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, VerifierKey
from custody.quorum import Policy, parse
from custody.signers import file
from custody.witness import Witness
from repository import now

KINDS = (COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44)


def make_witness(folder: Path, name: str, *logs: VerifierKey, kinds=KINDS, clock=now):
    """Return a witness with fresh keys that trusts the logs, and its keys."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace("/", "-")
    signers = [
        file.create(folder / f"{stem}-{kind}.pem", name=name, passphrase=b"p", kind=kind)
        for kind in kinds
    ]
    witness = Witness(Database(f"sqlite:///{folder / stem}.db", timeout=5), signers, clock)
    witness.prepare()
    for key in logs:
        witness.trust(key)
    return witness, [signer.key for signer in signers]


@contextmanager
def serving(application: Callable) -> Iterator[str]:
    """Serve a WSGI application on loopback and yield its URL."""
    with make_server("127.0.0.1", 0, application, Server, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


@contextmanager
def served_witness(folder: Path, name: str, *logs: VerifierKey, **more):
    """Yield (url, keys, witness) of a real witness."""
    witness, keys = make_witness(folder, name, *logs, **more)
    with serving(create_witness_app(witness)) as url:
        yield url, keys, witness


def answering(status: str, body: bytes, content_type: str = "text/plain") -> Callable:
    """Return an application that always answers the same."""

    def application(environ, start):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    return application


def policy_of(log: VerifierKey, witnesses, threshold: int) -> Policy:
    """Return a policy over [(name, keys, url)]; each witness counts once, by its first key."""
    lines = [f"log {log}"]
    lines += [f"witness {name} {keys[0]} {url}" for name, keys, url in witnesses]
    lines += [f"group q {threshold} {' '.join(name for name, _, _ in witnesses)}", "quorum q"]
    return parse("\n".join(lines) + "\n")


class Server(WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
