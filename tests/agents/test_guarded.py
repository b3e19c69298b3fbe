"""The guard against decisions worked out by hand, and around the methods that it wraps."""

import gymnasium
import numpy as np
import pytest
import small_envs

import atn_gym
from atn_gym.agents import (
    Controller,
    ControllerPolicy,
    Guarded,
    Heuristic,
    OfflineBayesian,
    controller_method,
)
from atn_gym.config import ControllerConfig
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.run_config import controller_config

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 4}
SPACE = HyperparameterSpace(["learning_rate"])


class Raising(Controller):
    """Wants ten times the learning rate every epoch."""

    def observe(self, metric, step):
        pass

    def propose(self, current_params):
        return {"learning_rate": min(10 * current_params["learning_rate"], 1.0)}


class Episode:
    """A run whose losses are made up; `width` is the size of an action."""

    def __init__(self, guard, width=1, factory=Raising, epochs=10):
        episodes = type("Episodes", (), {"hyperparameters": SPACE, "num_epochs": epochs})
        episodes.action_space = gymnasium.spaces.Box(-1, 1, (width,), np.float32)
        episodes.params = type("Params", (), {"controller_seed": staticmethod(int)})
        self.unwrapped = type("Env", (), {"episodes": episodes})
        self.value, self.epoch, self.epochs = np.array([1e-3]), 0, epochs
        self.policy = guard.policy(self, [0])
        self.state = None
        self.losses = [2.3]

    def step(self, loss):
        """Asks for an action, takes it, and observes a loss. Returns rate and action."""
        action, self.state = self.policy.predict(self.observation(), self.state)
        self.value = SPACE.apply(self.value, action[0, :1])
        self.epoch += 1
        self.losses.append(loss)
        return float(self.value[0]), action[0]

    def observation(self):
        return {
            "observed_val_loss": np.array([self.losses], np.float32),
            "hyperparameters": SPACE.log10(self.value)[None].astype(np.float32),
            "progress": np.array([[self.epoch / self.epochs]], np.float32),
        }

    def account(self):
        (account,) = self.policy.accounts(self.state)
        return account


def test_the_trust_region_follows_what_went_well():
    episode = Episode(Guarded(Raising, radius=0.5))
    rates = [episode.step(loss)[0] for loss in (1.0, 0.9, 0.8)]
    np.testing.assert_allclose(np.log10(rates), [-2.5, -2.0, -1.5], atol=1e-5)
    assert (episode.account().overrides, episode.account().rollbacks) == (3, 0)


def test_a_step_within_the_region_is_left_exactly_as_it_is():
    episode = Episode(Guarded(Raising, radius=1.0))
    assert [episode.step(loss)[1].tolist() for loss in (1.0, 0.9)] == [[1.0], [1.0]]
    assert episode.account().overrides == 0


def test_a_regression_brings_the_trusted_values_back_and_holds_them():
    episode = Episode(Guarded(Raising, tolerance=0.1, radius=0.5, hold=1))
    rates = [episode.step(loss)[0] for loss in (1.0, 1.2, 1.2, 1.2, 1.25)]
    # 1.2 is above 1.1 times the mark, so that the rate of the first epoch comes back; it stays for
    # another epoch. The mark is 1.2 by then, and the method may move again.
    np.testing.assert_allclose(np.log10(rates), [-2.5, -2.0, -2.5, -2.5, -2.0], atol=1e-5)
    assert episode.account().rollbacks == 1


def test_a_rise_without_a_change_of_values_is_no_rollback():
    episode = Episode(Guarded("fixed", tolerance=0.0))
    assert [episode.step(loss)[1][0] for loss in (1.0, 2.0, 3.0)] == [0.0, 0.0, 0.0]
    assert episode.account().rollbacks == 0
    # The method never observes, but the guard does.
    assert episode.account().observes


def test_with_checkpoints_a_rollback_restores_weights_once():
    episode = Episode(Guarded(Raising, tolerance=0.1, hold=1), width=2)
    restored = [episode.step(loss)[1][1] for loss in (1.0, 1.2, 1.2, 1.2)]
    assert restored == [0.0, 0.0, 1.0, 0.0]


def test_a_new_episode_forgets():
    episode = Episode(Guarded(Raising))
    episode.step(1.0)
    episode.value, episode.epoch = np.array([1e-3]), 0
    episode.step(1.0)
    assert episode.account().overrides == 1


def test_a_finished_run_is_left_as_it_is():
    episode = Episode(Guarded(Raising), epochs=2)
    for loss in (1.0, 5.0):
        episode.step(loss)
    before = episode.account()
    episode.policy.predict(episode.observation(), episode.state)
    assert episode.account() == before


@pytest.mark.parametrize("name", ["fixed", "heuristic", "spsa", "offline_bayesian"])
def test_a_guard_that_allows_all_changes_nothing(name):
    guard = controller_method("guarded", method=name, tolerance=1e9, radius=99)
    plain, guarded = (
        atn_gym.evaluate(m, ENV, seeds=2, twins=False, **SMALL)
        for m in (controller_method(name), guard)
    )
    assert [run.trace for run in plain.runs] == [run.trace for run in guarded.runs]
    for before, after in zip(plain.summaries, guarded.summaries, strict=True):
        assert before["restarts"] == after["restarts"]
        assert before["flops"] == after["flops"]
        assert after["overrides"] == 0


def test_it_counts_in_the_summary_what_it_did():
    for width in (1, 2):
        evaluation = atn_gym.evaluate(
            Guarded(Raising, tolerance=0.0, radius=0.3),
            ENV,
            seeds=3,
            twins=False,
            hyperparameters=["learning_rate"],
            checkpoint_rollback=width == 2,
            **SMALL,
        )
        assert all(summary["overrides"] >= 1 for summary in evaluation.summaries)
        assert any(summary["rollback_count"] >= 1 for summary in evaluation.summaries)


def test_a_single_env_works_too():
    env = gymnasium.make(ENV, **SMALL)
    policy = Guarded(Heuristic).policy(env, [0])
    observation, _ = env.reset(seed=0)
    state = None
    for _ in range(2):
        action, state = policy.predict(observation, state)
        assert action.shape == (3,)
        observation, *_ = env.step(action)
    assert len(policy.accounts(state)) == 1


def test_it_searches_only_if_the_method_within_does():
    env = gymnasium.make(ENV, **SMALL)
    assert not hasattr(Guarded("heuristic").policy(env, [0]), "search")
    policy = Guarded(OfflineBayesian(num_trials=1, together=1)).policy(env, [0])
    assert set(policy.search()[0]) == {"learning_rate", "momentum", "weight_decay"}
    assert isinstance(Guarded("fixed").inner.policy(env, [0]), ControllerPolicy)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "heuristik"}, "unknown controller 'heuristik'; did you mean 'heuristic'"),
        ({"method": "heuristic", "arguments": {"increese": 2}}, "has no argument 'increese'"),
        ({"method": "heuristic", "radius": -1}, "radius must be a number >= 0, got -1"),
        ({"method": "heuristic", "hold": -1}, "hold must be an integer >= 0, got -1"),
        (
            {"method": Heuristic, "arguments": {"increase": 2}},
            "arguments must be those of a",
        ),
        ({}, "needs the argument 'method'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        controller_method("guarded", **arguments)


def test_the_source_of_a_method_of_ones_own_is_part_of_the_key(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "guard_own.py").write_text(
        "from atn_gym.agents import Fixed\nclass Mine(Fixed):\n    '''Mine.'''\n"
    )
    named = [
        controller_config(ControllerConfig(name="guarded", method=method))["content_digest"]
        for method in ("heuristic", "guard_own:Mine")
    ]
    assert named[0] is None
    assert named[1] is not None
