"""Statistics of all resamples at once equal those of resamples that are copied."""

import numpy as np
import pytest

from atn_gym.eval.metrics import bootstrap as intervals
from atn_gym.eval.metrics.aggregate import (
    interquartile_mean,
    mean,
    probability_of_improvement,
    shares_above,
    worst_decile,
)
from atn_gym.eval.metrics.bootstrap import bootstrap, improvement, performance_profile
from atn_gym.eval.metrics.resampling import (
    interquartile_means,
    means,
    shares_of_resamples,
    worst_deciles,
)

THRESHOLDS = np.linspace(-1, 1, 5)


def scores(methods, seeds, beginnings=1, seed=0):
    """Rounded, so that some are equal; three envs, each with some beginnings."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(*methods, 3 * beginnings, seeds)).round(1)
    for stratum in range(3 * beginnings):
        found[..., stratum, np.arange(seeds) % beginnings != stratum % beginnings] = np.nan
    return found


@pytest.mark.parametrize(
    ("at_once", "statistic"),
    [
        (means, mean),
        (interquartile_means, interquartile_mean),
        (worst_deciles, worst_decile),
        (shares_of_resamples(THRESHOLDS), lambda drawn: shares_above(drawn, THRESHOLDS)),
    ],
)
@pytest.mark.parametrize(
    ("methods", "seeds", "beginnings"),
    [
        ((), 7, 1),
        ((2,), 4, 2),
        ((3,), 31, 1),
        ((2, 2), 46, 2),
        ((2,), 300, 3),
    ],
)
def test_each_is_that_of_the_copied_resamples(at_once, statistic, methods, seeds, beginnings):
    values = scores(methods, seeds, beginnings)
    counts = intervals._counts(values, np.random.default_rng(1), 300)
    found = at_once(values, counts)
    expected = intervals._of_stack(values, statistic, counts)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_as_many_seeds_are_drawn_as_there_are_less_one_for_each_group():
    values = scores((2,), 11, 2)
    counts = intervals._counts(values, np.random.default_rng(0), 50)
    assert counts[:, ::2].sum(axis=1).tolist() == [5] * 50
    assert counts[:, 1::2].sum(axis=1).tolist() == [4] * 50


@pytest.mark.parametrize("beginnings", [1, 2])
def test_improvement_is_the_bootstrap_of_the_probability(beginnings):
    values = scores((3,), 24, beginnings)
    found = improvement(values, values[1], np.random.default_rng(5), num_resamples=200)
    expected = bootstrap(
        values,
        lambda drawn: probability_of_improvement(
            drawn, np.broadcast_to(drawn[..., [1], :, :], drawn.shape)
        ),
        np.random.default_rng(5),
        num_resamples=200,
    )
    for part, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, other, rtol=0, atol=1e-12)


def test_many_seeds_take_no_more_memory_than_their_counts():
    values = np.random.default_rng(0).normal(size=(4, 2, 5000))
    for statistic in (mean, interquartile_mean, worst_decile):
        estimate = bootstrap(values, statistic, np.random.default_rng(0), num_resamples=500)
        assert (estimate.low < estimate.value).all()
        assert (estimate.value < estimate.high).all()
    profile = performance_profile(values, THRESHOLDS, np.random.default_rng(0), num_resamples=500)
    assert profile.low.shape == (4, 5)
