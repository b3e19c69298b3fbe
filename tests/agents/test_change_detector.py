"""The change detector against steps computed by hand."""

import math

import numpy as np
import pytest

from atn_gym.agents import ChangeDetector, RunSetting
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

INITIAL = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
EPOCHS = 10


def drive(metrics, **arguments):
    """Values in force in each epoch; from outside, momentum is moved to 0.5 at once."""
    controller = ChangeDetector(RunSetting(HyperparameterSpace(), num_epochs=EPOCHS), **arguments)
    in_force = [controller.propose(dict(INITIAL))]
    for step, metric in enumerate(metrics, start=1):
        controller.observe(metric, step)
        in_force.append(controller.propose({**in_force[-1], "momentum": 0.5}))
    return in_force


def rates(metrics, **arguments):
    return [params["learning_rate"] for params in drive(metrics, **arguments)]


def cosine(base, length, epochs):
    return base * (1 + np.cos(np.pi * np.arange(epochs) / length)) / 2


def test_without_an_alarm_it_is_the_cosine():
    falling = np.exp(-0.2 * np.arange(8))
    np.testing.assert_allclose(rates(falling, warmup=3), cosine(0.1, EPOCHS, 9))


def test_the_test_sums_excesses_over_a_moving_mean():
    # x = 0, 0, 0.3, 0.4; means before each: -, 0, 0, 0.15; sums 0, 0.2, 0.35.
    metrics = np.exp([0.0, 0.0, 0.3, 0.4])
    arguments = {"slack": 0.1, "smoothing": 0.5, "warmup": 0}
    quiet = rates(metrics, threshold=0.36, **arguments)
    np.testing.assert_allclose(quiet, cosine(0.1, EPOCHS, 5))
    alarmed = rates(metrics, threshold=0.34, **arguments)
    np.testing.assert_allclose(alarmed, [*cosine(0.1, EPOCHS, 4), 0.1])
    early = rates(metrics, threshold=0.19, **arguments)
    # The mean begins again at the loss of the alarm, and 0.1 above it is no excess.
    np.testing.assert_allclose(early, [*cosine(0.1, EPOCHS, 3), *cosine(0.1, EPOCHS - 3, 2)])


def test_rewarming_rises_in_equal_ratios_and_anneals_over_what_is_left():
    found = rates([1.0, 1.0, 9.0, 9.0, 9.0, 9.0], response="rewarm", warmup=2)
    before = cosine(0.1, EPOCHS, 3)
    ratio = (0.1 / before[-1]) ** (1 / 3)
    ramp = [before[-1] * ratio, before[-1] * ratio**2]
    np.testing.assert_allclose(found, [*before, *ramp, *cosine(0.1, EPOCHS - 5, 2)])


def test_a_reset_brings_all_initial_values_back_once():
    in_force = drive([1.0, 1.0, 9.0, 9.0], response="reset")
    assert [params["momentum"] for params in in_force] == [0.9, 0.5, 0.5, 0.9, 0.5]
    assert in_force[3] == INITIAL
    assert in_force[4]["learning_rate"] == pytest.approx(cosine(0.1, EPOCHS - 3, 2)[1])


def test_a_search_keeps_the_rate_with_the_largest_fall():
    # After the alarm, rates 0.3, 0.1 and 0.1 / 3 bring x from ln 9 to ln 8, ln 4, ln 3.
    found = rates([1.0, 1.0, 9.0, 8.0, 4.0, 3.0, 3.0], response="search")
    np.testing.assert_allclose(found[3:6], [0.3, 0.1, 0.1 / 3])
    np.testing.assert_allclose(found[6:], cosine(0.1, EPOCHS - 6, 2))
    worse = rates([1.0, 1.0, 9.0, math.nan, 8.0, 3.0, 3.0], response="search")
    np.testing.assert_allclose(worse[6:], cosine(0.1 / 3, EPOCHS - 6, 2))


def test_a_loss_that_is_not_finite_is_an_alarm():
    found = rates([1.0, 1.0, math.nan, 1.0], warmup=0)
    np.testing.assert_allclose(found[3:], cosine(0.1, EPOCHS - 3, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"response": "resett"}, "unknown response 'resett'; did you mean 'reset'"),
        ({"threshold": -1}, "threshold must be a number >= 0, got -1"),
        ({"smoothing": 0}, r"smoothing must be a number in \[0\.01, 1\], got 0"),
        ({"warmup": 0.5}, r"warmup must be an integer >= 0, got 0\.5"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        drive([1.0], **arguments)
