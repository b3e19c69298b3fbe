import dataclasses

import numpy as np
import pytest

import atn_gym
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.batch import EvaluatedRun
from atn_gym.eval.running.evaluation import Evaluation

ENV = "atn_gym/DigitsCnn-DataShift-v0"


def made_up(policy, performances, **arguments):
    runs = [
        EvaluatedRun(
            seed,
            [],
            {
                "anytime_performance": value,
                "compute_adjusted_performance": (value + 1) / 2,
                "final_val_accuracy": 0.5,
                "recovery_time": None,
                "beginning": seed % 2,
            },
        )
        for seed, value in enumerate(performances)
    ]
    return Evaluation(ENV, arguments, policy, runs)


def noisy(policy, level, seeds=40, spread=0.01):
    noise = np.random.default_rng(len(policy)).normal(0, spread, seeds)
    return made_up(policy, (level + 0.4 * (np.arange(seeds) % 2) + noise).tolist())


def test_each_is_compared_with_each():
    best, second, worst = noisy("best", 0.3), noisy("twin", 0.3), noisy("worst", 0.1)
    found = atn_gym.compare([best, second, worst])
    assert [(c.first, c.second) for c in found] == [
        ("best", "twin"),
        ("best", "worst"),
        ("twin", "worst"),
    ]
    assert [c.verdict for c in found] == ["equivalent", "better", "better"]
    assert atn_gym.compare([worst, best])[0].verdict == "worse"
    assert str(found[1]).startswith("best is better than worst: 0.2")


def test_few_seeds_decide_nothing():
    found = atn_gym.compare([noisy("best", 0.3, 19), noisy("worst", 0.1, 19)])
    assert found[0].verdict == "undecided"
    assert found[0].difference.low > 0


def test_an_interval_knows_the_beginnings():
    evaluation = noisy("mine", 0.3)
    low, high = evaluation.interval("anytime_performance")
    assert low < evaluation.mean("anytime_performance") < high
    assert high - low < 0.02
    # Seeds 0, 2 and 1: the two beginnings count the same.
    assert made_up("mine", [0.0, 0.6, 0.0]).mean("anytime_performance") == pytest.approx(0.3)


def test_a_repr_is_one_short_line_and_notebooks_get_a_table():
    evaluation = noisy("<mine>", 0.3)
    assert len(repr(evaluation)) < 250
    assert "40 seeds" in repr(evaluation)
    assert "anytime performance 0.5" in repr(evaluation)
    assert "&lt;mine&gt;" in evaluation._repr_html_()
    failed = Evaluation(ENV, {}, "mine", [EvaluatedRun(0, [], None, "it broke")])
    assert repr(failed) == f"Evaluation(mine on {ENV}, 1 seed, 1 failed)"


def test_an_evaluation_of_real_runs_says_the_same_as_its_runs():
    evaluation = atn_gym.evaluate("fixed", ENV, seeds=2, num_epochs=2, train_size=64, twins=False)
    values = [run.summary["anytime_performance"] for run in evaluation.runs]
    assert evaluation.mean("anytime_performance") == pytest.approx(np.mean(values))
    assert evaluation.policy == "fixed"
    assert evaluation.env_arguments == {"num_epochs": 2, "train_size": 64}


def test_the_package_lists_what_it_loads_late():
    assert {"compare", "evaluate", "env_ids"} <= set(dir(atn_gym))


@pytest.mark.parametrize(
    ("evaluations", "message"),
    [
        ([noisy("one", 0.1)], "at least two"),
        ([noisy("one", 0.1), noisy("two", 0.1, 39)], "same seeds"),
        ([noisy("one", 0.1), made_up("two", [0.1] * 40, num_epochs=3)], "of one env"),
        ([dataclasses.replace(noisy("one", 0.1), env_id="x"), noisy("two", 0.1)], "of one env"),
    ],
)
def test_what_cannot_be_compared_is_named(evaluations, message):
    with pytest.raises(InvalidArgument, match=message):
        atn_gym.compare(evaluations)


def test_an_interval_of_one_seed_is_refused():
    with pytest.raises(InvalidArgument, match="two seeds"):
        made_up("mine", [0.1]).interval("anytime_performance")
    with pytest.raises(InvalidArgument, match="number in every run"):
        made_up("mine", [0.1, 0.2]).mean("recovery_time")
