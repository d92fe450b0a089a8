"""Encryption of what leaves to its recipients' keys, as a stream: the format of age, by `pyrage`.

https://age-encryption.org/v1. Whoever has the key opens it with the tool of that name. A process of
its own encrypts: the library would hold up every other thread of this one meanwhile. It gets public
keys and the bytes, and nothing else.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from types import TracebackType
from typing import Self

from repository.errors import BadRequest, ExportBlocked
from repository.exports import age_process
from repository.exports.age_process import recipient
from repository.naming import shown

MAX_RECIPIENTS = 20
_READ = 1 << 18
_END = 60  # seconds that the process may take to end
_SECRETS = ("AGE-SECRET-KEY-", "-----BEGIN")


def read_recipients(text: str) -> list[str]:
    """Return the public keys of a file, one a line: `age1…` or `ssh-…`; `#` begins a comment.

    Raises:
        BadRequest: a line is no such key, or a private one; or there is none.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        raise BadRequest("no key: a line of it begins with age1 or ssh-")
    return check_recipients(found)


def check_recipients(keys: Sequence[str]) -> list[str]:
    """Return recipients' public keys, each once, without what follows a key of ssh.

    Raises:
        BadRequest: one is no such key, or there are too many.
    """
    if len(keys) > MAX_RECIPIENTS:
        raise BadRequest(f"at most {MAX_RECIPIENTS} recipients' keys")
    found = []
    for key in keys:
        if is_secret(key):
            raise BadRequest("that is a private key; ask its owner for the public one (age1…)")
        one = " ".join(key.split()[:2]) if key.startswith("ssh-") else key
        _check(one)
        found.append(one)
    return list(dict.fromkeys(found))


def is_secret(text: str) -> bool:
    """Say whether a line of a text is, or begins, a private key."""
    return any(line.strip().upper().startswith(_SECRETS) for line in text.splitlines())


def fingerprint(key: str) -> str:
    """Return what entries name a recipient's key by: the SHA-256 of its text."""
    return f"sha256:{sha256(key.encode()).hexdigest()}"


class Sealing:
    """One stream on its way through the process that encrypts it; without `finish` it is cut off.

    What came out of a stream that was cut off does not open.

    Args:
        keys: the recipients' public keys.
        out: is given what comes out, in another thread.
    """

    def __init__(self, keys: Sequence[str], out: Callable[[bytes], object]) -> None:
        self.digest, self.plain_digest, self.size = sha256(), sha256(), 0
        self._keys, self._out = keys, out
        self._failed: OSError | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-I", age_process.__file__, json.dumps(list(self._keys))]
        self._process = subprocess.Popen(  # ourselves, with public keys
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what it had buffered goes nowhere: the process was ended

    def write(self, data: bytes) -> None:
        """Encrypt some bytes; waits where they cannot go out as fast.

        Raises:
            ExportBlocked: the process has ended.
            OSError: what came out could not be written.
        """
        assert self._process.stdin is not None
        self.plain_digest.update(data)
        try:
            self._process.stdin.write(data)
        except BrokenPipeError as error:
            raise self._failed or ExportBlocked("what encrypts the bundle has ended") from error

    def finish(self) -> None:
        """End the stream; all of it has come out then.

        Raises:
            ExportBlocked, OSError: as `write`.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError as error:
            raise self._failed or ExportBlocked("what encrypts the bundle has ended") from error
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        if self._process.wait(_END) != 0:
            raise ExportBlocked("what encrypts the bundle has ended with an error")

    def _drain(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(_READ):  # type: ignore[attr-defined]  # buffered
            try:
                self._out(data)
            except OSError as error:
                self._failed = error
                self._process.kill()
                return
            self.digest.update(data)
            self.size += len(data)


def _check(key: str) -> None:
    import pyrage

    try:
        recipient(key)
    except pyrage.RecipientError as error:
        raise BadRequest(
            f"{shown(key[:80])} is no public key of age (age1…) or ssh (ssh-ed25519, ssh-rsa)"
        ) from error
