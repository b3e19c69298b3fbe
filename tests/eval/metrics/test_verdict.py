import math

import numpy as np
import pytest

from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.verdict import Verdict, confidence_sequence, verdict


def sequence(differences, **arguments):
    differences = np.asarray(differences, dtype=np.float64)
    return confidence_sequence(differences, np.zeros_like(differences), **arguments)


def test_the_interval_is_as_computed_by_hand():
    found = sequence([[0.1, 0.3, 0.2, 0.4]], confidence=0.9, tightest_at=8)
    log = math.log(0.1)
    rate = 4 * (-2 * log + math.log(1 - 2 * log)) / 8
    squared_error = np.var([0.1, 0.3, 0.2, 0.4], ddof=1) / 4
    half = math.sqrt(squared_error * 2 * (rate + 1) / rate * math.log(math.sqrt(rate + 1) / 0.1))
    assert found.value == pytest.approx(0.25)
    assert [found.low, found.high] == pytest.approx([0.25 - half, 0.25 + half])


def test_beginnings_are_strata_and_their_difference_is_no_noise():
    low, high = [0.1, np.nan, 0.1, np.nan], [np.nan, 0.5, np.nan, 0.5]
    found = sequence([low, high])
    assert found.value == pytest.approx(0.3)
    assert found.high - found.low < 1e-9
    pooled = sequence([[0.1, 0.5, 0.1, 0.5]])
    assert pooled.value == pytest.approx(0.3)
    assert pooled.high - pooled.low > 0.1


def test_envs_that_share_seeds_are_not_taken_for_independent():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(1, 40))
    twice, other = np.repeat(one, 2, axis=0), np.vstack([one, rng.normal(size=(1, 40))])
    width = [float(np.diff(sequence(d)[1:])[0]) for d in (one, twice, other)]
    assert width[0] == pytest.approx(width[1])
    assert width[2] < 0.9 * width[1]


def test_it_holds_at_all_looks_at_once():
    """A fixed-sample interval is left by far more than 5 % of sequences of looks."""
    rng = np.random.default_rng(1)
    left = {"sequence": 0, "fixed": 0}
    for _ in range(200):
        values = rng.normal(size=300)
        looks = range(20, 301, 10)
        left["sequence"] += any(not _covers(sequence([values[:n]])) for n in looks)
        left["fixed"] += any(
            abs(values[:n].mean()) > 1.96 * values[:n].std(ddof=1) / math.sqrt(n) for n in looks
        )
    assert left["sequence"] <= 200 * 0.05
    assert left["fixed"] > 200 * 0.15


def _covers(estimate):
    return estimate.low <= 0 <= estimate.high


@pytest.mark.parametrize(
    ("low", "high", "decided"),
    [
        (0.001, 0.2, "better"),
        (-0.2, -0.001, "worse"),
        (-0.01, 0.01, "equivalent"),
        (0.001, 0.009, "equivalent"),
        (-0.001, 0.02, "undecided"),
        (-0.02, 0.02, "undecided"),
    ],
)
def test_what_an_interval_decides(low, high, decided):
    middle = (low + high) / 2
    assert verdict(Estimate(middle, low, high)) == Verdict(decided)


def test_a_margin_can_be_chosen():
    estimate = Estimate(0.0, -0.04, 0.04)
    assert verdict(estimate) == Verdict.UNDECIDED
    assert verdict(estimate, margin=0.05) == Verdict.EQUIVALENT


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sequence([[0.1]]), "two seeds"),
        (lambda: sequence([[0.1, 0.2]], confidence=1.0), "confidence"),
        (lambda: sequence([[0.1, 0.2]], tightest_at=0), "tightest_at"),
        (lambda: confidence_sequence(np.zeros((1, 2)), np.zeros((1, 3))), "same shape"),
        (lambda: verdict(Estimate(0, -1, 1), margin=0), "margin"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
