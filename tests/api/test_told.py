"""A process that is told to stop stops, at whatever moment it is told."""

import os
import signal
import subprocess
import sys
import time

from api.told import Told

_INTERRUPTED = """
import random, signal
from api.told import Stop

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
for _ in range(400):
    stop = Stop()
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0002, 0.003))
        while not stop.wait(0.0001):
            pass
    except KeyboardInterrupt:
        stop.set()
    assert stop.wait(60)
print("done")
"""


def test_told_at_any_moment_a_waiting_process_ends():
    for microseconds in range(0, 2_000, 10):
        ready, says = os.pipe()
        child = os.fork()
        if not child:
            told = Told()
            os.write(says, b".")
            while not told.wait(0.00002):
                pass
            os._exit(7)
        os.read(ready, 1)
        os.close(ready)
        os.close(says)
        time.sleep(microseconds / 1e6)
        os.kill(child, signal.SIGTERM)
        assert _exit_code(child) == 7


def test_a_process_that_is_not_told_waits_its_time_out():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        told = Told()
        assert not told.wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        assert told.wait(60)
        assert told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_ctrl_c_at_any_moment_of_a_wait_leaves_nothing_locked():
    """With `threading.Event` some four in a thousand hung, or ended with a RuntimeError."""
    run = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == ("done\n", "")


def _exit_code(child: int) -> int:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("it hangs")
