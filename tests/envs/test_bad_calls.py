"""Wrong calls are refused with the value received and the remedy, and change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from small_envs import assert_says, make_vector_env, make_wrapped_env

from atn_gym.errors import EpisodeStateError, InvalidArgument

IDLE = np.zeros(3, np.float32)


BAD_ACTIONS = [
    (np.array([0, np.nan, 0], np.float32), "NaN", "[0.0, nan, 0.0]"),
    (np.zeros(2, np.float32), "shape (3,)", "got shape (2,)"),
    (np.zeros((1, 3), np.float32), "shape (3,)", "got shape (1, 3)"),
    (np.float32(0), "shape (3,)", "got shape ()"),
    (np.zeros(3, np.int64), "float32", "got dtype int64"),
    (np.zeros(3, np.complex64), "float32", "got dtype complex64"),
    (np.array(["0", "0", "0"]), "float32", "got dtype <U1"),
    (None, "float32", "got dtype object"),
]


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(
    ("action", "parts"), [(case[0], case[1:]) for case in BAD_ACTIONS], ids=str
)
def test_bad_action_is_refused_and_leaves_the_run_alone(
    action: Any, parts: tuple[str, ...], wrapped: bool
) -> None:
    env, other = make_wrapped_env(), make_wrapped_env()
    env.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="action") as error:
        (env if wrapped else env.unwrapped).step(action)
    assert_says(error, *parts)
    assert env.step(IDLE)[4] == other.step(IDLE)[4]


@pytest.mark.parametrize(
    ("actions", "part"),
    [
        (np.zeros(3, np.float32), "got shape (3,)"),
        (np.zeros((3, 3), np.float32), "got shape (3, 3)"),
        (np.full((2, 3), np.nan, np.float32), "nan"),
        (np.zeros((2, 3), bool), "got dtype bool"),
    ],
)
def test_bad_actions_of_a_vector_env_are_refused(actions: Any, part: str) -> None:
    env = make_vector_env()
    env.reset(seed=0)
    with pytest.raises(InvalidArgument) as error:
        env.step(actions)
    assert_says(error, "action", part)


@pytest.mark.parametrize("mode", ["Disabled", "NextStep"])
def test_actions_of_ended_runs_are_ignored_whatever_they_are(mode: str) -> None:
    env = make_vector_env(num_epochs=1, autoreset_mode=mode)
    env.reset(seed=0)
    assert env.step(np.zeros((2, 3), np.float32))[2].all()
    env.step(np.full((2, 3), np.nan, np.float32))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(InvalidArgument, match="must not hold NaN"):
        env.step(np.array([[np.nan, 0, 0], [0, 0, 0]], np.float32))


def test_step_needs_a_running_episode() -> None:
    env = make_wrapped_env()
    for stepped in (env, env.unwrapped):
        with pytest.raises(ResetNeeded, match="reset"):
            stepped.step(IDLE)
    env.reset(seed=0)
    for _ in range(3):
        env.step(IDLE)
    for stepped in (env, env.unwrapped):
        with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
            stepped.step(IDLE)
    vector = make_vector_env()
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        vector.step(np.zeros((2, 3), np.float32))


def test_calls_before_reset_say_so() -> None:
    env: Any = make_wrapped_env().unwrapped
    for call in (env.get_state, env.test_metrics):
        with pytest.raises(EpisodeStateError, match=r"call reset\(\) first"):
            call()


BAD_OPTIONS = [
    ({"hyperparameter": {}}, "'hyperparameter'", "did you mean 'hyperparameters'?"),
    ({"hyperparameters": {"lr": 0.1}}, "hyperparameter", "'lr'", "learning_rate"),
    ({"hyperparameters": {"learning_rate": 2.0}}, "'learning_rate'", "[1e-05, 1]", "2.0"),
    ({"hyperparameters": {"momentum": 0.999}}, "'momentum'", "[0, 0.99]", "0.999"),
    ({"hyperparameters": {"weight_decay": 0.0}}, "'weight_decay'", "[1e-06, 0.1]", "0.0"),
    ({"hyperparameters": {"learning_rate": float("nan")}}, "'learning_rate'", "nan"),
    ({"hyperparameters": {"learning_rate": "big"}}, "'learning_rate'", "'big'"),
    ({"hyperparameters": [0.1, 0.9, 1e-4]}, "hyperparameters", "by name", "[0.1, 0.9, 0.0001]"),
]


def test_an_initial_value_that_is_not_controlled_is_refused_with_the_remedy() -> None:
    kwargs: Any = {"hyperparameters": ["learning_rate"]}
    for env in (make_wrapped_env(**kwargs), make_vector_env(**kwargs)):
        with pytest.raises(InvalidArgument) as error:
            env.reset(options={"hyperparameters": {"momentum": 0.5}})
        assert_says(error, "'momentum' is not controlled", "initial={'momentum': 0.5}")


@pytest.mark.parametrize(
    ("options", "parts"), [(case[0], case[1:]) for case in BAD_OPTIONS], ids=str
)
def test_bad_reset_option_is_refused(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    for env in (make_wrapped_env(), make_vector_env()):
        with pytest.raises(InvalidArgument) as error:
            env.reset(seed=0, options=options)
        assert_says(error, *parts)


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70, 1.5, "ab", True])
def test_bad_seed_is_refused_and_leaves_the_run_alone(seed: Any) -> None:
    single, vector = make_wrapped_env(), make_vector_env()
    single.reset(seed=0)
    vector.reset(seed=0)
    for env, given in ((single, seed), (vector, seed), (vector, [1, seed])):
        with pytest.raises(InvalidArgument) as error:
            env.reset(seed=given)
        assert_says(error, "seed must be an integer from 0 to 92", f"got {seed!r}")
    assert single.step(IDLE)[4]["privileged"]["seed"] == 0
    assert vector.step(np.zeros((2, 3), np.float32))[4]["privileged"]["seed"].tolist() == [0, 1]


def test_the_largest_seed_is_that_of_the_last_slot() -> None:
    largest = 2**63 - 1
    env = make_vector_env()
    assert env.reset(seed=largest - 1)[1]["privileged"]["seed"].tolist() == [largest - 1, largest]
    assert make_wrapped_env().reset(seed=largest)[1]["privileged"]["seed"] == largest
    with pytest.raises(InvalidArgument, match=f"from 0 to {largest - 1}, got {largest}"):
        env.reset(seed=largest)


def test_a_mask_cannot_leave_out_a_run_that_has_not_begun() -> None:
    env = make_vector_env()
    with pytest.raises(EpisodeStateError, match=r"\[True, False\]: call reset\(\) without it"):
        env.reset(seed=0, options={"reset_mask": np.array([True, False])})
    assert not env.unwrapped.episodes.begun(0)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        ({"seed": [1, 2, 3]}, ("list of seeds", "num_envs=2", "got 3")),
        ({"options": {"reset_mask": np.array([True])}}, ("reset_mask", "shape (2,)")),
        ({"options": {"reset_mask": np.array([1, 0])}}, ("reset_mask", "boolean")),
        ({"options": {"reset_mask": np.array([False, False])}}, ("reset_mask", "one True")),
        ({"options": {"reset_musk": 1}}, ("'reset_musk'", "did you mean 'reset_mask'?")),
        (
            {"options": {"hyperparameters": {"momentum": np.zeros(3)}}},
            ("hyperparameters", "shape (2,)"),
        ),
    ],
    ids=str,
)
def test_bad_reset_of_a_vector_env_is_refused(call: dict[str, Any], parts: tuple[str, ...]) -> None:
    env = make_vector_env()
    with pytest.raises(InvalidArgument) as error:
        env.reset(**call)
    assert_says(error, *parts)


def test_refused_reset_of_a_vector_env_leaves_every_run_alone() -> None:
    env, other = make_vector_env(), make_vector_env()
    env.reset(seed=0)
    other.reset(seed=0)
    env.step(np.zeros((2, 3), np.float32))
    other.step(np.zeros((2, 3), np.float32))
    rates = np.array([0.1, 7.0])
    with pytest.raises(InvalidArgument, match="learning_rate"):
        env.reset(seed=5, options={"hyperparameters": {"learning_rate": rates}})
    _, rewards, *_ = env.step(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(rewards, other.step(np.zeros((2, 3), np.float32))[1])


def test_foreign_states_are_refused() -> None:
    env: Any = make_wrapped_env().unwrapped
    other: Any = make_wrapped_env(num_epochs=4).unwrapped
    env.reset(seed=0)
    other.reset(seed=0)
    with pytest.raises(InvalidArgument, match=r"here num_epochs=4, got num_epochs=3"):
        other.set_state(env.get_state())
    part = {"params": env.get_state()["params"]}
    for setter, state in (
        (env.set_state, part),
        (env.set_state, {**env.get_state(), "params": 3}),
        (make_vector_env(1).set_state, [part]),
    ):
        with pytest.raises(InvalidArgument, match=r"get_state\(\) returned, with .*, got params"):
            setter(state)
    vector = make_vector_env()
    with pytest.raises(InvalidArgument, match=r"num_envs=2, got 1"):
        vector.set_state([env.get_state()])
