"""The yoked control: the same hyperparameters as in another run, and what feedback is worth."""

import numpy as np
import pytest

import atn_gym
from atn_gym.agents import Controller, Fixed, Yoked, controller_method
from atn_gym.agents.yoked import partner
from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.strata import stratify
from atn_gym.eval.metrics.value_of_feedback import value_of_feedback
from atn_gym.eval.running.batch import evaluate_seeds

ENV = "atn_gym/DigitsCnn-Stationary-v0"
SMALL = {"num_epochs": 4, "train_size": 256}
NAMES = ("learning_rate", "momentum", "weight_decay")


def runs(method, env_id=ENV, seeds=(0, 1, 2, 3), twins=False, **kwargs):
    env = EnvConfig(id=env_id, **{**SMALL, **kwargs})
    return evaluate_seeds(method, env, seeds, twins=twins)


def values(run):
    """Hyperparameters in each epoch."""
    return [[row[name] for name in NAMES] for row in run.trace]


def difference(method, *others, **kwargs):
    """Value of the feedback of a method, over the runs of some seeds."""
    own, yoked = (
        np.array([[run.summary["anytime_performance"] for run in runs(m, **kwargs)]])
        for m in (method, Yoked(method))
    )
    return float(value_of_feedback(*(stratify(x, np.zeros_like(x, int)) for x in (own, yoked))))


@pytest.mark.parametrize(("sets", "pairs"), [(1, {0: 1, 1: 0, 6: 7}), (2, {0: 2, 1: 3, 3: 1})])
def test_partners_change_places_within_a_set_of_initial_values(sets, pairs):
    assert {seed: partner(seed, sets) for seed in pairs} == pairs
    for seed in range(40):
        assert partner(partner(seed, sets), sets) == seed
        assert partner(seed, sets) % sets == seed % sets


@pytest.mark.parametrize("env_id", [ENV, "atn_gym/DigitsCnnPoorInit-DataShift-v0"])
def test_a_run_gets_the_values_of_its_partner(env_id):
    own = runs(controller_method("random_online"), env_id)
    yoked = runs(Yoked("random_online"), env_id)
    sets = 2 if "PoorInit" in env_id else 1
    for seed, run in enumerate(yoked):
        assert values(run) == values(own[partner(seed, sets)])
    assert any(values(a) != values(b) for a, b in zip(own, yoked, strict=True))


def test_its_runs_do_not_depend_on_which_are_made_together():
    together = runs(Yoked("random_online"), seeds=(0, 1, 2))
    for run in together:
        (alone,) = runs(Yoked("random_online"), seeds=(run.seed,))
        assert alone.trace == run.trace


@pytest.mark.parametrize("name", ["fixed", "cosine", "one_cycle", "step"])
def test_the_value_of_feedback_of_a_schedule_is_exactly_zero(name):
    method = controller_method(name)
    assert difference(method, env_id="atn_gym/DigitsCnnPoorInit-DataShift-v0") == 0
    assert difference(method, env_id="atn_gym/DigitsCnnUnknownScale-Stationary-v0") == 0


class KnowsTheGain(Controller):
    """Undoes the gain of its run as soon as the loss shows it: high where it is low."""

    def observe(self, metric, step):
        self.first = getattr(self, "first", metric)

    def propose(self, current_params):
        if not hasattr(self, "first"):
            return {**current_params, "learning_rate": 0.02}
        return {**current_params, "learning_rate": 0.01 if self.first < 2.2 else 0.3}


def test_the_value_of_feedback_of_a_rule_that_reacts_is_positive():
    """Runs whose effective rates are far apart: the wrong rate is learned from nothing, or ruin."""
    kwargs = {"gain": (-1.2, 1.2), "num_epochs": 10, "train_size": None, "seeds": range(8)}
    assert difference(atn_gym.agents.registry.as_method(KnowsTheGain), **kwargs) > 0.05


def test_two_runs_are_charged():
    (run, *_) = runs(Yoked("cosine"))
    assert run.summary["restarts"] == 1
    assert run.summary["gradient_steps"] == 2 * sum(row["gradient_steps"] for row in run.trace)
    assert run.summary["flops"] == 2 * run.summary["run_flops"]
    assert run.summary["false_alarm_rate"] is None


def test_what_the_method_itself_spends_is_charged_too():
    search = controller_method("offline_bayesian", num_trials=3, together=3)
    (run, *_) = runs(Yoked(search), seeds=(0, 1))
    assert run.summary["restarts"] == 4
    own = runs(search, seeds=(1,))[0]
    assert values(run) == values(own)


def test_a_twin_is_controlled_as_its_run_is():
    shifted = runs(Yoked("heuristic"), "atn_gym/DigitsCnn-DataShift-v0", twins=True, trigger=2)
    assert all(np.isfinite(run.summary["shock_cost"]) for run in shifted)
    # Before the shock, run and twin are the same: a difference shows from the shock on.
    late = runs(Yoked("heuristic"), "atn_gym/DigitsCnn-DataShift-v0", twins=True, severity=0.0)
    assert [run.summary["shock_cost"] for run in late] in ([0.0] * 4, [None] * 4)


class Failing(Fixed):
    def observe(self, metric, step):
        raise RuntimeError("broken")


def test_a_method_that_fails_loses_the_run():
    found = runs(Yoked(Failing))
    assert all("broken" in run.error for run in found)


def test_in_a_config_it_takes_the_arguments_of_the_method():
    config = ControllerConfig(name="yoked", method="heuristic", arguments={"increase": 1.5})
    assert config.method().digest() is None
    with pytest.raises(InvalidArgument, match="has no argument 'increases'"):
        ControllerConfig(name="yoked", method="heuristic", arguments={"increases": 1.5}).method()
    with pytest.raises(InvalidArgument, match="did you mean 'heuristic'"):
        ControllerConfig(name="yoked", method="heuristics").method()


def test_versions_of_the_method_are_told_apart():
    assert Yoked("blind").digest() != Yoked("heuristic").digest() is None


def test_by_name_and_from_python_it_is_the_same():
    by_name = atn_gym.evaluate(controller_method("yoked", method="heuristic"), ENV, 2, **SMALL)
    by_object = atn_gym.evaluate(Yoked("heuristic"), ENV, 2, **SMALL)
    assert by_name.values("anytime_performance").tolist() == (
        by_object.values("anytime_performance").tolist()
    )
