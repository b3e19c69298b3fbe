"""States that were damaged: refused in one sentence, and the env goes on as before."""

import copy

import gymnasium as gym
import numpy as np
import pytest

import atn_gym  # noqa: F401
from atn_gym.errors import InvalidArgument

ENV = "atn_gym/DigitsCnn-DataShift-v0"
ACTION = np.array([0.3, -0.2, 0.1], np.float32)


def advanced(engine):
    env = gym.make(ENV, num_epochs=6, train_size=128, engine=engine).unwrapped
    env.reset(seed=3)
    env.step(ACTION)
    return env


def damages(state):
    """A state with each of its parts, and parts of these, spoilt in turn."""
    for spoilt in (None, "x", {}, {"bit_generator": "MT19937"}):
        yield {**state, "generator": spoilt}
        yield {**state, "episode": spoilt}
        yield {**state, "trainer": spoilt}
    for name in state["trainer"]:
        yield {**state, "trainer": {k: v for k, v in state["trainer"].items() if k != name}}
    generator = copy.deepcopy(state["generator"])
    del generator["state"]["inc"]
    yield {**state, "generator": generator}


@pytest.mark.parametrize("engine", ["torch", "compiled", "batched"])
def test_a_damaged_state_leaves_the_env_as_it_is(engine):
    env, undisturbed = advanced(engine), advanced(engine)
    other = advanced(engine)
    other.step(-ACTION)
    count = 0
    for state in damages(other.get_state()):
        with pytest.raises(InvalidArgument, match="a state must be one that get_state"):
            env.set_state(state)
        count += 1
    assert count >= 15
    first, second = env.step(ACTION), undisturbed.step(ACTION)
    assert first[1] == second[1]
    assert all(np.array_equal(first[0][name], second[0][name]) for name in first[0])
    env.set_state(other.get_state())
    assert env.step(ACTION)[1] == other.step(ACTION)[1]


def test_one_damaged_state_of_several_leaves_all_slots_as_they_are():
    env = gym.make_vec(ENV, num_envs=2, num_epochs=6, train_size=128).unwrapped
    env.reset(seed=3)
    env.step(np.stack([ACTION, ACTION]))
    before = env.get_state()
    env.step(np.stack([ACTION, -ACTION]))
    now = env.get_state()
    with pytest.raises(InvalidArgument, match="it is damaged"):
        env.set_state([before[0], {**before[1], "trainer": {}}])
    expected = env.step(np.stack([ACTION, ACTION]))[1]
    env.set_state(now)
    assert np.array_equal(env.step(np.stack([ACTION, ACTION]))[1], expected)
