"""Statistics over seeds and envs: by hand, against scipy, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.aggregate import (
    interquartile_mean,
    mean,
    mean_rank,
    probability_of_improvement,
    ranks,
    restricted_mean,
    seed_std,
    worst_decile,
)
from atn_gym.eval.metrics.bootstrap import (
    bootstrap,
    improvement,
    paired_difference,
    performance_profile,
)

ENVS = np.linspace(-3, 3, 10)[:, None]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def improved(both):
    return probability_of_improvement(both[..., 0, :, :], both[..., 1, :, :])


def difference(both):
    return mean(both[..., 0, :, :]) - mean(both[..., 1, :, :])


def test_mean_and_standard_deviation_by_hand():
    scores = np.array([[1.0, 3.0], [10.0, 14.0]])
    assert mean(scores) == 7
    assert seed_std(scores) == pytest.approx((math.sqrt(2) + math.sqrt(8)) / 2)
    assert seed_std(scores + ENVS[:2]) == pytest.approx(seed_std(scores))


def test_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert interquartile_mean(np.array([[100.0, 1, 2, 3], [4, 5, 9, -100]])) == 3.5
    assert interquartile_mean(np.array([[0.0, 1, 2, 3, 4, 100]])) == 2.5
    assert interquartile_mean(np.array([[0.0, 1, 5]])) == 2


def test_worst_decile_takes_a_fraction_of_the_last_run():
    assert worst_decile(np.arange(20.0)[None, ::-1]) == 0.5
    assert worst_decile(np.arange(15.0)[None]) == pytest.approx(0.5 / 1.5)
    assert worst_decile(np.arange(30.0)[None]) == pytest.approx(1)
    assert worst_decile(np.array([[3.0, 1, 2], [30, 20, 10]])) == 5.5
    assert worst_decile(np.array([[7.0]])) == 7


def test_probability_of_improvement_counts_pairs_and_half_the_ties(rng):
    scores, other = np.array([[1.0, 2], [5, 5]]), np.array([[0.0, 2, 3], [5, 5, 6]])
    # First env: 1 + 1.5 of 6 pairs; second: 4 ties of 6 pairs.
    assert probability_of_improvement(scores, other) == pytest.approx((2.5 / 6 + 2 / 6) / 2)
    assert probability_of_improvement(other, scores) == pytest.approx(1 - 4.5 / 12)
    assert probability_of_improvement(scores, scores) == 0.5
    assert probability_of_improvement(scores + 9, other) == 1
    scores, other = rng.integers(5, size=(2, 1, 12)).astype(float)
    u = stats.mannwhitneyu(scores[0], other[0]).statistic
    assert probability_of_improvement(scores, other) == pytest.approx(u / 144)


def test_mean_rank_by_hand_with_ties():
    methods = np.array([[[3.0, 1.0]], [[2.0, 1.0]], [[1.0, 5.0]]])
    np.testing.assert_allclose(mean_rank(methods), [1.75, 2.25, 2])
    np.testing.assert_array_equal(mean_rank(np.zeros((3, 2, 2))), [2, 2, 2])


def test_ranks_do_not_change_under_monotone_maps_of_each_env(rng):
    methods = rng.normal(size=(4, 3, 5))
    scale = np.array([1.0, 10.0, 100.0])[:, None]
    np.testing.assert_array_equal(mean_rank(methods), mean_rank(np.exp(methods) * scale + scale))
    assert improved(methods[:2]) == improved(np.exp(methods[:2]) * scale + scale)
    assert mean_rank(methods).sum() == pytest.approx(10)


@pytest.mark.parametrize("statistic", [mean, interquartile_mean, worst_decile, seed_std])
def test_statistics_move_and_stretch_with_the_scores(statistic, rng):
    scores = rng.normal(size=(3, 20))
    shift = 0 if statistic is seed_std else 7
    assert statistic(2 * scores + 7) == pytest.approx(2 * statistic(scores) + shift)
    assert statistic(scores) == pytest.approx(statistic(rng.permuted(scores, axis=1)))


@pytest.mark.parametrize("statistic", [mean, interquartile_mean, worst_decile, seed_std])
def test_statistics_keep_the_axes_before(statistic, rng):
    stack = rng.normal(size=(2, 4, 3, 12))
    values = statistic(stack)
    assert values.shape == (2, 4)
    assert values[1, 2] == pytest.approx(statistic(stack[1, 2]))


def test_methods_are_compared_along_their_own_axis(rng):
    stack = rng.normal(size=(7, 4, 3, 12))
    assert mean_rank(stack).shape == (7, 4)
    np.testing.assert_allclose(mean_rank(stack)[3], mean_rank(stack[3]))
    assert improved(stack).shape == (7,)
    assert improved(stack)[3] == pytest.approx(improved(stack[3]))


def test_ranks_of_runs_do_not_depend_on_which_seeds_are_drawn(rng):
    methods = rng.integers(4, size=(3, 2, 5)).astype(float)
    drawn = rng.integers(5, size=5)
    np.testing.assert_array_equal(ranks(methods)[..., drawn], ranks(methods[..., drawn]))


def test_improvement_by_weights_equals_the_comparison_of_every_resample():
    methods = np.random.default_rng(0).integers(6, size=(4, 3, 8)).astype(float)
    found = improvement(methods, methods[0], np.random.default_rng(1))
    for c, method in enumerate(methods):
        both = np.stack([method, methods[0]])
        expected = bootstrap(both, improved, np.random.default_rng(1))
        np.testing.assert_allclose([part[c] for part in found], expected, atol=1e-12)
    np.testing.assert_allclose(found.value[0], 0.5)


def restricted(times, recovered, horizon):
    return restricted_mean(np.array([times]), np.array([recovered], bool), horizon)


def test_restricted_mean_of_runs_followed_to_the_horizon_is_a_plain_mean():
    assert restricted([0, 2, 5, 10], [1, 1, 1, 0], 10) == 17 / 4
    assert restricted([0, 2, 5, 10], [1, 1, 1, 0], 4) == 10 / 4
    assert restricted([3, 3], [0, 0], 3) == 3
    assert restricted([0, 0], [1, 1], 3) == 0


def test_restricted_mean_follows_a_censored_run_to_its_last_epoch_alone():
    # Unrecovered in epochs 0 and 1, then out of sight: half of the rest recover at 2.
    assert restricted([2, 2, 4], [0, 1, 1], 5) == pytest.approx(1 + 1 + 0.5 + 0.5)
    assert restricted([0, 2, 4], [0, 1, 1], 5) == 3, "no shock, no part in it"
    assert restricted([1, 3], [1, 0], 6) == 1 + 5 * 0.5, "what is unknown is not recovered"


def test_restricted_mean_equals_the_area_under_the_curve_of_scipy(rng):
    times, recovered = rng.integers(1, 12, 200), rng.random(200) < 0.6
    # Scipy has a run censored at t at risk at t; here t is the first epoch not seen.
    sample = stats.CensoredData(times[recovered], right=times[~recovered] - 1)
    area = stats.ecdf(sample).sf.evaluate(np.arange(9)).sum()
    assert restricted(times, recovered, 9) == pytest.approx(area)


def test_restricted_mean_weighs_envs_alike_and_can_be_bootstrapped(rng):
    times = np.array([[0.0, 2, 4, 4], [4, 4, 4, 4]])
    recovered = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], bool)
    assert restricted_mean(times, recovered, 4) == (2.5 + 4) / 2
    both = np.stack([times, recovered])
    estimate = bootstrap(
        both, lambda b: restricted_mean(b[..., 0, :, :], b[..., 1, :, :] > 0, 4), rng
    )
    assert estimate.value == 3.25
    assert 2 <= estimate.low < 3.25 < estimate.high <= 4


@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_intervals_cover_the_truth_as_often_as_they_say(statistic, rng):
    """Envs far apart: an interval that drew runs across envs would always cover."""
    covered = {0.95: 0, 0.5: 0}
    for _ in range(300):
        scores = rng.normal(ENVS, 1, size=(10, 10))
        for confidence in covered:
            _, low, high = bootstrap(
                scores, statistic, rng, num_resamples=400, confidence=confidence
            )
            covered[confidence] += low <= 0 <= high
    assert 0.92 <= covered[0.95] / 300 <= 0.98
    assert 0.42 <= covered[0.5] / 300 <= 0.58


def test_intervals_cover_seeds_that_are_good_in_every_env(rng):
    covered = 0
    for _ in range(300):
        scores = ENVS + rng.normal(size=10) + rng.normal(size=(10, 10))
        _, low, high = bootstrap(scores, mean, rng, num_resamples=400)
        covered += low <= 0 <= high
    assert 0.92 <= covered / 300 <= 0.98


def test_paired_differences_cover_the_truth_and_are_narrow(rng):
    covered, widths = 0, []
    for _ in range(300):
        seeds = ENVS + rng.normal(size=(10, 10))
        scores, other = seeds + 0.1 + rng.normal(0, 0.2, (2, 10, 10))
        other = other - 0.1
        value, low, high = paired_difference(scores, other, rng, num_resamples=400)
        assert value == pytest.approx(scores.mean() - other.mean())
        covered += low <= 0.1 <= high
        # Of methods that do not share seeds, the variances add.
        apart = [bootstrap(s, mean, rng, num_resamples=400) for s in (scores, other)]
        widths.append((high - low, math.hypot(*(e.high - e.low for e in apart))))
    assert 0.88 <= covered / 300 <= 0.99
    # Standard deviation 0.2 sqrt(2) of the differences, against sqrt(2 · 1.04).
    together, alone = np.mean(widths, axis=0)
    assert together / alone == pytest.approx(0.2 / math.sqrt(1.04), rel=0.05)


def test_paired_draws_are_those_of_the_difference(rng):
    methods = rng.normal(size=(2, 3, 8))
    together = bootstrap(methods, difference, np.random.default_rng(1))
    apart = paired_difference(methods[0], methods[1], np.random.default_rng(1))
    np.testing.assert_allclose(together, apart, atol=1e-12)


def test_draws_are_those_of_the_generator(rng):
    scores = rng.normal(size=(3, 8))
    first, again, other = (bootstrap(scores, mean, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.value == mean(scores)


def test_interval_of_equal_seeds_has_no_width_and_of_methods_a_row_each(rng):
    assert bootstrap(ENVS + np.zeros(4), mean, rng) == pytest.approx((0, 0, 0))
    methods = rng.normal(size=(4, 3, 8))
    estimate = bootstrap(methods, mean_rank, rng)
    assert estimate.low.shape == estimate.high.shape == (4,)
    assert np.all(estimate.low <= estimate.value)
    assert np.all(estimate.value <= estimate.high)
    wide = bootstrap(methods, mean, rng, confidence=0.99)
    narrow = bootstrap(methods, mean, rng, confidence=0.8)
    assert np.all(wide.high - wide.low > narrow.high - narrow.low)


def test_envs_are_never_mixed(rng):
    scores = np.array([[1.0] * 5, [100.0] * 5])
    seen = []
    bootstrap(scores, lambda s: seen.append(s) or mean(s), rng, num_resamples=50)
    np.testing.assert_array_equal(seen[0], np.broadcast_to(scores[:, :4], (50, 2, 4)))


def test_performance_profile_is_the_share_of_runs_strictly_above(rng):
    scores = np.array([[0.0, 0.5], [0.5, 1.0]])
    profile = performance_profile(scores, np.array([-1, 0, 0.25, 0.5, 1]), rng)
    np.testing.assert_array_equal(profile.value, [1, 0.75, 0.75, 0.25, 0])
    np.testing.assert_array_equal(profile.low, [1, 0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(profile.high, [1, 1, 1, 0.5, 0])


def test_performance_profile_falls_and_its_area_is_the_mean(rng):
    methods = rng.uniform(size=(2, 4, 9))
    thresholds = np.linspace(0, 1, 501)
    profile = performance_profile(methods, thresholds, rng, num_resamples=100)
    assert profile.low.shape == (2, 501)
    assert np.all(np.diff(profile.value) <= 0)
    np.testing.assert_allclose(profile.value.mean(axis=-1), mean(methods), atol=2e-3)
    assert np.all((profile.low <= profile.value) & (profile.value <= profile.high))


def test_performance_profile_covers_the_truth_at_a_threshold(rng):
    truth = stats.norm.sf(0.5)
    covered = 0
    for _ in range(300):
        scores = rng.normal(size=(10, 10))
        _, low, high = performance_profile(scores, np.array([0.5]), rng, num_resamples=400)
        covered += bool(low[0] <= truth <= high[0])
    assert 0.88 <= covered / 300 <= 0.99


RUNS, ONE_SEED = np.ones((2, 3)), np.ones((2, 1))
HOLE = np.array([[1.0, math.inf]])
YES = np.ones((2, 3), bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: mean(np.ones(3)), r"\(..., num_strata, num_seeds\) .*got \(3,\)"),
        (lambda r: interquartile_mean(np.ones((0, 3))), r"hold a run, got \(0, 3\)"),
        (lambda r: worst_decile(HOLE), "must be finite, got infinity.*: pad runs"),
        (lambda r: seed_std(ONE_SEED), "at least two seeds in each stratum, got one"),
        (lambda r: mean_rank(RUNS), r"num_methods, num_strata, num_seeds\), got \(2, 3\)"),
        (lambda r: probability_of_improvement(RUNS, RUNS[:1]), r"strata of .*got shape \(1, 3\)"),
        (lambda r: restricted_mean(RUNS, YES[:1], 4), r"recovered must have the shape.*\(1, 3\)"),
        (lambda r: restricted_mean(RUNS, YES, 0), "horizon must be an integer >= 1, got 0"),
        (lambda r: restricted_mean(RUNS / 2, YES, 4), "times must be whole numbers >= 0, got"),
        (lambda r: restricted_mean(-RUNS, YES, 4), "times must be whole numbers >= 0, got"),
        (lambda r: bootstrap(ONE_SEED, mean, r), "at least two seeds for each beginning"),
        (lambda r: bootstrap(HOLE, mean, r), "must be finite"),
        (lambda r: bootstrap(RUNS, mean, r, confidence=1), r"in \(0, 1\), got 1"),
        (lambda r: bootstrap(RUNS, mean, r, num_resamples=0), "num_resamples must be an integer"),
        (lambda r: bootstrap(RUNS, np.mean, r), r"statistic must map .*got \(\): reduce the last"),
        (lambda r: paired_difference(RUNS, ONE_SEED, r), r"strata and seeds .*got shape \(2, 1\)"),
        (lambda r: improvement(RUNS, ONE_SEED, r), r"strata and seeds .*got shape \(2, 1\)"),
        (lambda r: performance_profile(RUNS, np.ones(0), r), r"thresholds .*got \(0,\)"),
        (lambda r: performance_profile(RUNS, np.array(0.5), r), r"thresholds .*got \(\)"),
    ],
)
def test_wrong_values_are_named(call, message, rng):
    with pytest.raises(InvalidArgument, match=message):
        call(rng)
