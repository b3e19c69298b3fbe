"""The published AutoTuneNet against traces recorded from its public code."""

import json
from pathlib import Path

import numpy as np
import pytest

from atn_gym.agents import AutoTuneNetOriginal, RunSetting
from atn_gym.agents.registry import controller_factory
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

RECORDED = json.loads((Path(__file__).parent / "data" / "autotunenet_traces.json").read_text())
INITIAL = RECORDED["initial"]


def make(names=("learning_rate",), seed=0, **arguments):
    setting = RunSetting(HyperparameterSpace(names), num_epochs=40, seed=seed)
    return AutoTuneNetOriginal(setting, **arguments)


def drive(controller, metrics):
    """Values in force in the epoch after each metric."""
    names = controller.setting.hyperparameters.names
    params = controller.propose({name: INITIAL[name] for name in names})
    after = []
    for step, metric in enumerate(metrics, start=1):
        controller.observe(metric, step)
        params = controller.propose(params)
        after.append([params[name] for name in names])
    return np.array(after)


@pytest.mark.parametrize("trace", RECORDED["traces"], ids=lambda t: f"{t['scale']}-{t['metrics']}")
def test_it_makes_the_moves_of_the_public_code(trace):
    """Learning rate only and all three, lists and tuples, five sequences, three seeds."""
    controller = make(trace["hyperparameters"], trace["seed"], scale=trace["scale"])
    metrics = [float(metric) for metric in RECORDED["metrics"][trace["metrics"]]]
    np.testing.assert_allclose(drive(controller, metrics), trace["values"], rtol=1e-5)
    assert controller.rollbacks == trace["rollbacks"]


def test_the_traces_hold_rollbacks_diverged_scores_and_learned_trials():
    """A comparison over quiet runs would show nothing."""
    traces = RECORDED["traces"]
    assert len(traces) == 2 * 2 * 5 * 3
    assert {t["rollbacks"] > 2 for t in traces} == {True, False}
    assert {"nan", "inf"} <= set(RECORDED["metrics"]["diverging"])
    assert min(t["told"] for t in traces) > 20, "the sampler learns from the 11th score on"


@pytest.mark.parametrize(
    "other", [{"warmup_epochs": 1}, {"startup_trials": 4}, {"cooldown": 2}, {"scale": "linear"}]
)
def test_other_settings_make_other_moves(other):
    metrics = [float(metric) for metric in RECORDED["metrics"]["noisy"]]
    assert not np.allclose(drive(make(**other), metrics), drive(make(), metrics), rtol=1e-5)


def test_three_epochs_are_untouched():
    values = drive(make(), [1.0] * 4)
    assert (values[:2] == INITIAL["learning_rate"]).all()
    change = values[2, 0] / INITIAL["learning_rate"]
    assert np.isclose(change, [0.5, 1.5]).any(), "the first change is in the fourth epoch"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"scale": "log"}, "scale"),
        ({"max_delta": 1.5}, "max_delta"),
        ({"patience": 0}, "patience"),
        ({"cooldown": -1}, "cooldown"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(InvalidArgument, match=named):
        make(**arguments)


def test_flaw_a_rollback_leads_back_to_the_values_of_the_first_bad_score():
    values = drive(make(max_delta=1, smoothing_window=1), [0.3] * 10 + [1.0] * 2)[:, 0]
    first_bad, second_bad, after = values[-3:]
    assert first_bad != second_bad
    assert after == min(first_bad, 2 * second_bad), "no value more than doubles"


def test_flaw_a_lasting_rise_of_the_loss_causes_rollbacks_to_the_end():
    def rollbacks(name, **arguments):
        setting = RunSetting(HyperparameterSpace(("learning_rate",)), num_epochs=60, seed=10_000)
        controller = controller_factory(name, **arguments)(setting)
        params, counts = controller.propose({"learning_rate": 0.01}), []
        for step, loss in enumerate([0.3] * 20 + [1.0] * 40, start=1):
            controller.observe(loss, step)
            params = controller.propose(params)
            counts.append(controller.rollbacks)
        return np.flatnonzero(np.diff(counts)) + 2

    assert rollbacks("autotunenet_original").tolist() == [22, 28, 34, 40, 46, 52, 58]
    published = {"smoothing_window": 3, "max_regression": 0.2, "patience": 2, "cooldown": 3}
    assert rollbacks("autotunenet", **published).tolist() == [22]
