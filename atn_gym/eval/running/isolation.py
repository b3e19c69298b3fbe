"""Runs whose process died before: made in a process of their own, so that no other run is lost.

If that process dies too, the runs are made in halves, until the runs that end it are isolated.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from atn_gym.eval.running.batch import EvaluatedRun

Make = Callable[[tuple[int, ...]], list[EvaluatedRun]]
"""Makes the runs of some seeds; it pickles."""


def make_isolated(make: Make, seeds: Sequence[int]) -> tuple[list[EvaluatedRun], dict[int, str]]:
    """Makes runs in another process.

    Args:
        make: Makes them.
        seeds: Their seeds.

    Returns:
        The runs; and of those that end their process whenever they are made alone, how it
        ended, by seed.
    """
    ended = _in_process(make, tuple(seeds))
    if isinstance(ended, list):
        return ended, {}
    if len(seeds) == 1:
        return [], {
            seeds[0]: f"the process that made this run alone ended with {_told(ended)}: its "
            "controller or env ended it, or memory ran out"
        }
    made, deadly = list[EvaluatedRun](), dict[int, str]()
    for half in (seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]):
        of_half = make_isolated(make, half)
        made += of_half[0]
        deadly |= of_half[1]
    return made, deadly


def _in_process(make: Make, seeds: tuple[int, ...]) -> list[EvaluatedRun] | int:
    """Makes runs in a process of their own; the exit status of one that died."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "runs"
        # What this process imports, that one does, and nothing from the working directory else.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "atn_gym.eval.running.isolation", str(answer)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            # An interrupt of the terminal reaches this process, which ends that one.
            start_new_session=True,
        )
        assert process.stdin is not None
        try:
            # Not closed: its end shows that process that this one is gone.
            with process.stdin:
                process.stdin.write(pickle.dumps((make, seeds)))
                process.stdin.flush()
                status = process.wait()
        except BrokenPipeError:
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if not answer.exists():
            return status
        found: list[EvaluatedRun] | BaseException = pickle.loads(answer.read_bytes())
        if isinstance(found, BaseException):
            raise found
        return found


def _told(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _follow_parent() -> None:
    """Ends this process with the one that began it."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(answer: Path) -> None:
    """Makes the runs that standard input holds, and writes what `make` returns or raises."""
    try:
        make, seeds = pickle.load(sys.stdin.buffer)
    except EOFError:
        # The process that began this one was killed meanwhile.
        sys.exit(1)
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        found: list[EvaluatedRun] | BaseException = make(seeds)
    except Exception as error:
        found = error
    temporary = answer.with_suffix(".writing")
    temporary.write_bytes(pickle.dumps(found))
    temporary.replace(answer)
    sys.stdout.flush()
    # A controller's thread that still runs must not hold this process up.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
