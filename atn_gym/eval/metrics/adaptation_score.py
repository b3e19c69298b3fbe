"""The adaptation score: 0 is the best that can be done without looking, 1 what looking wins.

J is anytime performance. `blind` is a schedule tuned on the data set that never observes its
run, `reactive_oracle` tries actions ahead on snapshots but does not foresee the shock.
"""

from __future__ import annotations

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import mean

BLIND = "blind"
REACTIVE_ORACLE = "reactive_oracle"


def adaptation_score(
    scores: FloatArray, blind: FloatArray, reactive_oracle: FloatArray
) -> FloatArray:
    """Share of what can be won by looking that a method wins.

    The sum over strata of J - J_blind divided by the sum of J_reactive - J_blind, where each J
    is the mean over the seeds of a stratum. A ratio of sums, not a mean of ratios: a stratum
    counts by what can be won in it, and one in which nothing can be won does no harm.

    Args:
        scores: J of the method, shape (..., num_strata, num_seeds).
        blind: J of `blind` on the same strata and seeds; axes before the last two broadcast.
        reactive_oracle: J of `reactive_oracle`, likewise.

    Returns:
        Shape (...). It may lie outside [0, 1]. NaN if the denominator is not above zero,
        see `why_undefined`.
    """
    return score_of_means(mean(scores), mean(blind), mean(reactive_oracle))


def score_of_means(
    of_method: FloatArray, blind: FloatArray, reactive_oracle: FloatArray
) -> FloatArray:
    """`adaptation_score` of stratified means, which broadcast."""
    to_win = reactive_oracle - blind
    return np.asarray((of_method - blind) / np.where(to_win > 0, to_win, np.nan))


def why_undefined(blind: FloatArray | None, reactive_oracle: FloatArray | None) -> str | None:
    """Says in a sentence why there is no adaptation score; None if there is one.

    Args:
        blind: As in `adaptation_score`, of shape (num_strata, num_seeds); None if there are
            no runs of it.
        reactive_oracle: Likewise.
    """
    needed = {BLIND: blind, REACTIVE_ORACLE: reactive_oracle}
    missing = [name for name, scores in needed.items() if scores is None]
    if missing:
        return f"The adaptation score is undefined without runs of {' and '.join(missing)}."
    assert blind is not None
    assert reactive_oracle is not None
    zero, one = float(mean(blind)), float(mean(reactive_oracle))
    if one > zero:
        return None
    return (
        f"The adaptation score is undefined: {REACTIVE_ORACLE} ({one:.3f}) is not above {BLIND} "
        f"({zero:.3f}), so nothing can be won by looking."
    )
