"""How threads share the work of one run.

Work comes in phases, and a phase in as many parts as there are in every other. Parts are handed
out in order; one begins when all of the phases before are done. So a thread that comes late holds
nobody up. One that loses its core to other work holds the others up by the part that it has: when
the leader, the thread of the caller, has waited long a few times, it goes on by itself.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from atn_gym.envs.engines.kernels.vectors import Code, pointer

Progress = NDArray[np.int64]
"""Parts handed out, parts done, and long waits of the leader, each in a cache line of its own."""

_HANDED_OUT, _DONE, _WAITS = 0, 8, 16
_LONG = 1_000_000
"""Looks at what is done, each about a nanosecond, after which a wait is long: longer than a part
takes. A thread that gave its core away sooner would not get it back for longer than that."""
_MOST_WAITS = 3

_let_others_run = types.ExternalFunction(
    "SwitchToThread" if os.name == "nt" else "sched_yield", types.int32()
)


def make_progress() -> Progress:
    """Nothing handed out, nothing done."""
    return np.zeros(_WAITS + _DONE, np.int64)


@intrinsic
def _add_one(typing: Any, array: Any, index: Any) -> Code:
    """Adds one to an element, seen by all threads in the same order; what it was before."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *args)
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(array, types.intp), code


@intrinsic
def _look(typing: Any, array: Any, index: Any) -> Code:
    """An element, with all that was written before it was."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *args)
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(array, types.intp), code


@njit
def next_part(progress: Progress, phases: int, parts: int, leads: bool) -> tuple[int, int]:
    """Takes the next part and waits until it may begin.

    Args:
        progress: What the threads share.
        phases: Number of phases.
        parts: Parts in a phase.
        leads: Whether this thread is the leader, who sees to it that all is done.

    Returns:
        The phase of the part, and its number in the phase. There is no more to do when the
        phase is `phases` or beyond.
    """
    if not leads and _look(progress, _WAITS) >= _MOST_WAITS:
        return phases, 0
    phase, part = divmod(_add_one(progress, _HANDED_OUT), parts)
    looks = 0
    while phase < phases and _look(progress, _DONE) < phase * parts:
        looks += 1
        if looks >= _LONG:
            _let_others_run()
        if looks == _LONG and leads:
            _add_one(progress, _WAITS)
    return phase, part


@njit
def part_done(progress: Progress) -> None:
    """Says that a part that `next_part` gave is done."""
    _add_one(progress, _DONE)


@njit
def share(units: int, part: int, parts: int) -> tuple[int, int]:
    """First and end of the units of work that fall to a part."""
    return units * part // parts, units * (part + 1) // parts
