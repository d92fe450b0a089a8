"""Machines of their own: what each has to have, and a disk that is soon full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def copy_of(data: Path, folder: Path) -> Path:
    """Return a data folder for another machine: what docs/operate.md says has to be copied."""
    folder.mkdir(parents=True)
    for name in ("keys", "secrets"):
        shutil.copytree(data / name, folder / name)
    shutil.copy(data / "config.toml", folder / "config.toml")
    return folder


@dataclass(frozen=True)
class Machine:
    """A network namespace that is connected with this one."""

    name: str
    address: str
    gateway: str  # the address here, as it sees it

    @property
    def prefix(self) -> list[str]:
        """Return the words before a command that runs there."""
        return ["ip", "netns", "exec", self.name]


@contextmanager
def network(count: int) -> Iterator[list[Machine]]:
    """Yield machines with networks of their own, all on one bridge; needs root and iproute2.

    Skips with a reason where that cannot be had; fails under CI=true.
    """
    mark, third = os.urandom(2).hex(), 1 + os.urandom(1)[0] % 250
    bridge, gateway = f"ev{mark}", f"10.77.{third}.1"
    machines = [Machine(f"ev{mark}n{n}", f"10.77.{third}.{10 + n}", gateway) for n in range(count)]
    with ExitStack() as undo:
        undo.callback(_ip, "link", "del", bridge, check=False)
        why = _ip("link", "add", bridge, "type", "bridge", check=False)
        if why:
            _cannot(f"no networks can be made here: {why}")
        _ip("addr", "add", f"{gateway}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for n, one in enumerate(machines):
            outside, inside = f"ev{mark}o{n}", f"ev{mark}i{n}"
            _ip("netns", "add", one.name)
            undo.callback(_ip, "netns", "del", one.name, check=False)
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
            _ip("link", "set", outside, "master", bridge, "up")
            _ip("link", "set", inside, "netns", one.name)
            _ip("-n", one.name, "addr", "add", f"{one.address}/24", "dev", inside)
            _ip("-n", one.name, "link", "set", inside, "up")
            _ip("-n", one.name, "link", "set", "lo", "up")
        yield machines


def _ip(*words: str, check: bool = True) -> str:
    """Run iproute2; return what it complained of."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stderr.strip() if done.returncode else ""


def _cannot(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount an empty file system of a few MiB; `grow` makes it larger.

    Skips with a reason where nothing may be mounted; fails under CI=true.
    """
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        _cannot(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(folder: Path, size: str) -> None:
    """Give a small disk more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
