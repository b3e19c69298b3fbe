"""Online controllers against values computed by hand, and what holds for each of them."""

import math

import numpy as np
import pytest

from atn_gym.agents import CONTROLLERS, Controller, RunSetting, controller_factory
from atn_gym.agents.bandit import Bandit
from atn_gym.agents.heuristic import Heuristic
from atn_gym.agents.pid import PID
from atn_gym.agents.random_online import RandomOnline
from atn_gym.agents.spsa import SPSA
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

SPACE = HyperparameterSpace()
INITIAL = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
NAMES = sorted(n for n, c in CONTROLLERS.items() if issubclass(c, Controller) and n != "scheduler")
BEGIN_ELSEWHERE = (
    "one_cycle",
    "random_online",
    "range_test",
    "warmup_cosine",
    "warmup_stable_decay",
)
METRICS = [2.0, 1.0, 1.1, 1.2, 1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.4]


def setting(names=SPACE.names, seed=0):
    return RunSetting(HyperparameterSpace(list(names)), num_epochs=30, seed=seed)


def drive(controller, metrics, initial=INITIAL):
    """Values in force in each epoch, and those proposed after the last metric."""
    in_force = [controller.propose(dict(initial))]
    for step, metric in enumerate(metrics, start=1):
        controller.observe(metric, step)
        in_force.append(controller.propose(dict(in_force[-1])))
    return in_force


def rates(in_force):
    return [params["learning_rate"] for params in in_force]


def factors(controller, metrics):
    """Factor on the learning rate after each metric."""
    values = np.array(rates(drive(controller, metrics)))
    return values[1:] / values[:-1]


@pytest.mark.parametrize("name", NAMES)
def test_proposals_name_every_hyperparameter_within_its_bounds(name):
    for metrics in (METRICS, [5.0, math.nan, 3.0, math.inf, math.nan], [1.0, 0.0, 0.0, 1e-30]):
        for initial in (INITIAL, {"learning_rate": 1.0, "momentum": 0.99, "weight_decay": 1e-6}):
            for params in drive(controller_factory(name)(setting()), metrics, initial):
                assert set(params) == set(INITIAL)
                SPACE.check(params)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_epoch_is_trained_with_initial_values_or_a_schedule(name):
    first = controller_factory(name)(setting()).propose(dict(INITIAL))
    if name not in BEGIN_ELSEWHERE:
        assert first == INITIAL


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_proposals(name):
    runs = [drive(controller_factory(name)(setting(seed=5)), METRICS) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", NAMES)
def test_controllers_work_with_the_learning_rate_alone(name):
    controller = controller_factory(name)(setting(["learning_rate"]))
    in_force = drive(controller, METRICS, {"learning_rate": 0.05})
    assert all(set(params) == {"learning_rate"} for params in in_force)


@pytest.mark.parametrize("name", ["heuristic", "pid", "bandit", "cosine"])
def test_controllers_of_the_learning_rate_need_it(name):
    with pytest.raises(InvalidArgument, match=r"needs learning_rate among .* got momentum"):
        controller_factory(name)(setting(["momentum"]))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("random_online", {"scale": -1}, "scale must be a number >= 0, got -1"),
        ("heuristic", {"increase": 0.9}, r"increase must be a number >= 1, got 0\.9"),
        ("heuristic", {"decrease": 2}, r"decrease must be a number in \[0\.01, 1\], got 2"),
        ("heuristic", {"patience": 1.5}, r"patience must be an integer >= 1, got 1\.5"),
        ("pid", {"smoothing": 0}, r"smoothing must be a number in \[0\.001, 1\], got 0"),
        ("pid", {"kp": "high"}, "kp must be a number, got 'high'"),
        ("bandit", {"factors": []}, "factors must be a non-empty list"),
        ("bandit", {"factors": [1.0, 1.0]}, "factors must be a non-empty list of different"),
        ("bandit", {"factors": [0]}, r"a factor must be a number in \[0\.1, 10\], got 0"),
        ("bandit", {"discount": 1.5}, r"discount must be a number in \[0\.001, 1\]"),
        ("spsa", {"c": 0}, r"c must be a number >= 0\.001, got 0"),
    ],
)
def test_wrong_arguments_are_named(name, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        controller_factory(name, **arguments)(setting())


def test_random_walk_has_the_scale_asked_for():
    moves = []
    for seed in range(200):
        in_force = drive(RandomOnline(setting(seed=seed), scale=0.05), [1.0] * 10)
        values = SPACE.log10(np.array([list(params.values()) for params in in_force]))
        moves.append(np.diff(values, axis=0))
    assert np.std(moves) == pytest.approx(0.05, rel=0.05)
    assert abs(np.mean(moves)) < 0.003
    assert drive(RandomOnline(setting(), scale=0.0), METRICS) == [INITIAL] * 13


def test_bold_driver_by_hand():
    controller = Heuristic(setting(), increase=1.1, decrease=0.5, patience=2, tolerance=0.1)
    #            better, better, within, worse, worse: halve, worse, better, not finite, worse
    metrics = [1.0, 0.8, 0.84, 1.0, 1.2, 1.5, 1.0, math.nan, 1.2]
    expected = [1.1, 1.1, 1.0, 1.0, 0.5, 1.0, 1.1, 1.0, 0.5]
    np.testing.assert_allclose(factors(controller, metrics), expected, rtol=1e-9)


def test_pid_by_hand():
    controller = PID(setting(), target=-0.1, kp=0.5, ki=0.1, kd=0.2, smoothing=1.0, max_step=10.0)
    # Slopes -1, 0, 1; errors 0.9, -0.1, -1.1; sums 0.9, 0.8, -0.3; changes 0, -1, -1.
    expected = [0.0, 0.45 + 0.09, -0.05 + 0.08 - 0.2, -0.55 - 0.03 - 0.2]
    outputs = np.log10(factors(controller, [1.0, 0.1, 0.1, 1.0]))
    np.testing.assert_allclose(outputs, expected, atol=1e-9)


def test_pid_smooths_the_slope():
    controller = PID(setting(), target=0.0, kp=0.1, ki=0, kd=0, smoothing=0.25, max_step=10.0)
    # Slopes -1, then 0: 0.75 of the old one remains.
    np.testing.assert_allclose(
        np.log10(factors(controller, [1.0, 0.1, 0.1])), [0.0, 0.1, 0.075], atol=1e-9
    )


def test_pid_does_not_wind_up_while_its_output_is_clipped():
    controller = PID(setting(), target=0.0, kp=0.1, ki=1.0, kd=0, smoothing=1.0, max_step=0.2)
    # Slopes 1 (clipped, not summed), then -0.1: 0.1 * 0.1 + 1.0 * 0.1 with a sum of 0.1 alone.
    outputs = np.log10(factors(controller, [0.1, 1.0, 10**-0.1]))
    np.testing.assert_allclose(outputs, [0.0, -0.2, 0.11], atol=1e-9)


def test_pid_takes_the_largest_step_down_where_the_loss_is_not_finite():
    first = np.log10(factors(PID(setting(), max_step=0.3), [math.nan, 1.0]))
    np.testing.assert_allclose(first, [-0.3, 0.0], atol=1e-9)
    outputs = np.log10(factors(PID(setting(), max_step=0.3), [1.0, math.nan, math.inf]))
    np.testing.assert_allclose(outputs[1:], [-0.3, -0.3], atol=1e-9)


def test_bandit_plays_every_arm_first_and_then_the_best():
    controller = Bandit(setting(), factors=[1.0, 0.5, 2.0], discount=1.0, exploration=0.0)
    # Played in turn: 1.0 brings nothing, 0.5 a fall of a decade, 2.0 a rise.
    metrics = [1.0, 1.0, 0.1, 0.2, 0.1]
    played = factors(controller, metrics)
    np.testing.assert_allclose(played, [1.0, 0.5, 2.0, 0.5, 0.5], rtol=1e-9)


def test_bandit_index_by_hand():
    controller = Bandit(setting(), factors=[1.0, 0.5], discount=0.5, exploration=0.3)
    drive(controller, [1.0, 0.1, 0.1, 0.01])
    # Plays 0 (+1), 1 (0), 0 (+1), with weights 0.25, 0.5 and 1.
    assert [arm for arm, _ in controller._plays] == [0, 1, 0]
    counts, means = np.array([1.25, 0.5]), np.array([1.0, 0.0])
    expected = means + 0.3 * np.sqrt(math.log(1.75) / counts)
    np.testing.assert_allclose(controller._indices(), expected)


def test_bandit_forgets_what_lies_outside_its_window():
    controller = Bandit(setting(), factors=[1.0, 0.5], window=3, discount=1.0, exploration=0.0)
    # Arm 0 is the better one and is played until arm 1 has left the window.
    played = factors(controller, [1.0, 0.5, 0.5, 0.4, 0.3, 0.2])
    np.testing.assert_allclose(played, [1.0, 0.5, 1.0, 1.0, 1.0, 0.5], rtol=1e-9)


def test_bandit_counts_a_non_finite_loss_as_the_worst():
    controller = Bandit(setting(), factors=[1.0, 0.5], discount=1.0, exploration=0.0)
    drive(controller, [math.nan, 1.0, math.nan, 1e-9])
    assert [reward for _, reward in controller._plays] == [-1.0, 1.0]


def spsa_positions(metrics, **arguments):
    in_force = drive(SPSA(setting(), **arguments), metrics)
    return SPACE.log10(np.array([list(params.values()) for params in in_force]))


def test_spsa_by_hand():
    a, c = 0.05, 0.1
    # Slopes 0.2 at the first side, -0.1 at the second.
    metrics = [1.0, 10**0.2, 10**0.1]
    start, plus, minus, next_plus = spsa_positions(metrics, a=a, c=c, max_step=1.0)
    direction = (plus - start) / c
    np.testing.assert_allclose(np.abs(direction), 1.0, atol=1e-9)
    np.testing.assert_allclose(minus, start - c * direction, atol=1e-9)
    centre = start - a * 0.3 / (2 * c) * direction
    np.testing.assert_allclose(np.abs(next_plus - centre), c, atol=1e-9)


def test_spsa_bounds_its_steps():
    positions = spsa_positions([1.0, 10.0, 0.1, 1.0], a=5.0, c=0.1, max_step=0.15)
    start, next_plus = positions[0], positions[3]
    assert np.abs(next_plus - start).max() <= 0.15 + 0.1 + 1e-9


def test_spsa_descends_where_the_slope_depends_on_the_hyperparameters():
    """The loss falls the faster, the nearer the learning rate is to 10^-3."""
    ends = []
    for seed in range(10):
        controller = SPSA(setting(["learning_rate"], seed), a=0.5, c=0.1)
        params, loss = {"learning_rate": 0.1}, 1.0
        for step in range(1, 100):
            params = controller.propose(params)
            loss *= 10 ** (0.1 * (abs(math.log10(params["learning_rate"]) + 3) - 1))
            controller.observe(loss, step)
        ends.append(math.log10(params["learning_rate"]))
    assert np.mean(ends) == pytest.approx(-3, abs=0.3)
