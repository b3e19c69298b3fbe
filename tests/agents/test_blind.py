"""The blind reference: a schedule through knots, by data set."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import atn_gym
from atn_gym.agents import Blind, RunSetting
from atn_gym.agents.blind import SCHEDULES, KnotSchedule
from atn_gym.config import EnvConfig
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.batch import evaluate_seeds

ENV = "atn_gym/DigitsCnn-Stationary-v0"
SMALL = {"num_epochs": 4, "train_size": 128}
KNOTS = {
    "learning_rate": [(0, 0.1), (0.5, 0.1), (1, 0.001)],
    "momentum": [(0, 0.9), (1, 0.99)],
}


def schedule(num_epochs=5, knots=KNOTS):
    controller = KnotSchedule(RunSetting(HyperparameterSpace(), num_epochs), knots)
    values = {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 1e-3}
    proposed = [controller.propose(values)]
    for step in range(1, num_epochs):
        controller.observe(float("nan"), step)
        proposed.append(controller.propose(values))
    return {name: [p[name] for p in proposed] for name in values}


def test_between_knots_it_is_linear_in_decades():
    found = schedule()
    assert found["learning_rate"] == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.001])
    gaps = [0.1 * 10 ** (-i / 4) for i in range(5)]
    assert [1 - m for m in found["momentum"]] == pytest.approx(gaps)
    assert found["weight_decay"] == [1e-3] * 5


def test_a_run_of_one_epoch_has_the_first_values():
    assert schedule(1)["learning_rate"] == pytest.approx([0.1])


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        ({"lr": [(0, 0.1), (1, 0.1)]}, "unknown hyperparameter 'lr'"),
        ({"learning_rate": [(0, 0.1)]}, "rise from 0 to 1"),
        ({"learning_rate": [(0, 0.1), (0.5, 0.1)]}, "rise from 0 to 1"),
        ({"learning_rate": [(0, 0.1), (0, 0.1), (1, 0.1)]}, "rise from 0 to 1"),
        ({"learning_rate": [(0, 0.1), (1, 7)]}, "must be a number in"),
    ],
)
def test_knots_are_checked(knots, message):
    with pytest.raises(InvalidArgument, match=message):
        schedule(knots=knots)


def test_it_sets_the_same_absolute_values_whatever_happens(tmp_path):
    file = tmp_path / "flat.json"
    flat = {"learning_rate": [(0, 0.05), (1, 0.05)], "momentum": [(0, 0.8), (1, 0.8)]}
    file.write_text(json.dumps({"knots": flat}))
    env = EnvConfig(id="atn_gym/DigitsCnnPoorInit-DataShift-v0", **SMALL)
    low, high = evaluate_seeds(Blind(str(file)), env, [0, 1], twins=False)
    for run in (low, high):
        # Each gets there from its own beginning as fast as actions go.
        assert [row["learning_rate"] for row in run.trace[2:]] == pytest.approx([0.05] * 2)
        assert run.summary["false_alarm_rate"] is None
        assert run.summary["making_runs"] is None


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_what_is_shipped_says_what_it_took(name):
    stored = json.loads((SCHEDULES / f"blind_{name}.json").read_text())
    making = stored["making"]
    assert making["runs"] > 0
    assert making["first_seed"] >= 10_000
    assert making["first_seed_of_the_choice"] >= 10_000
    assert Blind(name).making_runs == making["runs"]


def test_the_schedule_is_that_of_the_data_set():
    run = atn_gym.evaluate("blind", ENV, seeds=1, num_epochs=10, train_size=128).runs[0]
    knots = json.loads((SCHEDULES / "blind_digits.json").read_text())["knots"]
    last = run.trace[-1]
    assert last["learning_rate"] == pytest.approx(knots["learning_rate"][-1][1], rel=1e-4)
    assert last["momentum"] == pytest.approx(knots["momentum"][-1][1], rel=1e-4)
    assert run.summary["making_runs"] == Blind().making_runs > 0


def test_a_data_set_without_a_schedule_is_an_error(load_nothing_known):
    with pytest.raises(InvalidArgument, match="none of them: tune one by"):
        Blind().policy(load_nothing_known, [0])


@pytest.fixture
def load_nothing_known():
    env = gym.make(ENV, **SMALL)
    env.unwrapped.episodes.task = replace(env.unwrapped.episodes.task, dataset=lambda: None)
    return env


def test_another_network_on_known_data_is_an_error():
    env = gym.make("atn_gym/DigitsMlp-Stationary-v0", **SMALL)
    with pytest.raises(InvalidArgument, match="the task DigitsMlp is none of them"):
        Blind().policy(env, [0])


@pytest.mark.parametrize("text", ["", "{}", '{"knots": 3}', '{"knots": {"momentum": 1}}'])
def test_a_file_without_a_schedule_is_an_error(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InvalidArgument, match=r"benchmarks/tune_blind\.py wrote"):
        Blind(str(tmp_path / "bad.json"))
    with pytest.raises(InvalidArgument, match=r"digits, digits_adamw, mnist.*no such file"):
        Blind("cifar")


def test_another_file_under_the_same_path_is_told_apart(tmp_path):
    file, digests = tmp_path / "own.json", []
    for rate in (0.1, 0.2):
        file.write_text(json.dumps({"knots": {"learning_rate": [(0, rate), (1, rate)]}}))
        digests.append(Blind(str(file)).digest())
    assert len({*digests, Blind().digest()}) == 3


def test_shipped_schedules_stay_within_the_bounds():
    space = HyperparameterSpace()
    for name in ("digits", "mnist"):
        knots = json.loads((SCHEDULES / f"blind_{name}.json").read_text())["knots"]
        low, high = space.bounds
        found = schedule(30, knots)
        for values in np.transpose([found[n] for n in space.names]):
            assert (low <= values).all()
            assert (values <= high).all()


def test_a_schedule_for_another_optimizer_is_not_followed_in_silence():
    env = gym.make("atn_gym/DigitsCnn-Stationary-v0", optimizer="adamw")
    with pytest.raises(InvalidArgument, match="trains by 'adamw': give schedule='digits_adamw'"):
        Blind().policy(env, [0])
    assert Blind("digits_adamw").policy(env, [0])
