"""A live bar for experiments; where there is no terminal, nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from atn_gym.eval.running.experiment import OnProgress
from atn_gym.eval.running.experiment import Progress as RunProgress


@contextlib.contextmanager
def show_progress(console: Console, title: str) -> Iterator[OnProgress]:
    """Shows runs done and failed, epochs trained, and the time that remains.

    Args:
        console: Where to draw.
        title: Name of the experiment.
    """
    if not console.is_terminal:
        yield lambda progress: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[runs]}"),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task(title, total=None, runs="")

        def update(progress: RunProgress) -> None:
            failed = f", {progress.runs_failed} failed" if progress.runs_failed else ""
            bars.update(
                bar,
                total=progress.epochs,
                completed=progress.epochs_done,
                runs=f"{progress.runs_done}/{progress.runs} runs{failed}",
            )

        yield update
