"""Commands killed at a moment that their writes or their work decide, on a machine of any speed."""

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from atn_gym import cli

MARK = "ATN_GYM_STRUCK"
"""Variable of the environment that tells whose descendant a process is."""
# Imported once for every command that is struck, so that each begins with its work.
_PRELOADED = [
    "atn_gym.cli",
    "atn_gym.envs.engines.kernels.building",
    "atn_gym.eval.running.experiment",
    "atn_gym.eval.running.table",
    "atn_gym.training.train",
    "distributed",
    "sklearn.datasets",
]


def strike(arguments: Sequence[str], folder: Path, writes: int, delay: float) -> int:
    """Runs a command in a process of its own and kills it in the midst of its writes.

    Args:
        arguments: Of the command `atn-gym`.
        folder: What is renamed within it counts as written.
        writes: The write, from 1, that is not let through.
        delay: If above 0 it is let through, and the kill comes that many seconds later.

    Returns:
        The exit code: -9 if the kill came before the end of the command.
    """
    return _ended(begin(arguments, folder, partial(_kill_at_write, folder, writes, delay)))


def strike_at_work(arguments: Sequence[str], folder: Path, seconds: float) -> int:
    """Runs a command and kills it once it and what it began have used a core for some seconds.

    Returns:
        The exit code, as of `strike`.
    """
    return _ended(begin(arguments, folder, partial(_kill_at_work, seconds)))


def begin(
    arguments: Sequence[str], folder: Path, prepare: Callable[[], None] = int
) -> multiprocessing.process.BaseProcess:
    """Begins a command in a process of its own, which the folder marks."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_run, args=(list(arguments), folder, prepare))
    process.start()
    return process


def orphans(folder: Path, within_s: float = 300) -> set[int]:
    """Processes that marked commands began and that do not end by themselves."""
    deadline = time.monotonic() + within_s
    while (found := _marked(folder)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _marked(folder: Path) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={folder}".encode() in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
    return found


def _ended(process: multiprocessing.process.BaseProcess) -> int:
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _run(arguments: list[str], folder: Path, prepare: Callable[[], None]) -> None:
    os.environ[MARK] = str(folder)
    prepare()
    sys.exit(cli.main(arguments))


def _kill_at_write(folder: Path, writes: int, delay: float) -> None:
    count = itertools.count(1)

    def on_event(event: str, details: tuple) -> None:
        if event != "os.rename" or not Path(details[1]).is_relative_to(folder):
            return
        if next(count) == writes:
            if delay > 0:
                threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)


def _kill_at_work(seconds: float) -> None:
    until = _used() + seconds

    def watch() -> None:
        while _used() < until:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _used() -> float:
    """Processor time of this process and of those that it began, ended or not (s)."""
    used = sum(os.times()[:4])
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                _, _, fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")
                used += sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return used
