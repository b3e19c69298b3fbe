"""Arguments of an env: typed for editors, refused as Python refuses, plain in specs."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from pathlib import Path
from typing import Any, Unpack

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

import atn_gym
from atn_gym.envs.arguments import EnvArguments, MakeArguments, TaskArguments, plain
from atn_gym.envs.params import TuningParams
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.envs.vector_env import TuningVectorEnv
from atn_gym.envs.wrappers import VectorFlatObservation
from atn_gym.errors import InvalidArgument
from atn_gym.training.vec_env import TuningVecEnv

ID = "atn_gym/DigitsCnn-DataShift-v0"


def test_typed_arguments_are_those_of_the_params() -> None:
    ours, theirs = typing.get_type_hints(TaskArguments), typing.get_type_hints(TuningParams)
    assert list(theirs) == [f.name for f in dataclasses.fields(TuningParams)]
    assert set(ours) == set(theirs)
    for name in set(theirs) - {"data_dir"}:
        assert ours[name] == theirs[name], name


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (TuningEnv, TaskArguments),
        (TuningVectorEnv, TaskArguments),
        (atn_gym.evaluate, EnvArguments),  # type: ignore[attr-defined]
        (TuningVecEnv, MakeArguments),
    ],
)
def test_calls_that_take_arguments_of_an_env_name_them_to_editors(call: Any, expected: Any) -> None:
    keywords = [
        p
        for p in inspect.signature(call, eval_str=True).parameters.values()
        if p.kind is p.VAR_KEYWORD
    ]
    assert [p.annotation for p in keywords] == [Unpack[expected]]


@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
def test_an_unknown_keyword_is_refused_as_python_refuses_it(make: Any) -> None:
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'frameskip'"):
        make(ID, frameskip=4)
    with pytest.raises(InvalidArgument, match="did you mean 'severity'"):
        make(ID, severty=0.5)


NUMPY: dict[str, Any] = {
    "num_epochs": np.int64(2),
    "train_size": np.int32(128),
    "window": np.uint8(3),
    "severity": np.float32(0.5),
    "trigger": np.array([0.25, 0.75]),
    "gain": (np.float64(-1.0), np.float64(1.0)),
    "initial": {"learning_rate": np.float64(0.01)},
    "hyperparameters": np.array(["momentum", "learning_rate"]),
    "checkpoint_rollback": np.bool_(True),
    "data_dir": Path("somewhere"),
}


def test_values_of_numpy_and_pathlib_are_plain_in_the_params() -> None:
    params = TuningParams(task="DigitsCnn", regime="DataShift", **NUMPY)
    assert json.loads(json.dumps(dataclasses.asdict(params))) is not None
    expected = plain(NUMPY)
    assert params == TuningParams(task="DigitsCnn", regime="DataShift", **expected)
    assert type(params.num_epochs) is int
    assert params.data_dir == "somewhere"


@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
def test_a_spec_with_values_of_numpy_becomes_json_and_makes_the_same_env(make: Any) -> None:
    env = make(ID, **NUMPY)
    spec = EnvSpec.from_json(env.spec.to_json())
    again = make(spec)
    assert again.unwrapped.episodes.params == env.unwrapped.episodes.params
    first, second = (e.reset(seed=3) for e in (env, again))
    assert all(np.array_equal(first[0][name], second[0][name]) for name in first[0])


def test_evaluate_and_vector_envs_take_numbers_of_numpy() -> None:
    small: Any = {"num_epochs": np.int64(2), "train_size": np.int64(128)}
    evaluation = atn_gym.evaluate("fixed", ID, seeds=[np.int64(3)], **small)  # type: ignore[attr-defined]
    assert [summary["seed"] for summary in evaluation.summaries] == [3]
    assert TuningVecEnv(ID, np.int64(2), **small).num_envs == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_autoreset_mode_is_an_attribute_of_vector_envs(mode: AutoresetMode) -> None:
    env: Any = gymnasium.make_vec(ID, num_envs=2, autoreset_mode=mode)
    assert env.autoreset_mode is mode
    assert VectorFlatObservation(env).autoreset_mode is mode
    assert VectorFlatObservation(env).metadata["autoreset_mode"] is mode
    assert "autoreset_mode" not in TuningEnv.metadata


def test_spaces_of_a_vec_env_are_those_of_a_single_env() -> None:
    env = TuningVecEnv(ID, 2)
    assert env.get_attr("observation_space") == [env.observation_space] * 2
    assert env.get_attr("action_space", indices=[1]) == [env.action_space]
