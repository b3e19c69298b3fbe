"""The oracle: the best of one epoch, by trying, at its price."""

import gymnasium as gym
import numpy as np
import pytest
import small_envs

from atn_gym.agents import ControllerPolicy, Fixed, LookaheadOracle, RunAccount
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.rollout import run_seeds
from atn_gym.eval.running.summary import summarise

ENV = "atn_gym/DigitsCnn-OptimizerSensitivityShift-v0"
SMALL = {**small_envs.SMALL, "trigger": 1}


def vector(num_envs=1, **kwargs):
    return gym.make_vec(ENV, num_envs=num_envs, autoreset_mode="Disabled", **{**SMALL, **kwargs})


def test_candidates_are_nothing_and_every_hyperparameter_alone():
    policy = LookaheadOracle(levels=[1.0, 0.25]).policy(vector(), [0])
    rows = policy.candidates.tolist()
    assert rows[0] == [0, 0, 0]
    assert len(rows) == len({tuple(row) for row in rows}) == 1 + 3 * 2 * 2
    assert {abs(v) for row in rows for v in row} == {0.0, 0.25, 1.0}
    assert all(np.count_nonzero(row) == 1 for row in rows[1:])


def test_it_takes_the_best_of_what_it_tries():
    """Against envs that are run anew, each with another first action, without snapshots."""
    policy = LookaheadOracle(levels=[1.0], horizon=1).policy(vector(), [0])
    losses = []
    for candidate in policy.candidates:
        env = vector()
        env.reset(seed=[0])
        *_, infos = env.step(candidate[None])
        losses.append(infos["privileged"]["val_loss"][0])
    env = vector()
    observation, _ = env.reset(seed=[0])
    policy = LookaheadOracle(levels=[1.0], horizon=1).policy(env, [0])
    action, accounts = policy.predict(observation)
    np.testing.assert_array_equal(action[0], policy.candidates[int(np.argmin(losses))])
    *_, infos = env.step(action)
    assert infos["privileged"]["val_loss"][0] == min(losses)
    assert accounts[0].gradient_steps == len(losses) * 2


def test_it_leaves_the_run_as_it_was():
    """Looking ahead and then doing nothing is the run of doing nothing."""
    env, reference = vector(num_envs=2), vector(num_envs=2)

    class Looking(ControllerPolicy):
        oracle = LookaheadOracle().policy(env, [0, 1])

        spent = None

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            _, self.spent = self.oracle.predict(observation, self.spent)
            return super().predict(observation, state, episode_start, deterministic)

        def accounts(self, state):
            return self.spent

    looked = run_seeds(Looking.for_env(Fixed, env), env, [0, 1])
    fixed = run_seeds(ControllerPolicy.for_env(Fixed, reference), reference, [0, 1])
    assert [record.trace for record in looked] == [record.trace for record in fixed]


def test_divergence_counts_as_much_as_the_env_charges_for_it():
    """With checkpoint rollback, where a run goes on after it: each epoch by itself."""
    env = vector(num_epochs=8, checkpoint_rollback=True, kind="weight_decay")
    wild = {"learning_rate": [1.0], "momentum": [0.99], "weight_decay": [1e-2]}
    env.reset(seed=[0], options={"hyperparameters": {k: np.array(v) for k, v in wild.items()}})
    nothing = np.zeros((1, 4), np.float32)
    for _ in range(4):
        *_, infos = env.step(nothing)
    assert infos["diverged"].all()
    policy, episodes = LookaheadOracle(horizon=3).policy(env, [0]), env.unwrapped.episodes
    snapshot = episodes.get_state(0)
    counted = policy._try(nothing[0], [0], [RunAccount()])
    episodes.set_state(0, snapshot)
    assert counted.tolist() == [sum(env.step(nothing)[1][0] for _ in range(3))] == [-3.0]


def test_a_longer_horizon_takes_the_best_sum_of_rewards_that_follow():
    """Against envs that are run anew: the action, then two epochs of doing nothing."""
    env = vector(num_epochs=4)
    policy = LookaheadOracle(levels=[1.0], horizon=3).policy(env, [0])
    totals = []
    for candidate in policy.candidates:
        other = vector(num_epochs=4)
        other.reset(seed=[0])
        actions = [candidate, np.zeros(3), np.zeros(3)]
        totals.append(sum(other.step(a[None].astype(np.float32))[1][0] for a in actions))
    observation, _ = env.reset(seed=[0])
    action, accounts = policy.predict(observation)
    np.testing.assert_array_equal(action[0], policy.candidates[int(np.argmax(totals))])
    assert accounts[0].gradient_steps == len(totals) * 3 * 2


def test_near_the_end_it_looks_no_further_than_the_budget():
    env = vector(num_epochs=2, trigger=0)
    (record,) = run_seeds(LookaheadOracle(levels=[1.0], horizon=9).policy(env, [0]), env, [0])
    # Two epochs ahead of the first one and one ahead of the second, for seven candidates.
    assert record.account.gradient_steps == 7 * (2 + 1) * 2


def test_its_cost_is_charged():
    env = vector(num_envs=2)
    records = run_seeds(LookaheadOracle(levels=[1.0], horizon=1).policy(env, [0, 1]), env, [0, 1])
    for record in records:
        summary = summarise(record, 3, 10)
        assert summary["restarts"] == 0
        assert summary["flops"] == summary["run_flops"] * (1 + 7)
        assert summary["gradient_steps"] == 6 * (1 + 7)


def test_it_is_above_doing_nothing():
    oracle, fixed = vector(num_envs=3, num_epochs=5), vector(num_envs=3, num_epochs=5)
    seeds = [0, 1, 2]
    ahead = run_seeds(LookaheadOracle().policy(oracle, seeds), oracle, seeds)
    still = run_seeds(ControllerPolicy.for_env(Fixed, fixed), fixed, seeds)
    for a, b in zip(ahead, still, strict=True):
        assert (
            summarise(a, 5, 10)["anytime_performance"] > summarise(b, 5, 10)["anytime_performance"]
        )


def test_single_envs_take_it_too():
    env = gym.make(ENV, **SMALL, checkpoint_rollback=True)
    policy = LookaheadOracle(levels=[0.5], horizon=1).policy(env, [0])
    observation, _ = env.reset(seed=0)
    state, ended = None, False
    while not ended:
        action, state = policy.predict(observation, state)
        assert action.shape == (4,)
        assert action[3] == 0, "no checkpoint rollback"
        observation, _, ended, _, info = env.step(action)
    assert info["epoch"] == 3


@pytest.mark.parametrize("levels", [[], [0], [2.0], "all", ["high"]])
def test_wrong_levels_are_named(levels):
    with pytest.raises(InvalidArgument, match="level"):
        LookaheadOracle(levels=levels)


def test_wrong_horizons_are_named():
    with pytest.raises(InvalidArgument, match="horizon must be an integer >= 1, got 0"):
        LookaheadOracle(horizon=0)
