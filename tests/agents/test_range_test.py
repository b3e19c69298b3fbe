"""The online range test: what it does after each kind of epoch."""

import math

import pytest

from atn_gym.agents import RangeTest, RunSetting
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

SETTING = RunSetting(HyperparameterSpace(), num_epochs=30)
ROUND = {
    "start": 0.5,
    "climb": 0.5,
    "enough": 0.15,
    "back_off": 0.5,
    "rise": 0.03,
    "decay": 0.1,
    "cut": 0.3,
}
"""Arguments that make moves easy to follow."""


def moves(losses, initial=0.05, **arguments):
    """Decades by which the rate moves before each epoch and after the last."""
    controller = RangeTest(SETTING, **{**ROUND, **arguments})
    values = {"learning_rate": initial, "momentum": 0.9, "weight_decay": 1e-4}
    found = []
    for step in range(len(losses) + 1):
        if step:
            controller.observe(losses[step - 1], step)
        proposed = controller.propose(values)
        found.append(math.log10(proposed["learning_rate"] / values["learning_rate"]))
        assert proposed["momentum"] == 0.9
        values = proposed
    return [pytest.approx(move, abs=1e-6) for move in found]


def falling(*falls, first=2.3):
    """Losses whose logarithms fall by these amounts."""
    losses = [first]
    for fall in falls:
        losses.append(losses[-1] * math.exp(-fall))
    return losses


def test_it_begins_low_and_climbs_while_nothing_happens():
    assert moves(falling(0, 0)) == [-0.5, 0.5, 0.5, 0.5]


def test_it_climbs_less_the_faster_the_loss_falls():
    assert moves(falling(0.05, 0.1)) == [-0.5, 0.5, 0.5 * 2 / 3, 0.5 / 3]


def test_a_fast_fall_ends_the_climb_with_the_rate_that_made_it():
    assert moves(falling(0.2, 0.01, 0.05)) == [-0.5, 0.5, 0, -0.1, 0.03]


def test_a_rise_ends_the_climb_lower():
    assert moves(falling(0, -0.2, 0)) == [-0.5, 0.5, 0.5, -0.5, -0.1]


def test_a_loss_that_is_not_finite_ends_the_climb_and_cuts_after_it():
    assert moves([2.3, math.inf, 2.3, math.nan, 2.3]) == [-0.5, 0.5, -0.5, -0.1, 0.0, 0.5]


def test_what_does_not_reach_the_tolerance_is_noise():
    assert moves(falling(0.2, -0.09)) == [-0.5, 0.5, 0, -0.1]
    assert moves(falling(0.2, -0.11)) == [-0.5, 0.5, 0, -0.3]


def test_a_shock_begins_a_new_climb_from_the_rate_in_force():
    assert moves(falling(0.2, -0.5, 0, 0)) == [-0.5, 0.5, 0, 0, 0.5, 0.5]


def test_it_stops_at_the_bound():
    controller = RangeTest(SETTING, start=0.0)
    values = {"learning_rate": 0.9, "momentum": 0.9, "weight_decay": 1e-4}
    for step in (1, 2):
        controller.observe(2.3, step)
        values = controller.propose(values)
    assert values["learning_rate"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"climb": 2}, "climb must be"),
        ({"enough": 0}, "enough must be"),
        ({"shock": -1}, "shock must be"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        RangeTest(SETTING, **{**ROUND, **arguments})


def test_it_needs_the_learning_rate():
    with pytest.raises(InvalidArgument, match="learning_rate"):
        RangeTest(RunSetting(HyperparameterSpace(["momentum"]), num_epochs=3))
