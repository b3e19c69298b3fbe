"""Errors that say who raised what, and when."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from atn_gym.errors import FOREIGN_ERRORS, AtnGymError, one_line


class PolicyError(AtnGymError, RuntimeError):
    """A policy raised, or broke a rule of the benchmark."""


@contextlib.contextmanager
def as_policy_error(what: str, when: str) -> Iterator[None]:
    """Turns errors raised within into one that names who raised them, and when.

    Args:
        what: What is called within, such as "policy Mine".
        when: Such as "at epoch 3 of the run with seed 0".

    Raises:
        PolicyError: If anything is raised.
    """
    try:
        yield
    except FOREIGN_ERRORS as error:
        raise PolicyError(
            f"{what} raised {type(error).__name__} {when}: {one_line(error)}"
        ) from error


def runs_with(seeds: Sequence[int]) -> str:
    """Names runs in an error: "the runs with seeds 0, 1"."""
    listed = ", ".join(str(seed) for seed in seeds)
    return f"the run with seed {listed}" if len(seeds) == 1 else f"the runs with seeds {listed}"
