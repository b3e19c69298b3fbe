"""Regret: how far a run stays behind the best that was possible."""

import pytest

import atn_gym

SETTING = {"seeds": [10000, 10001], "num_epochs": 6}


@pytest.mark.parametrize("regime", ["Stationary", "CurriculumShift"])
def test_regret_is_none_of_the_best_and_above_it_for_others(regime):
    env = f"atn_gym/NoisyQuadratic-{regime}-v0"
    best = atn_gym.evaluate("optimal", env, **SETTING)
    for name in ("fixed", "heuristic"):
        other = atn_gym.evaluate(name, env, **SETTING)
        for run, of_best in zip(other.runs, best.runs, strict=True):
            assert of_best.summary["regret"] == pytest.approx(0, abs=1e-5)
            gap = of_best.summary["anytime_performance"] - run.summary["anytime_performance"]
            assert run.summary["regret"] == pytest.approx(gap, abs=1e-5)
            assert gap > 0.01


def test_regret_is_undefined_where_the_best_is_unknown():
    runs = [
        *atn_gym.evaluate("fixed", "atn_gym/DigitsCnn-Stationary-v0", **SETTING).runs,
        *atn_gym.evaluate(
            "fixed", "atn_gym/NoisyQuadratic-Stationary-v0", engine="sampled", **SETTING
        ).runs,
    ]
    assert [run.summary["regret"] for run in runs] == [None] * 4
