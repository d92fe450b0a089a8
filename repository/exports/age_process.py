"""The process that encrypts a stream (age): run by its path, it imports nothing of this program."""

import json
import sys
from typing import Any


def recipient(key: str) -> Any:
    """Return a public key as the library has it.

    Raises:
        pyrage.RecipientError: it is none.
    """
    import pyrage

    kind = pyrage.ssh if key.startswith("ssh-") else pyrage.x25519
    return kind.Recipient.from_str(key)


def main() -> None:
    """Encrypt standard input into standard output, to the keys of the first argument."""
    import pyrage

    keys = [recipient(one) for one in json.loads(sys.argv[1])]
    pyrage.encrypt_io(sys.stdin.buffer, sys.stdout.buffer, keys)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
