"""The search before the run: what it finds, and that all of it is charged."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import small_envs

from atn_gym.agents import OfflineBayesian
from atn_gym.agents.study import Study
from atn_gym.envs.chance import chance_loss, log_score
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.rollout import run_seeds
from atn_gym.eval.running.summary import summarise

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 2}


def vector(num_envs=1, **kwargs):
    return gym.make_vec(ENV, num_envs=num_envs, autoreset_mode="Disabled", **{**SMALL, **kwargs})


def draws_of(seed, **kwargs):
    """Seed of the search of a run."""
    return vector(**kwargs).unwrapped.episodes.params.controller_seed(seed)


def search(seed=0, env=None, **arguments):
    arguments = {"num_trials": 5, "together": 2, "startup_trials": 2, **arguments}
    policy = OfflineBayesian(**arguments).policy(env or vector(), [seed])
    found = policy.search()
    return policy.searches[0], found[0]


def test_trials_together_find_what_they_find_one_after_the_other():
    """The same asks, each trial trained in a single env of its own, on the stationary task."""
    together, found = search()
    space = vector().unwrapped.episodes.hyperparameters
    study = Study(space, seed=draws_of(0), startup_trials=2)
    seeds = np.random.default_rng(draws_of(0)).integers(2**31, size=5).tolist()
    env = gym.make("atn_gym/DigitsCnn-Stationary-v0", **SMALL)
    for batch in ([0, 1], [2, 3], [4]):
        trials = [study.ask() for _ in batch]
        for trial, i in zip(trials, batch, strict=True):
            values = space.named(space.from_log10(trial.logs))
            env.reset(seed=seeds[i], options={"hyperparameters": values})
            scores = []
            for _ in range(2):
                observation, *_ = env.step(np.zeros(3, np.float32))
                loss = np.float64(observation["observed_val_loss"][-1])
                scores.append(float(log_score(loss, chance_loss(10))))
            study.tell(trial, float(np.mean(scores)))
    for (values, score), (expected, expected_score) in zip(
        together.tried, study.completed, strict=True
    ):
        np.testing.assert_array_equal(values, expected)
        assert score == pytest.approx(expected_score, abs=1e-12)
    assert found == space.named(space.from_log10(study.best))


def test_the_best_trial_is_taken():
    result, found = search()
    scores = [score for _, score in result.tried]
    best = result.tried[int(np.argmax(scores))][0]
    space = vector().unwrapped.episodes.hyperparameters
    assert found == space.named(space.from_log10(best))


def test_the_same_seed_makes_the_same_study():
    first, second, other = (search(seed)[0].tried for seed in (3, 3, 4))
    assert [s for _, s in first] == [s for _, s in second]
    assert [s for _, s in first] != [s for _, s in other]


def test_all_of_the_search_is_charged():
    env = vector(num_envs=2)
    method = OfflineBayesian(num_trials=3, together=2)
    records = run_seeds(method.policy(env, [0, 1]), env, [0, 1])
    for record in records:
        summary = summarise(record, 2, 10)
        assert summary["restarts"] == summary["optimizer_evaluations"] == 3
        # Every run of two epochs has 2 * 2 gradient steps.
        assert summary["gradient_steps"] == 4 * (1 + 3)
        assert summary["flops"] == summary["run_flops"] * 4
        expected = (summary["anytime_performance"] + 1) / 2 / 4
        assert summary["compute_adjusted_performance"] == pytest.approx(expected)
        clock = summary["wall_clock_s"]
        assert clock["search"] > 0
        assert clock["total"] == pytest.approx(
            clock["training"] + clock["controller"] + clock["search"]
        )


def test_the_scored_run_has_what_was_found_and_leaves_it_alone():
    env = vector()
    policy = OfflineBayesian(num_trials=2, together=2).policy(env, [0])
    (record,) = run_seeds(policy, env, [0])
    space = env.unwrapped.episodes.hyperparameters
    found = space.named(space.from_log10(policy.searches[0].found))
    assert record.initial == pytest.approx(found)
    for row in record.trace:
        assert {name: row[name] for name in found} == record.initial


def test_trials_have_seeds_other_than_the_scored_one():
    for seed in range(20):
        assert seed not in np.random.default_rng(draws_of(seed)).integers(2**31, size=20)


def test_search_on_the_same_env_meets_the_shock():
    """A weight decay a thousand times as strong changes what the search finds out."""
    kwargs = {"num_epochs": 4, "trigger": 0, "severity": 1.0}
    env = gym.make("atn_gym/DigitsCnn-OptimizerSensitivityShift-v0", train_size=128, **kwargs)
    stationary = search(env=env)[0].tried
    policy = OfflineBayesian(num_trials=5, together=2, env="same").policy(env, [0])
    policy.search()
    same = policy.searches[0].tried
    assert [s for _, s in stationary] != [s for _, s in same]


def test_diverged_trials_count_minus_one_for_every_epoch_lost(monkeypatch):
    """With every hyperparameter at its wildest the run is lost, early."""
    wildest = {"learning_rate": 1.0, "momentum": 0.99, "weight_decay": 0.01}
    ask = Study.ask

    def wild(self):
        return replace(ask(self), logs=np.array([0.0, -2.0, -2.0]))

    monkeypatch.setattr(Study, "ask", wild)
    policy = OfflineBayesian(num_trials=2, together=2).policy(
        vector(num_epochs=30, train_size=None), [0]
    )
    policy.search()
    env = gym.make("atn_gym/DigitsCnn-Stationary-v0", num_epochs=30)
    scores, steps = [], 0
    draws = draws_of(0, num_epochs=30, train_size=None)
    for seed in np.random.default_rng(draws).integers(2**31, size=2).tolist():
        env.reset(seed=seed, options={"hyperparameters": wildest})
        total, ended = 0.0, False
        while not ended:
            observation, _, ended, _, info = env.step(np.zeros(3, np.float32))
            loss = np.float64(observation["observed_val_loss"][-1])
            total += -1 if info["diverged"] else float(log_score(loss, chance_loss(10)))
            steps += 1
        scores.append((total - (30 - info["epoch"])) / 30)
        assert info["diverged"]
        assert info["epoch"] < 30
    completed = [score for _, score in policy.searches[0].tried]
    assert completed == pytest.approx(scores, abs=1e-9)
    assert policy.searches[0].account.gradient_steps == 17 * steps


def test_single_envs_take_it_too():
    env = gym.make(ENV, **SMALL)
    policy = OfflineBayesian(num_trials=2, together=2).policy(env, [0])
    (found,) = policy.search()
    observation, _ = env.reset(seed=0, options={"hyperparameters": found})
    action, _ = policy.predict(observation)
    assert action.shape == (3,)
    env.step(action)


@pytest.mark.parametrize("sampler", ["gp", "random"])
def test_other_samplers_of_optuna(sampler):
    result, _ = search(sampler=sampler, num_trials=3, startup_trials=1)
    assert len(result.tried) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_trials": 0}, "num_trials must be an integer >= 1, got 0"),
        ({"env": "statonary"}, "did you mean 'stationary'"),
        ({"sampler": "tp"}, "did you mean 'tpe'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        OfflineBayesian(**arguments)
