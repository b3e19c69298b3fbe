"""Finds which runs of an incomplete experiment can be compared: a complete block of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from atn_gym.arrays import BoolArray

Indices = tuple[int, ...]

_MOST_ENUMERATED = 14
"""Controllers and envs that differ in their runs, up to which all subsets are tried."""


def largest_block(exists: BoolArray) -> tuple[Indices, Indices, Indices]:
    """Chooses controllers, envs and seeds so that every controller has every env and seed.

    Controllers or envs with the same runs are chosen together. If few differ, all choices
    are tried; otherwise the best is taken that can be reached from all, or from a few, by
    adding or leaving out one at a time, each time the one that is best for `_rank`.

    Args:
        exists: Whether each run exists, shape (controllers, envs, seeds); at least one does.

    Returns:
        Indices of the controllers, envs and seeds chosen, ascending. They have two seeds
        or more wherever some controller has two on some env.
    """
    controllers, envs = _alike(exists, 0), _alike(exists, 1)
    reduced = exists[np.ix_([c[0] for c in controllers], [e[0] for e in envs])]
    sizes = [len(c) for c in controllers], [len(e) for e in envs]
    few = len(controllers) + len(envs) <= _MOST_ENUMERATED
    chosen = max(
        _all_choices(*reduced.shape[:2]) if few else _climbed(reduced, sizes),
        key=lambda choice: _rank(reduced, sizes, choice),
    )
    seeds = np.flatnonzero(reduced[np.ix_(*chosen)].all(axis=(0, 1)))
    return (
        tuple(sorted(i for c in chosen[0] for i in controllers[c])),
        tuple(sorted(i for e in chosen[1] for i in envs[e])),
        tuple(seeds.tolist()),
    )


def _rank(
    reduced: BoolArray, sizes: tuple[list[int], list[int]], choice: tuple[Indices, Indices]
) -> tuple[int, int, int, int]:
    """What makes a choice better than another, in order of importance.

    A single seed is no evidence, however many controllers have it. Then the number of runs
    counts, times that of controllers, because a comparison without a controller loses more
    than one without an env or a seed; where that is equal, controllers, then envs.
    """
    seeds = int(reduced[np.ix_(*choice)].all(axis=(0, 1)).sum())
    controllers, envs = (
        sum(size[i] for i in of_axis) for size, of_axis in zip(sizes, choice, strict=True)
    )
    return min(seeds, 2), controllers**2 * envs * seeds, controllers, envs


def _alike(exists: BoolArray, axis: int) -> list[list[int]]:
    """Indices along an axis, together where they have the same runs."""
    groups: dict[bytes, list[int]] = {}
    for i, part in enumerate(np.moveaxis(exists, axis, 0)):
        groups.setdefault(part.tobytes(), []).append(i)
    return list(groups.values())


def _all_choices(controllers: int, envs: int) -> Iterator[tuple[Indices, Indices]]:
    return itertools.product(_subsets(controllers), _subsets(envs))


def _subsets(number: int) -> list[Indices]:
    """All but the empty one."""
    members = range(number)
    return [s for n in members for s in itertools.combinations(members, n + 1)]


def _climbed(
    reduced: BoolArray, sizes: tuple[list[int], list[int]]
) -> Iterator[tuple[Indices, Indices]]:
    """The best within reach of some beginnings: pairs with many seeds, whole rows, and all."""
    every_controller, every_env = (tuple(range(n)) for n in reduced.shape[:2])
    seeds = reduced.sum(axis=-1)
    beginnings: list[tuple[Indices, Indices]] = [(every_controller, every_env)]
    for c in every_controller:
        beginnings += [((c,), (int(seeds[c].argmax()),)), ((c,), every_env)]
    for e in every_env:
        beginnings += [((int(seeds[:, e].argmax()),), (e,)), (every_controller, (e,))]
    for best in beginnings:
        while True:
            near = max(_near(reduced.shape, best), key=lambda c: _rank(reduced, sizes, c))
            if _rank(reduced, sizes, near) <= _rank(reduced, sizes, best):
                break
            best = near
        yield best


def _near(
    shape: Sequence[int], choice: tuple[Indices, Indices]
) -> Iterator[tuple[Indices, Indices]]:
    """All choices with one controller or env more or less."""
    for axis, i in [(0, c) for c in range(shape[0])] + [(1, e) for e in range(shape[1])]:
        changed = tuple(sorted({i} ^ set(choice[axis])))
        if changed:
            yield (changed, choice[1]) if axis == 0 else (choice[0], changed)
