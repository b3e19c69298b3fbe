"""Commands killed at a moment that a count of their writes decides, on a machine of any speed."""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from atn_gym import cli

# Imported once for every command that is struck, so that each begins with its work.
_PRELOADED = [
    "atn_gym.cli",
    "atn_gym.eval.running.experiment",
    "atn_gym.training.train",
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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_run, args=(list(arguments), folder, writes, delay))
    process.start()
    process.join()
    return process.exitcode


def _run(arguments: list[str], folder: Path, writes: int, delay: float) -> None:
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
    sys.exit(cli.main(arguments))
