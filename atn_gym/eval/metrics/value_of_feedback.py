"""What a method wins by looking: itself against its yoked control."""

from __future__ import annotations

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import mean


def value_of_feedback(scores: FloatArray, yoked: FloatArray) -> FloatArray:
    """Paired difference of a method to the same method with the feedback of other runs.

    Put into `bootstrap` as a statistic of `scores - yoked`, it gets an interval over seeds. The two
    differences of a pair of seeds that have changed places are no more alike than others: an
    unlucky choice lowers one and raises the other.

    Args:
        scores: Anytime performance of the method, shape (..., num_strata, num_seeds).
        yoked: That of `yoked` with the method, on the same strata and seeds.

    Returns:
        Shape (...): 0 for a schedule, above 0 if reactions help.
    """
    return mean(scores - yoked)
