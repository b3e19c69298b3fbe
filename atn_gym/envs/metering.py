"""What this process has trained in all, on envs of any kind."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Trained:
    """An amount of training.

    Args:
        runs: Runs that were begun and trained for an epoch or more.
        gradient_steps: Gradient steps.
        flops: Floating-point operations, those of evaluation included.
    """

    runs: int = 0
    gradient_steps: int = 0
    flops: int = 0

    def __add__(self, other: Trained) -> Trained:
        return Trained(
            self.runs + other.runs,
            self.gradient_steps + other.gradient_steps,
            self.flops + other.flops,
        )

    def __sub__(self, other: Trained) -> Trained:
        return self + Trained(-other.runs, -other.gradient_steps, -other.flops)


_lock = threading.Lock()
_total = Trained()


def meter(trained: Trained) -> None:
    """Adds to the total."""
    global _total
    with _lock:
        _total += trained


def trained_in_all() -> Trained:
    """What this process has trained until now, in all of its threads."""
    return _total
