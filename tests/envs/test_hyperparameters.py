from __future__ import annotations

import math

import numpy as np
import pytest

from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

SPACE = HyperparameterSpace()
VALUES = np.array([0.02, 0.9, 1e-4])
LOW, HIGH = np.array([1e-5, 0.0, 1e-6]), np.array([1.0, 0.99, 1e-1])


def random_values(count: int) -> np.ndarray:
    """Log-uniform values, kept a decade away from the bounds of the tuned scale."""
    draws = np.random.default_rng(0)
    return np.column_stack(
        [
            10 ** draws.uniform(-4, -1, count),
            1 - 10 ** draws.uniform(-1.4, -0.6, count),
            10 ** draws.uniform(-5, -2, count),
        ]
    )


def test_default_order_is_learning_rate_momentum_weight_decay():
    assert SPACE.names == ("learning_rate", "momentum", "weight_decay")
    assert len(SPACE) == 3


def test_an_action_of_one_moves_by_a_decade_and_momentum_by_half_a_decade_of_its_complement():
    root = math.sqrt(10)
    np.testing.assert_allclose(SPACE.apply(VALUES, np.ones(3)), [0.2, 1 - 0.1 * root, 1e-3])
    np.testing.assert_allclose(SPACE.apply(VALUES, -np.ones(3)), [0.002, 1 - 0.1 / root, 1e-5])


def test_a_fractional_action_moves_by_its_share_of_the_step():
    moved = SPACE.apply(VALUES, np.array([0.5, -0.5, 0.25]))
    expected = [0.02 * 10**0.5, 1 - 0.1 * 10**-0.25, 1e-4 * 10**0.25]
    np.testing.assert_allclose(moved, expected, rtol=1e-12)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zero_leaves_every_value_exactly_as_it_is(zero):
    values = np.random.default_rng(0).uniform(LOW, HIGH, (200, 3))
    actions = np.full(values.shape, zero, dtype=np.float32)
    np.testing.assert_array_equal(SPACE.apply(values, actions), values)


def test_zero_leaves_one_value_exactly_while_others_move():
    moved = SPACE.apply(VALUES, np.array([0.3, 0.0, -0.3]))
    assert moved[1] == VALUES[1]
    assert moved[0] > VALUES[0]
    assert moved[2] < VALUES[2]


def test_actions_beyond_one_count_as_one():
    far, edge = np.array([7.0, -3.0, np.inf]), np.array([1.0, -1.0, 1.0])
    np.testing.assert_array_equal(SPACE.apply(VALUES, far), SPACE.apply(VALUES, edge))


def test_values_stop_at_the_bounds():
    up = down = VALUES
    for _ in range(9):
        up = SPACE.apply(up, np.array([1.0, -1.0, 1.0]))
        down = SPACE.apply(down, np.array([-1.0, 1.0, -1.0]))
    np.testing.assert_allclose(up, HIGH, rtol=1e-15)
    np.testing.assert_allclose(down, LOW, rtol=1e-15)
    SPACE.check(SPACE.named(up))
    SPACE.check(SPACE.named(down))


def test_apply_works_on_leading_axes_and_leaves_its_input_alone():
    values = random_values(6).reshape(2, 3, 3)
    before = values.copy()
    actions = np.random.default_rng(1).uniform(-1, 1, values.shape)
    moved = SPACE.apply(values, actions)
    np.testing.assert_array_equal(values, before)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(moved[index], SPACE.apply(values[index], actions[index]))


def test_deltas_finds_the_action_that_reaches_a_target_within_a_step():
    values = random_values(200)
    actions = np.random.default_rng(2).uniform(-1, 1, values.shape)
    targets = SPACE.apply(values, actions)
    np.testing.assert_allclose(SPACE.deltas(values, targets), actions, atol=1e-9)
    np.testing.assert_allclose(
        SPACE.apply(values, SPACE.deltas(values, targets)), targets, rtol=1e-9
    )


def test_deltas_goes_one_whole_step_towards_a_far_target():
    targets = np.array([1e-5, 0.0, 1e-1])
    np.testing.assert_array_equal(SPACE.deltas(VALUES, targets), [-1.0, 1.0, 1.0])


def test_deltas_of_equal_values_are_exactly_zero():
    values = random_values(50)
    np.testing.assert_array_equal(SPACE.deltas(values, values.copy()), np.zeros(values.shape))


def test_log10_observes_momentum_by_its_complement():
    logs = SPACE.log10(np.array([[0.02, 0.9, 1e-4], [1.0, 0.0, 1e-1]]))
    np.testing.assert_allclose(logs, [[math.log10(0.02), -1, -4], [0, 0, -1]], atol=1e-12)


def test_from_log10_inverts_log10():
    values = random_values(200)
    np.testing.assert_allclose(SPACE.from_log10(SPACE.log10(values)), values, rtol=1e-12)


def test_from_log10_stays_within_the_bounds():
    np.testing.assert_allclose(SPACE.from_log10(np.full(3, 9.0)), [1.0, 0.0, 0.1])
    np.testing.assert_allclose(SPACE.from_log10(np.full(3, -9.0)), [1e-5, 0.99, 1e-6])


def test_bounds_are_in_plain_units_and_the_box_in_log10():
    np.testing.assert_allclose(SPACE.bounds, [LOW, HIGH], rtol=1e-15)
    box = SPACE.log10_box()
    assert box.dtype == np.float32
    np.testing.assert_allclose(box.low, [-5, -2, -6], atol=1e-6)
    np.testing.assert_allclose(box.high, [0, 0, -1], atol=1e-6)


def test_a_subset_keeps_the_given_order():
    space = HyperparameterSpace(["weight_decay", "learning_rate"])
    np.testing.assert_allclose(
        space.apply(np.array([1e-4, 0.02]), np.array([-1.0, 0.5])), [1e-5, 0.02 * 10**0.5]
    )
    assert space.named(np.array([1e-4, 0.02])) == {"weight_decay": 1e-4, "learning_rate": 0.02}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "non-empty list of names"),
        ("learning_rate", "non-empty list of names"),
        (["learning_rat"], "did you mean 'learning_rate'"),
        (["momentum", "momentum"], "must differ"),
    ],
)
def test_a_wrong_list_of_names_is_refused(names, message):
    with pytest.raises(InvalidArgument, match=message):
        HyperparameterSpace(names)


def test_check_accepts_the_bounds_and_numpy_numbers():
    SPACE.check({"learning_rate": 1e-5, "momentum": 0.0, "weight_decay": 1e-6})
    SPACE.check({"learning_rate": 1, "momentum": 0.99, "weight_decay": 1e-1})
    SPACE.check({"learning_rate": np.float32(0.25), "momentum": np.float64(0.5)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", 1.01),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", True),
        ("learning_rate", "0.1"),
        ("learning_rate", None),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", 0.2),
    ],
)
def test_check_names_what_is_out_of_bounds_and_what_came(name, value):
    with pytest.raises(InvalidArgument, match=f"{name}.*must be a number in .*got {value!r}"):
        SPACE.check({name: value})


def test_check_names_the_nearest_known_name():
    with pytest.raises(InvalidArgument, match="did you mean 'momentum'"):
        SPACE.check({"momentun": 0.9})
