"""Statistics of all resamples of a bootstrap at once, from how often each seed was drawn.

To copy the scores of every resample takes thousands of times their memory. Here scores are sorted
or summed once, and weighted with the counts.

Scores have shape (*methods, num_strata, num_seeds), counts (num_resamples, num_seeds); what comes
back has shape (num_resamples, *methods).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from atn_gym.arrays import FloatArray, IntArray

OfResamples = Callable[[FloatArray, IntArray], FloatArray]
"""Maps scores and counts to a statistic of every resample."""
_OfOne = Callable[[FloatArray], FloatArray]
_AT_ONCE = 256
"""Resamples whose sorted scores are weighted together: they fit into the cache."""


def means(scores: FloatArray, counts: IntArray) -> FloatArray:
    """`mean` of every resample."""
    strata, seeds = scores.shape[-2:]
    weights = counts.astype(np.float64)
    absent = np.isnan(scores)
    there = ~absent.reshape(-1, strata, seeds)[0]
    sums = weights @ np.where(absent, 0.0, scores).reshape(-1, seeds).T
    of_strata = sums.reshape(len(counts), *scores.shape[:-1]) / (weights @ there.T).reshape(
        len(counts), *[1] * (scores.ndim - 2), strata
    )
    result: FloatArray = of_strata.mean(axis=-1)
    return result


def interquartile_means(scores: FloatArray, counts: IntArray) -> FloatArray:
    """`interquartile_mean` of every resample."""
    seed = np.broadcast_to(np.arange(scores.shape[-1]), scores.shape[-2:]).ravel()

    def of_method(runs: FloatArray) -> FloatArray:
        ordered, columns = _ordered(runs.ravel())
        of_run = seed[columns]
        total = int(counts[0][of_run].sum())
        low = int(0.25 * total)
        found = [
            _weights(part[:, of_run], low, total - low) @ ordered for part in _in_parts(counts)
        ]
        result: FloatArray = np.concatenate(found) / (total - 2 * low)
        return result

    return _of_each(scores, 2, of_method)


def worst_deciles(scores: FloatArray, counts: IntArray) -> FloatArray:
    """`worst_decile` of every resample."""

    def of_stratum(runs: FloatArray) -> FloatArray:
        ordered, columns = _ordered(runs)
        tenth = counts[0][columns].sum() / 10
        # The worst tenth of a resample nearly always lies within the worst quarter.
        for some in (len(columns) // 4, len(columns)):
            drawn = counts[:, columns[:some]]
            if some and drawn.sum(axis=1).min() >= tenth:
                break
        result: FloatArray = _weights(drawn, 0, tenth) @ ordered[: drawn.shape[1]] / tenth
        return result

    of_strata: FloatArray = _of_each(scores, 1, of_stratum).mean(axis=-1)
    return of_strata


def shares_of_resamples(thresholds: FloatArray) -> OfResamples:
    """`shares_above` of every resample, with an axis of its own at the end.

    Args:
        thresholds: As in `shares_above`.
    """

    def shares(scores: FloatArray, counts: IntArray) -> FloatArray:
        above = (np.where(np.isnan(scores), np.nan, scores > t) for t in thresholds)
        return np.stack([means(one, counts) for one in above], axis=-1)

    return shares


def _weights(drawn: IntArray, low: float, high: float) -> FloatArray:
    """How much of each sorted score lies between two ranks, where it is drawn some times."""
    ends = np.cumsum(drawn, axis=1)
    result: FloatArray = np.clip(ends, low, high) - np.clip(ends - drawn, low, high)
    return result


def _ordered(runs: FloatArray) -> tuple[FloatArray, IntArray]:
    """Known scores, sorted upwards, and their places."""
    there = np.flatnonzero(~np.isnan(runs))
    columns = there[np.argsort(runs[there], kind="stable")]
    return runs[columns], columns


def _in_parts(counts: IntArray) -> Iterator[IntArray]:
    return (counts[first : first + _AT_ONCE] for first in range(0, len(counts), _AT_ONCE))


def _of_each(scores: FloatArray, axes: int, function: _OfOne) -> FloatArray:
    """Applies a function to the last axes for each index of the others, which come last."""
    outer = scores.shape[: scores.ndim - axes]
    flat = scores.reshape(-1, *scores.shape[scores.ndim - axes :])
    found = np.stack([function(runs) for runs in flat], axis=-1)
    return found.reshape(-1, *outer)
