"""`atn_gym.evaluate`: policies of every form, here or by any executor."""

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import gymnasium as gym
import numpy as np
import pytest
import small_envs
import torch

import atn_gym
from atn_gym.agents import Controller, Fixed, controller_method
from atn_gym.agents.method import ControllerMethod
from atn_gym.config import EnvConfig
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.batch import evaluate_seeds, has_twin
from atn_gym.eval.running.failures import PolicyError

ENV = "atn_gym/DigitsCnn-OptimizerSensitivityShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 4, "trigger": 2}


class Halving(Controller):
    """Halves the learning rate in each epoch, or divides it by something else."""

    def __init__(self, setting, divisor=2):
        super().__init__(setting)
        self.divisor = divisor

    def observe(self, metric, step):
        pass

    def propose(self, current_params):
        return {**current_params, "learning_rate": current_params["learning_rate"] / self.divisor}


class AlwaysDown:
    """A policy in a few lines, with nothing but `predict`."""

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        actions = np.zeros((len(observation["progress"]), 3), np.float32)
        actions[:, 0] = -0.3
        return actions, state


def evaluate(policy, **kwargs):
    return atn_gym.evaluate(policy, ENV, **{"seeds": 2, **SMALL, **kwargs})


def comparable(evaluation):
    return [
        (run.seed, run.trace, {k: v for k, v in run.summary.items() if k != "wall_clock_s"})
        for run in evaluation.runs
    ]


@pytest.mark.parametrize(
    "policy",
    [
        "cosine",
        Halving,
        functools.partial(Halving, divisor=3),
        lambda setting: Halving(setting, 3),
        AlwaysDown(),
        controller_method("step", gamma=0.5),
    ],
    ids=str,
)
def test_policies_of_every_form(policy):
    evaluation = evaluate(policy)
    assert [summary["seed"] for summary in evaluation.summaries] == [0, 1]
    assert evaluation.failures == {}
    assert evaluation.runs[0].trace[-1]["learning_rate"] < 0.05
    expected = np.mean([s["anytime_performance"] for s in evaluation.summaries])
    assert evaluation.mean("anytime_performance") == pytest.approx(expected)


@pytest.mark.parametrize("seeds", [np.int64(2), [np.int64(0), np.int32(1)], np.arange(2)], ids=str)
def test_seeds_may_be_integers_of_numpy(seeds):
    evaluation = evaluate("fixed", seeds=seeds, twins=False)
    assert [type(run.seed) for run in evaluation.runs] == [int, int]
    assert comparable(evaluation) == comparable(evaluate("fixed", twins=False))


def test_traces_are_those_of_a_plain_loop():
    env = gym.make(ENV, **SMALL)
    env.reset(seed=1)
    losses = []
    for _ in range(4):
        *_, info = env.step(np.array([-0.3, 0, 0], np.float32))
        losses.append(info["privileged"]["val_loss"])
    run = evaluate(AlwaysDown(), seeds=[1]).runs[0]
    assert [row["val_loss"] for row in run.trace] == losses


def test_shock_cost_is_the_mean_difference_to_the_twin():
    summary = evaluate("fixed", seeds=[3]).summaries[0]
    shifted = evaluate("fixed", seeds=[3]).runs[0].trace
    twin = evaluate("fixed", seeds=[3], twin=True).runs[0].trace
    losses = [[row["val_loss"] for row in trace] for trace in (shifted, twin)]
    assert losses[0][:2] == losses[1][:2]
    expected = np.mean(np.array(losses[0])[2:] - np.array(losses[1])[2:])
    assert summary["shock_cost"] == pytest.approx(expected)
    assert summary["shock_cost"] != 0
    assert evaluate("fixed", twins=False).summaries[0]["shock_cost"] is None


def test_the_twin_of_a_search_runs_what_was_found_and_searches_no_more():
    method = controller_method("offline_bayesian", num_trials=2, together=2)
    with_twin, without = (
        evaluate_seeds(method, EnvConfig(id=ENV, **SMALL), [0], twins) for twins in (True, False)
    )
    assert with_twin[0].summary["shock_cost"] is not None
    assert with_twin[0].summary["flops"] == without[0].summary["flops"]
    assert with_twin[0].trace == without[0].trace


def test_envs_without_a_shock_have_no_twin():
    assert has_twin(EnvConfig(id=ENV))
    assert has_twin(EnvConfig(id="atn_gym/DigitsCnn-Mixture-v0"))
    assert not has_twin(EnvConfig(id=ENV, twin=True))
    assert not has_twin(EnvConfig(id="atn_gym/DigitsCnn-Stationary-v0"))
    assert not has_twin(EnvConfig(id=ENV, severity=0.0))


@pytest.mark.slow
def test_any_executor_gives_the_same_results():
    here = evaluate("autotunenet", seeds=[0, 1, 2])
    with ThreadPoolExecutor(3) as executor:
        threads = evaluate("autotunenet", seeds=[0, 1, 2], executor=executor)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        processes = evaluate("autotunenet", seeds=[0, 1, 2], executor=executor)
    assert comparable(here) == comparable(threads) == comparable(processes)


def test_threads_of_torch_are_as_before():
    before = torch.get_num_threads()
    evaluate("fixed", seeds=1)
    assert torch.get_num_threads() == before


def draws_of(seed):
    """Seed of the controller of a run of the env of these tests."""
    return EnvConfig(id=ENV, **SMALL).params().controller_seed(seed)


class Dropping(Fixed):
    def observe(self, metric, step):
        if self.setting.seed == draws_of(1):
            raise RuntimeError("dropped")


def test_failures_are_kept_apart():
    evaluation = evaluate(Dropping, seeds=3)
    assert list(evaluation.failures) == [1]
    assert "RuntimeError at epoch 1 of the run with seed 1: dropped" in evaluation.failures[1]
    assert len(evaluation.summaries) == 2


class InTwin(Fixed):
    """Fails in the second run with a seed, which is the twin."""

    calls: dict[int, int] = {}

    def __init__(self, setting):
        super().__init__(setting)
        self.calls[setting.seed] = self.calls.get(setting.seed, 0) + 1

    def observe(self, metric, step):
        if self.calls[self.setting.seed] == 2 and self.setting.seed == draws_of(1) and step == 2:
            raise RuntimeError("dropped")


def test_a_controller_that_fails_in_the_twin_loses_the_run():
    InTwin.calls.clear()
    method = ControllerMethod(InTwin)
    runs = evaluate_seeds(method, EnvConfig(id=ENV, **SMALL), [0, 1])
    assert runs[0].error is None
    assert runs[0].summary["shock_cost"] is not None
    assert runs[1].summary is None
    assert "in the twin, the same run without the regime: controller InTwin" in runs[1].error
    assert "at epoch 2 of the run with seed 1: dropped" in runs[1].error


def test_a_run_that_has_failed_gets_no_twin():
    Counting.made.clear()
    runs = evaluate_seeds(ControllerMethod(Counting), EnvConfig(id=ENV, **SMALL), [0, 1])
    assert runs[1].error is not None
    assert Counting.made == [draws_of(0), draws_of(1), draws_of(0)]


class Counting(Dropping):
    made: list[int] = []

    def __init__(self, setting):
        super().__init__(setting)
        self.made.append(setting.seed)


class NaNFor(AlwaysDown):
    """Acts with NaN from epoch 1 on, in the first rows."""

    def __init__(self, rows):
        self.rows = rows

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        actions, state = super().predict(observation)
        if observation["progress"].max() > 0:
            actions[: self.rows] = np.nan
        return actions, state


def test_a_policy_that_acts_with_nan_in_some_runs_loses_these():
    evaluation = evaluate(NaNFor(1), seeds=[7, 8], twins=False)
    message = "policy NaNFor returned an action with NaN at epoch 1 of the run with seed 7"
    assert message in evaluation.failures[7]
    assert [summary["seed"] for summary in evaluation.summaries] == [8]


class Broken:
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        raise KeyError("weights")


@pytest.mark.parametrize(
    ("policy", "kwargs", "error", "message"),
    [
        (Broken(), {}, PolicyError, "policy Broken raised KeyError at epoch 0"),
        (
            NaNFor(2),
            {},
            PolicyError,
            "policy NaNFor returned an action with NaN at epoch 1 of the run with seed 0",
        ),
        ("cosin", {}, InvalidArgument, "did you mean 'cosine'"),
        (3, {}, InvalidArgument, "a policy must be an object with predict.*got 3$"),
        (AlwaysDown, {}, InvalidArgument, "got <class .*AlwaysDown'>: pass an object of it"),
        (dict, {}, InvalidArgument, "got <class 'dict'>: derive it from atn_gym.agents.Controller"),
        ("fixed", {"seed": 3}, TypeError, "argument 'seed'; did you mean 'seeds'?"),
        (lambda setting: 3, {}, InvalidArgument, "must return a Controller, but <lambda> ret"),
        (functools.partial(Halving, by=3), {}, InvalidArgument, "Halving raised TypeError when"),
        (Halving, {"divisor": 3}, InvalidArgument, r"functools.partial\(Halving, divisor=3\)"),
        (
            "autotunenet",
            {"patience": 3, "window": 5},
            InvalidArgument,
            r"'patience' is one of the controller: evaluate controller_method\('autotunenet', "
            r"patience=3\) in its place",
        ),
        (
            "scheduler",
            {"scheduler": "StepLR", "step_size": 3},
            InvalidArgument,
            r"controller_method\('scheduler', scheduler='StepLR', step_size=3\)",
        ),
        ("fixed", {"seeds": [0.5]}, InvalidArgument, "different integers"),
        ("fixed", {"seeds": np.array([True])}, InvalidArgument, "different integers"),
        ("fixed", {"seeds": np.zeros((1, 2), int)}, InvalidArgument, "different integers"),
        ("fixed", {"seeds": 0}, InvalidArgument, "seeds must be a number from 1 to"),
        ("fixed", {"seeds": [1, 1]}, InvalidArgument, "different integers"),
        ("fixed", {"sevrity": 1}, InvalidArgument, "did you mean 'severity'"),
    ],
)
def test_what_users_get_wrong(policy, kwargs, error, message):
    with pytest.raises(error, match=message):
        evaluate(policy, **kwargs)


def test_unknown_metrics_are_named():
    evaluation = evaluate("fixed", seeds=1)
    with pytest.raises(InvalidArgument, match="did you mean 'anytime_performance'"):
        evaluation.mean("anytime_perfomance")
    with pytest.raises(InvalidArgument, match="must have a number in every run"):
        evaluate("fixed", seeds=1, severity=0.0).mean("recovery_time")


def test_evaluate_is_where_the_package_says():
    assert "evaluate" in atn_gym.__all__
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        atn_gym.evalute  # noqa: B018
