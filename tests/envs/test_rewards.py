from __future__ import annotations

import math

import numpy as np
import pytest

from atn_gym.envs.chance import chance_loss, log_score
from atn_gym.envs.rewards import REWARDS, EpochOutcome, get_reward
from atn_gym.errors import InvalidArgument


def outcome(
    losses: list[float],
    previous: list[float] | None = None,
    accuracies: list[float] | None = None,
    num_classes: int = 10,
) -> EpochOutcome:
    chance = [math.log(num_classes)] * len(losses)
    return EpochOutcome(
        val_loss=np.array(losses),
        previous_val_loss=np.array(chance if previous is None else previous),
        val_accuracy=np.array([0.5] * len(losses) if accuracies is None else accuracies),
        at_chance=chance_loss(num_classes),
    )


@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_log_loss_is_zero_at_chance_and_one_at_a_hundredth_of_it(num_classes):
    chance = math.log(num_classes)
    losses = [chance, chance / 10, chance / 100, chance * 10, chance * 100]
    rewards = get_reward("log_loss")(outcome(losses, num_classes=num_classes))
    np.testing.assert_allclose(rewards, [0, 0.5, 1, -0.5, -1], atol=1e-12)


def test_log_loss_equals_hand_computed_values():
    # ln(2.302585 / 0.083) / 4.605170 and ln(2.302585 / 0.5) / 4.605170.
    rewards = get_reward("log_loss")(outcome([0.083, 0.5]))
    np.testing.assert_allclose(rewards, [0.721569, 0.331623], atol=2e-6)


def test_log_loss_is_clipped_to_one_on_both_sides():
    rewards = get_reward("log_loss")(outcome([1e-9, 1e9, 1e300]))
    np.testing.assert_array_equal(rewards, [1, -1, -1])


@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_a_loss_of_zero_scores_one(num_classes):
    assert log_score(np.zeros(1), chance_loss(num_classes)) == 1


def test_risk_averse_counts_twice_what_is_missing_to_0_3():
    wanted = np.array([0.9, 0.31, 0.3, 0.2, 0, -0.3, -0.5, -1])
    losses = math.log(10) * 100**-wanted
    rewards = get_reward("risk_averse")(outcome(losses.tolist()))
    np.testing.assert_allclose(rewards, [0.9, 0.31, 0.3, 0.1, -0.3, -0.9, -1, -1], atol=1e-12)


def test_linear_is_one_minus_the_loss_in_units_of_chance():
    chance = math.log(10)
    rewards = get_reward("linear")(outcome([chance, 0.0, chance / 4, 1.5 * chance]))
    np.testing.assert_allclose(rewards, [0, 1, 0.75, -0.5], atol=1e-12)


def test_linear_is_clipped_below():
    np.testing.assert_array_equal(get_reward("linear")(outcome([50.0])), [-1])


def test_improvement_is_the_gain_in_log_score():
    chance = math.log(10)
    rewards = get_reward("improvement")(
        outcome([chance / 100, chance / 10], previous=[chance / 10, chance / 100])
    )
    np.testing.assert_allclose(rewards, [0.5, -0.5], atol=1e-12)


def test_improvement_sums_to_the_final_score():
    losses = np.random.default_rng(0).uniform(1e-4, 20, 30)
    path = [math.log(10), *losses]
    rewards = get_reward("improvement")(outcome(path[1:], previous=path[:-1]))
    final = math.log(math.log(10) / losses[-1]) / math.log(100)
    assert rewards.sum() == pytest.approx(final, abs=1e-12)


def test_val_accuracy_is_the_accuracy():
    np.testing.assert_array_equal(
        get_reward("val_accuracy")(outcome([1.0, 2.0], accuracies=[0.25, 0.75])), [0.25, 0.75]
    )


@pytest.mark.parametrize("name", sorted(REWARDS))
def test_rewards_give_fresh_arrays_of_one_value_a_run(name):
    made = outcome([0.1, 1.0, 5.0])
    rewards = get_reward(name)(made)
    assert rewards.shape == (3,)
    rewards[:] = 99
    np.testing.assert_array_equal(made.val_loss, [0.1, 1.0, 5.0])
    np.testing.assert_array_equal(made.val_accuracy, [0.5, 0.5, 0.5])


def test_the_named_rewards_are_these_five():
    assert set(REWARDS) == {"log_loss", "risk_averse", "linear", "improvement", "val_accuracy"}


def test_an_unknown_reward_names_the_nearest_one():
    with pytest.raises(InvalidArgument, match="did you mean 'log_loss'"):
        get_reward("logloss")
