"""What holds of action arithmetic for all values and actions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atn_gym.envs.hyperparameters import RESOLUTION, HyperparameterSpace

SPACE = HyperparameterSpace()
STEPS = np.array([1.0, 0.5, 1.0])
LOW, HIGH = SPACE.log10_bounds


def vectors(low, high):
    return st.tuples(*(st.floats(a, b) for a, b in zip(low, high, strict=True))).map(np.array)


logs = vectors(LOW, HIGH)
actions = vectors(-np.ones(3), np.ones(3))
any_actions = vectors(np.full(3, -1e6), np.full(3, 1e6))


@given(logs, any_actions)
def test_an_action_never_leaves_the_bounds_and_moves_by_a_step_at_most(start, action):
    values = SPACE.from_log10(start)
    moved = SPACE.apply(values, action)
    low, high = SPACE.bounds
    assert (moved >= low - 1e-12).all()
    assert (moved <= high + 1e-12).all()
    assert (np.abs(SPACE.log10(moved) - SPACE.log10(values)) <= STEPS + 1e-9).all()


@given(logs, actions)
def test_a_value_moves_the_way_its_action_points(start, action):
    values = SPACE.from_log10(start)
    moves = SPACE.log10(SPACE.apply(values, action)) - SPACE.log10(values)
    assert (moves * np.sign(action) >= -1e-9).all()
    np.testing.assert_array_equal(SPACE.apply(values, np.zeros(3)), values)


@given(logs, actions)
def test_deltas_invert_apply_where_no_bound_is_met(start, action):
    values = SPACE.from_log10(start)
    end = start + action * STEPS
    within = (end > LOW + 1e-9) & (end < HIGH - 1e-9) & (np.abs(action * STEPS) > 2 * RESOLUTION)
    found = SPACE.deltas(values, SPACE.apply(values, action))
    np.testing.assert_allclose(found[within], action[within], atol=1e-9)


@given(logs, logs)
def test_deltas_lead_to_any_target_in_as_many_steps_as_it_is_away(start, target):
    values, aim = SPACE.from_log10(start), SPACE.from_log10(target)
    for _ in range(int(np.ceil((np.abs(target - start) / STEPS).max())) + 1):
        values = SPACE.apply(values, SPACE.deltas(values, aim))
    np.testing.assert_allclose(SPACE.log10(values), SPACE.log10(aim), atol=2 * RESOLUTION)
