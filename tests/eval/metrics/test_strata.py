"""Strata: seeds of different beginnings are never pooled as if they were alike."""

import math

import numpy as np
import pytest
from scipy import stats

from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.adaptation_score import adaptation_score, why_undefined
from atn_gym.eval.metrics.aggregate import (
    interquartile_mean,
    mean,
    mean_rank,
    probability_of_improvement,
    restricted_mean,
    seed_std,
    shares_above,
    worst_decile,
)
from atn_gym.eval.metrics.bootstrap import bootstrap, exact_rate, improvement, paired_difference
from atn_gym.eval.metrics.strata import has_spread, seed_groups, strata_of, stratify

NAN = math.nan
BEGINNINGS = np.array([[0, 0, 0, 0], [0, 1, 0, 1]])
"""An env with one beginning, and one whose odd seeds begin differently."""
ENVS = np.array([[1.0, 2, 3, 6], [10, 30, 20, 50]])
SPLIT = np.array([[1.0, 2, 3, 6], [10, NAN, 20, NAN], [NAN, 30, NAN, 50]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_an_env_is_split_by_the_beginnings_of_its_seeds():
    assert strata_of(BEGINNINGS) == [(0, 0), (1, 0), (1, 1)]
    np.testing.assert_array_equal(stratify(ENVS, BEGINNINGS), SPLIT)
    methods = np.stack([ENVS, -ENVS])
    np.testing.assert_array_equal(stratify(methods, BEGINNINGS), np.stack([SPLIT, -SPLIT]))
    np.testing.assert_array_equal(stratify(ENVS, np.zeros((2, 4), int)), ENVS)


def test_seeds_of_the_same_strata_make_a_group():
    assert [group.tolist() for group in seed_groups(SPLIT)] in (
        [[0, 2], [1, 3]],
        [[1, 3], [0, 2]],
    )
    assert [group.tolist() for group in seed_groups(ENVS)] == [[0, 1, 2, 3]]
    assert has_spread(SPLIT)
    assert not has_spread(SPLIT[:, :3])


def test_every_stratum_counts_the_same():
    assert mean(SPLIT) == pytest.approx((3 + 15 + 40) / 3)
    deviations = np.std([1, 2, 3, 6], ddof=1), 5 * math.sqrt(2), 10 * math.sqrt(2)
    assert seed_std(SPLIT) == pytest.approx(np.mean(deviations))
    assert worst_decile(SPLIT) == pytest.approx((1 + 10 + 30) / 3)
    # Of 8 runs, two are left out at each end: 3, 6, 10, 20 remain.
    assert interquartile_mean(SPLIT) == pytest.approx(9.75)
    np.testing.assert_allclose(shares_above(SPLIT, np.array([2.0, 25])), [5 / 6, 1 / 3])


def test_worst_decile_takes_a_tenth_of_each_stratum():
    scores = np.full((2, 40), NAN)
    scores[0] = np.arange(40.0)
    scores[1, :20] = np.arange(100.0, 120)
    assert worst_decile(scores) == pytest.approx((1.5 + 100.5) / 2)


@pytest.mark.parametrize("statistic", [mean, seed_std, interquartile_mean, worst_decile])
def test_a_stack_of_methods_is_that_of_each(statistic, rng):
    methods = stratify(rng.normal(size=(5, 2, 24)), np.tile(BEGINNINGS, 6))
    np.testing.assert_allclose(statistic(methods), [statistic(method) for method in methods])


def test_runs_are_compared_with_runs_of_the_same_beginning_only():
    # From the low beginning both are poor, from the high one both are good: half by half.
    low, high = [0.1, 0.2], [0.8, 0.9]
    method = np.array([[low[0], NAN, low[1], NAN], [NAN, high[0], NAN, high[1]]])
    assert probability_of_improvement(method + 0.05, method) == 0.75
    assert probability_of_improvement(method, method) == 0.5
    ranks = mean_rank(np.stack([method, method + 0.05, method - 0.05]))
    np.testing.assert_array_equal(ranks, [2, 1, 3])


def test_restricted_mean_is_taken_within_strata():
    times = np.array([[0.0, NAN, 2, NAN], [NAN, 4, NAN, 4]])
    assert restricted_mean(times, times < 4, 4) == (1 + 4) / 2


def test_the_difference_between_beginnings_does_not_widen_an_interval(rng):
    beginnings = np.arange(20)[None] % 2
    scores = np.where(beginnings == 1, 0.7, 0.1) + 0.01 * rng.normal(size=(1, 20))
    pooled = bootstrap(scores, mean, rng)
    stratified = bootstrap(stratify(scores, beginnings), mean, rng)
    assert stratified.value == pytest.approx(pooled.value)
    # Two halves 0.6 apart have a standard deviation of 0.3, noise has 0.01.
    assert stratified.high - stratified.low < (pooled.high - pooled.low) / 15


def test_stratified_intervals_cover_the_truth(rng):
    """Shared seeds, skewed noise, strata of different sizes, even of six seeds."""
    beginnings = np.stack([np.zeros(6, int), np.arange(6) % 2, np.arange(6) % 2])
    levels = np.where(beginnings == 1, 5.0, 0.0)
    covered = 0
    for _ in range(400):
        seeds = rng.gamma(4.0, 0.5, size=6) - 2
        scores = stratify(levels + seeds + rng.normal(0, 0.5, (3, 6)), beginnings)
        _, low, high = bootstrap(scores, mean, rng, num_resamples=400)
        covered += low <= 2 <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_resamples_keep_the_strata_and_pair_methods_and_strata(rng):
    seeds = np.arange(10.0)
    beginnings = np.stack([np.zeros(10, int), np.arange(10) % 2])
    methods = stratify(np.stack([[seeds, 10 + seeds], [20 + seeds, 30 + seeds]]), beginnings)
    seen = []
    bootstrap(methods, lambda m: seen.append(m) or mean(m), rng, num_resamples=50)
    drawn = seen[0]
    assert drawn.shape == (50, 2, 3, 8), "of each beginning's five seeds, four are drawn"
    np.testing.assert_array_equal(drawn[:, 1, :], drawn[:, 0] + 20)
    even = drawn[:, 0, 0] % 2 == 0
    np.testing.assert_array_equal(drawn[:, 0, 1], np.where(even, drawn[:, 0, 0] + 10, NAN))
    np.testing.assert_array_equal(drawn[:, 0, 2], np.where(even, NAN, drawn[:, 0, 0] + 10))


def test_large_samples_are_drawn_in_parts_with_the_same_result(rng, monkeypatch):
    scores = stratify(rng.normal(size=(3, 2, 12)), np.tile(BEGINNINGS, 3))
    whole = bootstrap(scores, mean, np.random.default_rng(1))
    monkeypatch.setattr("atn_gym.eval.metrics.bootstrap._MOST_AT_ONCE", 7 * scores.size)
    np.testing.assert_array_equal(bootstrap(scores, mean, np.random.default_rng(1)), whole)


def test_improvement_by_weights_is_that_of_every_resample(rng):
    methods = stratify(rng.integers(6, size=(4, 2, 8)).astype(float), np.tile(BEGINNINGS, 2))
    found = improvement(methods, methods[0], np.random.default_rng(1))
    for c, method in enumerate(methods):
        expected = bootstrap(
            np.stack([method, methods[0]]),
            lambda m: probability_of_improvement(m[..., 0, :, :], m[..., 1, :, :]),
            np.random.default_rng(1),
        )
        np.testing.assert_allclose([part[c] for part in found], expected, atol=1e-12)


def test_value_of_feedback_is_nothing_for_a_schedule_and_pairs_seeds(rng):
    scores = stratify(rng.normal(size=(2, 12)), np.tile(BEGINNINGS, 3))
    assert paired_difference(scores, scores, rng) == (0, 0, 0)
    found = paired_difference(scores, scores - 0.1, rng)
    np.testing.assert_allclose(found, 0.1)


def test_adaptation_score_is_a_ratio_of_sums_over_strata():
    blind = np.array([[0.0, 0.2], [0.5, 0.5]])
    reactive = np.array([[0.4, 0.6], [0.6, 0.6]])  # to win: 0.4 and 0.1
    method = np.array([[0.2, 0.2], [0.6, 0.6]])  # won: 0.1 and 0.1
    assert adaptation_score(method, blind, reactive) == pytest.approx(0.2 / 0.5)
    assert adaptation_score(blind, blind, reactive) == 0
    assert adaptation_score(reactive, blind, reactive) == pytest.approx(1)
    assert adaptation_score(blind - 0.25, blind, reactive) == pytest.approx(-1)
    stack = np.stack([blind, method, reactive])
    np.testing.assert_allclose(adaptation_score(stack, blind, reactive), [0, 0.4, 1])


def test_a_stratum_in_which_nothing_can_be_won_does_not_blow_up():
    blind = np.array([[0.0, 0.2], [0.5, 0.5]])
    reactive = np.array([[0.4, 0.6], [0.5, 0.5 + 1e-9]])
    method = np.array([[0.2, 0.4], [0.5, 0.5]])
    assert adaptation_score(method, blind, reactive) == pytest.approx(0.5)


def test_adaptation_score_is_undefined_where_looking_wins_nothing(rng):
    blind, worse = np.full((2, 4), 0.5), np.full((2, 4), 0.4)
    assert np.isnan(adaptation_score(blind, blind, blind))
    assert np.isnan(adaptation_score(blind, blind, worse))
    assert "undefined: reactive_oracle (0.400) is not above blind (0.500)" in why_undefined(
        blind, worse
    )
    assert "without runs of reactive_oracle" in why_undefined(blind, None)
    assert "without runs of blind and reactive_oracle" in why_undefined(None, None)
    assert why_undefined(worse, blind) is None


def test_interval_of_the_adaptation_score_is_paired(rng):
    # Seeds differ by 1, methods by constants: paired, the score is known exactly.
    seeds = rng.normal(size=(2, 12))
    stack = stratify(np.stack([seeds, seeds + 0.1, seeds + 0.4]), np.tile(BEGINNINGS, 3))

    def score(m):
        return adaptation_score(m, m[..., [0], :, :], m[..., [2], :, :])

    found = bootstrap(stack, score, rng)
    np.testing.assert_allclose(found, np.broadcast_to([0, 0.25, 1], (3, 3)), atol=1e-9)
    # Where some resample has nothing to win, the interval is undefined, the value is not.
    stack[2] = stack[0] + np.where(np.arange(12) < 6, -0.5, 0.6)
    found = bootstrap(stack, score, rng)
    assert np.isfinite(found.value).all()
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 320), (10, 10), (1, 7)])
def test_exact_rate_is_the_interval_of_clopper_and_pearson(k, n):
    happened = (np.arange(n) < k).astype(float)[None]
    expected = stats.binomtest(k, n).proportion_ci(method="exact")
    np.testing.assert_allclose(exact_rate(happened), [k / n, *expected])


def test_exact_rate_pools_strata_and_keeps_methods():
    happened = np.stack([SPLIT > 5, SPLIT > 90]).astype(float)
    happened[np.isnan(np.stack([SPLIT, SPLIT]))] = NAN
    rate = exact_rate(happened)
    np.testing.assert_allclose(rate.value, [5 / 8, 0])
    assert rate.low[1] == 0
    assert rate.high[1] == pytest.approx(1 - 0.025 ** (1 / 8))


HOLES_DIFFER = np.stack([SPLIT, np.where(np.isnan(SPLIT), 1.0, SPLIT)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: stratify(SPLIT, np.zeros((3, 4), int)), "finite"),
        (lambda r: stratify(ENVS, BEGINNINGS[:1]), r"beginnings .*\(1, 4\)"),
        (lambda r: mean(HOLES_DIFFER), "same for all methods"),
        (lambda r: mean(np.array([[1.0, 2], [NAN, NAN]])), "fills a stratum"),
        (lambda r: mean(np.array([[1.0, math.inf]])), "infinity"),
        (lambda r: bootstrap(SPLIT[:, :3], mean, r), "two seeds for each beginning"),
        (lambda r: seed_std(SPLIT[:, :3]), "two seeds in each stratum"),
    ],
)
def test_wrong_values_are_named(call, message, rng):
    with pytest.raises(InvalidArgument, match=message):
        call(rng)
