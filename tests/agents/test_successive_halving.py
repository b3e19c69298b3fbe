"""Successive halving, and a search on the first epochs, against counts and scores by hand."""

import gymnasium as gym
import numpy as np
import pytest

import atn_gym
from atn_gym.agents import controller_method
from atn_gym.agents.offline_bayesian import EarlyBayesian
from atn_gym.agents.successive_halving import SuccessiveHalving
from atn_gym.errors import InvalidArgument

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {"train_size": 128}
STEPS = 2


def search(method, env_id=ENV, **kwargs):
    env = gym.make(env_id, **{**SMALL, **kwargs})
    policy = method.policy(env, [0])
    policy.search()
    return env, policy.searches[0]


def losses(env_id, seed, values, epochs, num_epochs):
    """Observed losses of a run with fixed values."""
    env = gym.make(env_id, num_epochs=num_epochs, **SMALL)
    env.reset(seed=seed, options={"hyperparameters": values})
    found = []
    for _ in range(epochs):
        observation, _, ended, _, _ = env.step(np.zeros(3, np.float32))
        found.append(float(observation["observed_val_loss"][-1]))
        if ended:
            break
    return found


def test_the_best_of_each_rung_go_on_and_all_epochs_are_charged():
    env, result = search(SuccessiveHalving(num_trials=9, factor=3.0), num_epochs=9)
    # 9 runs of an epoch, of which 3 make two more.
    assert result.account.gradient_steps == STEPS * (9 * 1 + 3 * 2)
    assert (result.account.restarts, result.account.optimizer_evaluations) == (9, 9)
    space = env.unwrapped.episodes.hyperparameters
    seeds = np.random.default_rng(env.unwrapped.episodes.params.controller_seed(0))
    seeds = seeds.integers(2**31, size=9).tolist()
    stationary = "atn_gym/DigitsCnn-Stationary-v0"
    values = [space.named(space.from_log10(logs)) for logs, _ in result.tried]
    first = [losses(stationary, s, v, 1, 9)[-1] for s, v in zip(seeds, values, strict=True)]
    best = np.argsort(first)[:3]
    last = {run: losses(stationary, seeds[run], values[run], 3, 9)[-1] for run in best.tolist()}
    winner = min(last, key=last.get)
    np.testing.assert_array_equal(result.found, result.tried[winner][0])


@pytest.mark.parametrize(("num_trials", "epochs"), [(2, 2 * 3), (3, 3 * 3), (4, 4 * 3)])
def test_few_trials_make_one_rung(num_trials, epochs):
    _, result = search(SuccessiveHalving(num_trials=num_trials, factor=3.0), num_epochs=9)
    assert result.account.gradient_steps == STEPS * (epochs if num_trials > 2 else 0)


def test_a_rung_trains_at_least_an_epoch():
    _, result = search(SuccessiveHalving(num_trials=9, factor=3.0), num_epochs=2)
    assert result.account.gradient_steps == STEPS * (9 + 3)


def test_on_the_same_env_it_meets_the_shock():
    kwargs = {"num_epochs": 4, "trigger": 0, "severity": 1.0}
    method = SuccessiveHalving(num_trials=4, factor=2.0)
    same = SuccessiveHalving(num_trials=4, factor=2.0, env="same")
    found = [[score for _, score in search(m, **kwargs)[1].tried] for m in (method, same)]
    assert found[0] != found[1]


def test_short_trials_are_the_first_epochs_of_whole_ones():
    env, early = search(EarlyBayesian(num_trials=2, together=2, trial_share=0.5), num_epochs=4)
    assert early.account.gradient_steps == STEPS * 2 * 2
    assert early.account.restarts == 2
    logs, score = early.tried[0]
    space = env.unwrapped.episodes.hyperparameters
    seeds = np.random.default_rng(env.unwrapped.episodes.params.controller_seed(0))
    seed = int(seeds.integers(2**31, size=2)[0])
    values = space.named(space.from_log10(logs))
    found = losses("atn_gym/DigitsCnn-Stationary-v0", seed, values, 2, 4)
    scores = np.clip(np.log(np.log(10) / np.array(found)) / np.log(100), -1, 1)
    assert score == pytest.approx(scores.mean(), rel=1e-6)


@pytest.mark.parametrize("name", ["early_bayesian", "successive_halving"])
def test_the_scored_run_has_what_was_found_and_is_charged(name):
    method = controller_method(name, num_trials=3)
    (run,) = atn_gym.evaluate(method, ENV, seeds=1, twins=False, num_epochs=9, **SMALL).runs
    assert len({row["learning_rate"] for row in run.trace}) == 1
    assert run.summary["restarts"] == 3
    epochs = {"early_bayesian": 3 * 1, "successive_halving": 3 * 3}[name]
    assert run.summary["flops"] == run.summary["run_flops"] * (9 + epochs) / 9


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("successive_halving", {"num_trials": 1}, "num_trials must be a number >= 2, got 1"),
        ("successive_halving", {"factor": 1.0}, r"factor must be a number in \[1\.5, 10\]"),
        ("successive_halving", {"env": "smae"}, "did you mean 'same'"),
        ("early_bayesian", {"trial_share": 0}, r"trial_share must be a number in \[0\.01, 1\]"),
    ],
)
def test_wrong_arguments_are_named(name, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        controller_method(name, **arguments)
