"""The command of a sender that takes a line for dead sooner than the real one, after seconds.

    python -m tests.remote.hasty --json ingest …

Nothing else differs. A test runs it where it would only wait: how long the real waits are is what
tests/remote/test_wire.py and test_patience.py are about.
"""

from api.remote import patience, wire

STALL = 6.0  # of 20 seconds without a byte
LONGEST = 2.0  # of 60 seconds between two attempts

if __name__ == "__main__":
    wire.STALL, patience.LONGEST = STALL, LONGEST  # before what takes them over is imported
    from api.cli import program

    program()
