"""A live bar for trainings; where there is no terminal, nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress


@contextlib.contextmanager
def show_steps(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows the steps taken, and the time that remains.

    Args:
        console: Where to draw.
        title: Name of the training.
        total: Number of steps.
    """
    with Progress(console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(title, total=total)
        yield lambda steps: bars.update(bar, completed=steps)
