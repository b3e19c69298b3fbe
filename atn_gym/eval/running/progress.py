"""How far an experiment is: a live bar, or a line once a minute without a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from atn_gym.eval.running.experiment import OnProgress, Progress

LINE_SECONDS = 60.0
"""Seconds between two lines where there is no terminal."""


@contextlib.contextmanager
def show_progress(console: Console, title: str) -> Iterator[OnProgress]:
    """Shows runs done and failed, epochs trained, and the time that remains.

    Without a terminal, a line goes to standard error once a minute.

    Args:
        console: Where to draw.
        title: Name of the experiment.
    """
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[runs]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remaining]}"),
    )
    began = time.monotonic()
    with Bars(*columns, console=console) as bars:
        bar = bars.add_task(title, total=None, runs="", remaining="")

        def update(progress: Progress) -> None:
            bars.update(
                bar,
                total=progress.epochs,
                completed=progress.epochs_done,
                runs=_runs(progress),
                remaining=remaining(progress, time.monotonic() - began),
            )

        yield update


def _lines(title: str) -> OnProgress:
    began = last = time.monotonic()

    def update(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_SECONDS:
            return
        last = now
        share = f"{progress.epochs_done / max(progress.epochs, 1):.0%} of epochs"
        left = remaining(progress, now - began)
        parts = [_runs(progress), share, *([left] if left else [])]
        print(f"{title}: {', '.join(parts)}", file=sys.stderr, flush=True)

    return update


def _runs(progress: Progress) -> str:
    failed = f", {progress.runs_failed} failed" if progress.runs_failed else ""
    return f"{progress.runs_done}/{progress.runs} runs{failed}"


def remaining(progress: Progress, elapsed: float) -> str:
    """Estimates what is left from all epochs so far; empty before the first.

    Args:
        progress: How far the experiment is.
        elapsed: Seconds since it began.
    """
    if not progress.epochs_done:
        return ""
    seconds = elapsed * (progress.epochs - progress.epochs_done) / progress.epochs_done
    if seconds < 60:
        return f"{seconds:.0f} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"
