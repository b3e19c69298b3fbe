"""The rules of a run, as the runner enforces them."""

import functools
import json
import re
import sys

import gymnasium as gym
import numpy as np
import pytest
import yaml
from small_envs import SMALL

from atn_gym import cli
from atn_gym.agents import ControllerPolicy, Fixed, RunSetting, controller_method
from atn_gym.agents.method import ControllerMethod
from atn_gym.errors import InvalidArgument
from atn_gym.eval.report.report import write_report
from atn_gym.eval.running.failures import PolicyError
from atn_gym.eval.running.rollout import run_seeds
from atn_gym.eval.running.summary import summarise
from atn_gym.eval.storage.experiment import read_experiment


def vector(env_id="atn_gym/DigitsCnn-DataShift-v0", num_envs=2, **kwargs):
    return gym.make_vec(env_id, num_envs=num_envs, autoreset_mode="Disabled", **{**SMALL, **kwargs})


def draws_of(env, seed):
    """Seed of the controller of a run."""
    return env.unwrapped.episodes.params.controller_seed(seed)


class WithEnv(ControllerPolicy):
    """A policy of a user's that has kept a handle on the env."""

    def __init__(self, env, mischief, at_epoch=1):
        episodes = env.unwrapped.episodes
        super().__init__(Fixed, episodes.hyperparameters, episodes.num_epochs)
        self.env, self.mischief, self.at_epoch = env, mischief, at_epoch

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        if round(float(observation["progress"][0, 0]) * 3) == self.at_epoch:
            self.mischief(self.env)
        return super().predict(observation, state, episode_start, deterministic)


def reset_all(env):
    env.reset(seed=[0, 1])


def reset_one(env):
    env.reset(seed=[0, 1], options={"reset_mask": np.array([False, True])})


def reseed(env):
    env.reset(seed=[5, 6])


def train_more(env):
    env.step(np.zeros((2, 3), np.float32))


def begin_with_another_rate(env):
    """And train it up to where it stood."""
    episodes = env.unwrapped.episodes
    episodes.begin([0], [0], [{"learning_rate": 0.2}])
    for _ in range(2):
        episodes.step([0], np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("mischief", "at_epoch", "seed"),
    [
        (reset_all, 1, 0),
        (reset_one, 2, 1),
        (reseed, 0, 0),
        (train_more, 1, 0),
        (begin_with_another_rate, 2, 0),
    ],
)
def test_a_policy_that_resets_or_advances_a_run_is_an_error(mischief, at_epoch, seed):
    env = vector()
    message = f"reset or advanced the run with seed {seed} .* at epoch {at_epoch}: runs are never"
    with pytest.raises(PolicyError, match=message):
        run_seeds(WithEnv(env, mischief, at_epoch), env, [0, 1])


def test_what_is_trained_beside_a_run_must_be_charged():
    def try_an_epoch(env):
        episodes = env.unwrapped.episodes
        snapshot = episodes.get_state(0)
        episodes.step([0], np.ones((1, 3)))
        episodes.set_state(0, snapshot)

    env = vector()
    with pytest.raises(PolicyError, match=r"trained 2 gradient steps beside .* accounts for 0"):
        run_seeds(WithEnv(env, try_an_epoch), env, [0, 1])


def test_a_policy_that_looks_without_touching_is_none():
    env = vector()
    records = run_seeds(WithEnv(env, lambda env: env.unwrapped.get_state()), env, [0, 1])
    assert [len(record.trace) for record in records] == [3, 3]


@pytest.mark.parametrize(
    "name",
    ["fixed", "cosine", "random_online", "heuristic", "autotunenet", "pid", "bandit", "spsa"],
)
def test_online_controllers_never_restart_and_cost_one_run(name):
    env = vector()
    (record, _) = run_seeds(controller_method(name).policy(env, [0, 1]), env, [0, 1])
    summary = summarise(record, 3, 10)
    assert summary["restarts"] == 0
    assert summary["gradient_steps"] == 3 * 2
    assert summary["flops"] == summary["run_flops"] == sum(row["flops"] for row in record.trace)
    expected = (summary["anytime_performance"] + 1) / 2
    assert summary["compute_adjusted_performance"] == pytest.approx(expected)


def test_controllers_get_no_handle_to_the_env():
    """Nothing reachable from a controller, by any attribute, leads to the env."""
    seen = []

    class Prying(Fixed):
        def observe(self, metric, step):
            seen.append((metric, step, self))

    env = vector("atn_gym/DigitsCnn-LossPerturbation-v0", num_envs=1, trigger=0)
    (record,) = run_seeds(ControllerPolicy.for_env(Prying, env, [0]), env, [0])
    forbidden = (
        type(env.unwrapped),
        type(env.unwrapped.episodes),
        type(env.unwrapped.episodes._trainer),
    )
    reachable, frontier = set(), [value for entry in seen for value in entry]
    while frontier:
        value = frontier.pop()
        if id(value) in reachable:
            continue
        reachable.add(id(value))
        assert not isinstance(value, forbidden)
        if isinstance(value, dict):
            frontier += value.values()
        elif isinstance(value, (list, tuple)):
            frontier += value
        elif not isinstance(value, type):
            frontier += getattr(value, "__dict__", {}).values()
    observed = [row["observed_val_loss"] for row in record.trace]
    clean = [row["val_loss"] for row in record.trace]
    assert [metric for metric, _, _ in seen] == pytest.approx(observed[:2], rel=1e-6)
    assert not np.isclose(observed, clean, rtol=1e-3).any()


def failing(how, seed):
    """A controller with draws from a seed fails at epoch 1."""

    class Failing(Fixed):
        def propose(self, current_params):
            proposal = dict(current_params)
            if self.setting.seed == seed and getattr(self, "epoch", 0) == 1:
                return how(proposal)
            return proposal

        def observe(self, metric, step):
            self.epoch = step

    return Failing


def leave(proposal):
    sys.exit("enough")


def divide(proposal):
    return {**proposal, "learning_rate": 1 / 0}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (leave, "controller Failing raised SystemExit at epoch 1 .* seed 1: enough"),
        (divide, "controller Failing raised ZeroDivisionError at epoch 1 .* seed 1: division"),
        (lambda p: {**p, "momentum": float("nan")}, "invalid proposal at epoch 1 .* seed 1.* nan"),
        (lambda p: {"momentum": 0.5}, "invalid proposal at epoch 1 .* seed 1.*learning_rate"),
        (lambda p: {**p, "lr": 0.1}, "invalid proposal at epoch 1 .* seed 1.*'lr'"),
        (lambda p: {**p, "weight_decay": 5.0}, "invalid proposal at epoch 1 .* seed 1.*got 5"),
    ],
)
def test_a_failing_controller_loses_its_own_run_alone(how, message):
    env = vector(num_envs=3)
    policy = ControllerMethod(failing(how, seed=draws_of(env, 1))).policy(env, [0, 1, 2])
    first, second, third = run_seeds(policy, env, [0, 1, 2])
    assert re.search(message, str(second.account.error))
    assert first.account.error is third.account.error is None
    reference = vector(num_envs=3)
    expected = run_seeds(ControllerPolicy.for_env(Fixed, reference), reference, [0, 1, 2])
    assert first.trace == expected[0].trace
    assert third.trace == expected[2].trace


class Miscounting(Fixed):
    @property
    def rollbacks(self):
        return None if self.setting.seed == draws_of(vector(), 1) else 0

    @rollbacks.setter
    def rollbacks(self, count):
        pass


def test_a_controller_that_counts_nonsense_loses_its_own_run_alone():
    env = vector()
    first, second = run_seeds(ControllerMethod(Miscounting).policy(env, [0, 1]), env, [0, 1])
    assert first.error is None
    assert re.search("Miscounting must count .* seed 1: rollbacks must be", str(second.error))


class Wild(Fixed):
    """Diverges in the run with seed 0, and counts what it is told."""

    steady = None

    def observe(self, metric, step):
        self.optimizer_evaluations += 1

    def propose(self, current_params):
        if self.setting.seed == self.steady:
            return current_params
        return {"learning_rate": 1.0, "momentum": 0.99, "weight_decay": 1e-2}


def test_what_a_controller_is_told_does_not_hang_on_the_runs_beside_it():
    counts = []
    for seeds in ([0], [0, 1]):
        env = vector("atn_gym/DigitsCnn-Stationary-v0", len(seeds), num_epochs=8, train_size=None)
        Wild.steady = draws_of(env, 1)
        record, *_ = run_seeds(ControllerMethod(Wild).policy(env, seeds), env, seeds)
        assert len(record.trace) < 8
        counts.append(record.account.optimizer_evaluations)
        assert counts[-1] == len(record.trace) - 1
    assert counts[0] == counts[1]


class Choosy(Fixed):
    def __init__(self, setting, gain=1.0):
        if setting.seed == draws_of(vector(), 1):
            raise ValueError("not this seed")
        super().__init__(setting)


@pytest.mark.parametrize("factory", [Choosy, functools.partial(Choosy, gain=2.0)])
def test_a_controller_that_cannot_be_made_loses_its_own_run_alone(factory):
    env = vector(num_envs=3)
    first, second, third = run_seeds(
        ControllerMethod(factory).policy(env, [0, 1, 2]), env, [0, 1, 2]
    )
    assert first.error is third.error is None
    assert str(second.error) == (
        "controller Choosy raised ValueError when it was made for the run with seed 1: not this "
        "seed"
    )
    assert first.test
    with pytest.raises(PolicyError, match=r"raised ControllerError .*Choosy raised ValueError"):
        run_seeds(ControllerPolicy.for_env(factory, env), env, [0, 1, 2])


class Forgetful(Fixed):
    def __init__(self, setting):
        pass


def test_a_controller_that_forgets_the_constructor_of_its_base_is_told_so():
    env = vector(num_envs=1)
    with pytest.raises(InvalidArgument, match=r"Forgetful must call super\(\).__init__"):
        ControllerMethod(Forgetful).check(RunSetting(env.unwrapped.episodes.hyperparameters, 3))
    (record,) = run_seeds(ControllerMethod(Forgetful).policy(env, [0]), env, [0])
    assert "Forgetful must call super().__init__(setting)" in str(record.error)


CONTROLLERS = """
import numpy as np
from atn_gym.agents import Controller, Fixed, Method

class Clumsy(Fixed):
    def observe(self, metric, step):
        if self.setting.seed == SEED:
            raise RuntimeError("dropped")

class Broken(Method):
    def policy(self, env, seeds):
        return self
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        raise KeyError("weights")

class Absent(Method):
    def policy(self, env, seeds):
        raise OSError("no weights")

class NaN(Method):
    def policy(self, env, seeds):
        return self
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full((len(observation["progress"]), 3), np.nan), state
"""


def test_failures_are_reported_and_everything_else_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = CONTROLLERS.replace("SEED", str(draws_of(vector(), 1)))
    (tmp_path / "rollout_own.py").write_text(text)
    config = {
        "experiment": "failures",
        "envs": [{"id": "atn_gym/DigitsCnn-DataShift-v0", **SMALL}],
        "controllers": [
            *(f"rollout_own:{name}" for name in ("Clumsy", "Broken", "Absent", "NaN")),
            "fixed",
        ],
        "seeds": 2,
    }
    (tmp_path / "failures.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", "failures.yaml"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 7
    assert "seed 1: controller Clumsy raised RuntimeError at epoch 1" in errors[0]
    assert "policy Broken raised KeyError at epoch 0 of the runs with seeds 0, 1" in errors[1]
    assert "rollout_own:Absent on DigitsCnn-DataShift, seed 0: method" in errors[3]
    assert "method Absent raised OSError before the runs with seeds 0, 1: no weights" in errors[3]
    assert "policy NaN returned an action with NaN at epoch 0 of the run with seed 1" in errors[6]
    runs = read_experiment(tmp_path / "results" / "failures").runs
    assert sorted(run.seed for run in runs) == [0, 0, 1]
    write_report(tmp_path / "results" / "failures")
    text = (tmp_path / "results" / "failures" / "report.md").read_text()
    assert "NaN, seed 0, 1: policy NaN returned an action with NaN" in text.replace("\\", "")
    assert "Broken, seed 0, 1: policy Broken raised KeyError" in text.replace("\\", "")


def test_a_controller_of_ones_own_by_name_and_by_object(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rollout_halving.py").write_text(
        "from atn_gym.agents import Controller\n"
        "class Halving(Controller):\n"
        "    def observe(self, metric, step):\n"
        "        pass\n"
        "    def propose(self, current_params):\n"
        "        return {**current_params, 'learning_rate': current_params['learning_rate'] / 2}\n"
    )
    import rollout_halving

    by_name, by_object = vector(), vector()
    named = run_seeds(
        controller_method("rollout_halving:Halving").policy(by_name, [0, 1]), by_name, [0, 1]
    )
    made = run_seeds(
        ControllerPolicy.for_env(rollout_halving.Halving, by_object), by_object, [0, 1]
    )
    assert [record.trace for record in named] == [record.trace for record in made]
    rates = [row["learning_rate"] for row in named[0].trace]
    np.testing.assert_allclose(rates, [0.025, 0.0125, 0.00625], rtol=1e-5)


def test_summary_of_a_scheduled_run_by_hand():
    env = vector(num_envs=1, num_epochs=4, trigger=2)
    policy = controller_method("step", step_size=1, gamma=0.1).policy(env, [0])
    (record,) = run_seeds(policy, env, [0])
    summary = summarise(record, 4, 10)
    assert record.initial["learning_rate"] == 0.05
    assert summary["shock_epoch"] == 2
    # The learning rate falls by a decade in three of four epochs, the first of them before
    # the shock.
    assert summary["update_magnitude"] == pytest.approx(0.75, abs=1e-4)
    assert summary["adaptation_frequency"] == 0.75
    # A schedule never looks.
    assert summary["false_alarm_rate"] is None
    assert summary["rollback_count"] == 0
    json.dumps(summary)


def test_a_run_at_chance_of_the_few_classes_of_the_last_epoch_has_collapsed():
    """Before the shock of CurriculumShift, and while a recurring one is off, chance is ln 5."""
    shift = {"kind": "classes", "profile": "recurring", "trigger": 1, "period": 1}
    env = vector("atn_gym/DigitsCnn-CurriculumShift-v0", num_envs=1, **shift)
    policy = ControllerPolicy.for_env(Fixed, env)
    record = run_seeds(policy, env, [0])[0]
    assert [row["visible_classes"] for row in record.trace] == [5, 10, 5]
    record.trace[-1]["val_loss"] = np.log(5)
    assert summarise(record, 3, 10)["collapsed"]
    record.trace[-1]["visible_classes"] = 10
    assert not summarise(record, 3, 10)["collapsed"]
