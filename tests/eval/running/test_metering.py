"""What a method trains on envs of the package is metered, whatever its accounts say."""

import threading

import gymnasium as gym
import numpy as np
import pytest

from atn_gym.agents import Method, RunAccount, controller_method
from atn_gym.config import EnvConfig
from atn_gym.envs.metering import Trained, trained_in_all
from atn_gym.eval.running.batch import evaluate_seeds
from atn_gym.eval.running.failures import PolicyError

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {"num_epochs": 3, "train_size": 128}
STEPS = 2
"""Gradient steps of an epoch."""


def train_runs(count, env_id=ENV):
    env = gym.make(env_id, **SMALL)
    for seed in range(count):
        env.reset(seed=seed)
        for _ in range(3):
            env.step(np.zeros(3, np.float32))


class Cheating(Method):
    """Trains runs of its own at some time, and reports what it likes."""

    def __init__(self, when, train=lambda: train_runs(8), account=RunAccount):
        self.when, self.train, self.account = when, train, account

    def at(self, when):
        if self.when == when:
            self.train()

    def policy(self, env, seeds):
        self.at("policy")
        self.seeds = seeds
        return self

    def search(self):
        self.at("search")
        values = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
        return [values for _ in self.seeds]

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        if observation["progress"][0, 0] > 0.5:
            self.at("predict")
        return np.zeros((len(self.seeds), 3), np.float32), state

    def accounts(self, state):
        self.at("accounts")
        return [self.account() for _ in self.seeds]


def evaluate(method, seeds=(0, 1)):
    return evaluate_seeds(method, EnvConfig(id=ENV, **SMALL), list(seeds), twins=False)


@pytest.mark.parametrize("when", ["policy", "search", "predict", "accounts"])
def test_runs_that_are_not_accounted_for_are_found_whenever_they_are_made(when):
    message = rf"Cheating trained {8 * 3 * STEPS} gradient steps beside .* accounts for 0: charge"
    with pytest.raises(PolicyError, match=message):
        evaluate(Cheating(when))


def test_another_thread_is_no_way_out():
    def train():
        thread = threading.Thread(target=train_runs, args=(1,))
        thread.start()
        thread.join()

    with pytest.raises(PolicyError, match=r"trained 6 gradient steps beside"):
        evaluate(Cheating("search", train))


def flops_of(count):
    before = trained_in_all()
    train_runs(count)
    return (trained_in_all() - before).flops


@pytest.mark.parametrize(
    ("account", "what"),
    [
        ({"gradient_steps": 24, "flops": 0, "restarts": 4}, "flops"),
        ({"gradient_steps": 23, "flops": 10**15, "restarts": 4}, "48 gradient steps"),
        ({"gradient_steps": 24, "flops": 10**15, "restarts": 3}, "8 runs"),
    ],
)
def test_every_part_of_an_account_is_checked(account, what):
    with pytest.raises(PolicyError, match=what):
        evaluate(Cheating("search", account=lambda: RunAccount(**account)))


def test_an_honest_account_is_charged():
    flops = flops_of(4)
    honest = Cheating(
        "search", account=lambda: RunAccount(restarts=4, gradient_steps=24, flops=flops)
    )
    for run in evaluate(honest):
        assert run.summary["restarts"] == 4
        assert run.summary["gradient_steps"] == 6 + 24
        assert run.summary["flops"] == run.summary["run_flops"] + flops
        assert run.summary["wall_clock_s"]["search"] > 0


def test_more_may_be_charged_than_envs_of_the_package_train():
    method = Cheating("never", account=lambda: RunAccount(flops=10**9))
    assert all(run.error is None for run in evaluate(method))


@pytest.mark.parametrize("name", ["fixed", "heuristic", "reactive_oracle", "offline_bayesian"])
def test_methods_of_the_package_account_for_what_they_train(name):
    arguments = {
        "reactive_oracle": {"horizon": 2},
        "offline_bayesian": {"num_trials": 3, "together": 2},
    }
    before = trained_in_all()
    found = evaluate(controller_method(name, **arguments.get(name, {})), seeds=(0, 1, 2))
    trained = trained_in_all() - before
    assert trained.gradient_steps == sum(run.summary["gradient_steps"] for run in found)
    assert trained.flops == sum(run.summary["flops"] for run in found)
    assert trained.runs == sum(run.summary["restarts"] + 1 for run in found)


def test_a_run_counts_from_its_first_epoch():
    env = gym.make(ENV, **SMALL)
    before = trained_in_all()
    env.reset(seed=0)
    assert trained_in_all() == before
    for _ in range(2):
        env.step(np.zeros(3, np.float32))
    assert (trained_in_all() - before).runs == 1
    assert (trained_in_all() - before).gradient_steps == 2 * STEPS
    assert Trained(1, 2, 3) - Trained(1, 1, 1) == Trained(0, 1, 2)
