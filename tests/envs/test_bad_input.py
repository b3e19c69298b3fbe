"""Wrong arguments are refused at construction, with the value received and the remedy."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import gymnasium
import pytest
import torch
from gymnasium.error import NameNotFound
from small_envs import SMALL, assert_says, make_vector_env, make_wrapped_env

import atn_gym
from atn_gym.envs.episodes import episodes
from atn_gym.envs.params import TuningParams
from atn_gym.envs.regimes import Regime, Stationary
from atn_gym.envs.tasks import DIGITS_CNN
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.errors import DeviceUnavailable, InvalidArgument

MIXTURE = "atn_gym/DigitsCnn-Mixture-v0"


BAD_ARGUMENTS = [
    ({"kind": "lable_noise"}, "kind", "'lable_noise'", "did you mean 'label_noise'?", "rotation"),
    ({"kind": 3}, "kind", "3", "label_noise"),
    ({"kind": ["rotation"]}, "kind", "['rotation']", "label_noise"),
    ({"profile": "gradul"}, "profile", "'gradul'", "did you mean 'gradual'?", "recurring"),
    ({"hyperparameters": ["learning_rat"]}, "'learning_rat'", "did you mean 'learning_rate'?"),
    ({"hyperparameters": []}, "hyperparameters", "non-empty", "[]"),
    ({"hyperparameters": "momentum"}, "hyperparameters", "list of names", "'momentum'"),
    ({"hyperparameters": 3}, "hyperparameters", "list of names", "3"),
    ({"hyperparameters": ["momentum", "momentum"]}, "must differ", "['momentum', 'momentum']"),
    ({"reward": "logloss"}, "reward", "'logloss'", "did you mean 'log_loss'?", "improvement"),
    ({"reward": ["linear"]}, "reward", "['linear']", "log_loss"),
    ({"severty": 0.5}, "argument", "'severty'", "did you mean 'severity'?"),
    ({"severity": 1.2}, "severity", "[0, 1]", "1.2"),
    ({"severity": -0.1}, "severity", "[0, 1]", "-0.1"),
    ({"severity": float("nan")}, "severity", "[0, 1]", "nan"),
    ({"severity": "high"}, "severity", "[0, 1]", "'high'"),
    ({"trigger": 3}, "trigger", "[0, 2]", "budget of 3", "got 3"),
    ({"trigger": -1}, "trigger", "[0, 2]", "got -1"),
    ({"trigger": 1.5}, "trigger", "(0, 1)", "got 1.5"),
    ({"trigger": True}, "trigger", "got True"),
    ({"num_epochs": 0}, "num_epochs", ">= 1", "got 0"),
    ({"num_epochs": 2.0}, "num_epochs", "integer", "got 2.0"),
    ({"train_size": 0}, "train_size", ">= 1", "got 0"),
    ({"batch_size": -4}, "batch_size", ">= 1", "got -4"),
    ({"window": 0}, "window", ">= 1", "got 0"),
    ({"duration": 0}, "duration", ">= 1", "got 0"),
    ({"period": 1.5}, "period", "integer", "got 1.5"),
    ({"twin": "yes"}, "twin", "bool", "'yes'"),
    ({"checkpoint_rollback": 1}, "checkpoint_rollback", "bool", "got 1"),
    ({"split": "train"}, "split", "Mixture", "'train'"),
    ({"engine": "troch"}, "engine", "'troch'", "did you mean 'torch'?"),
    ({"device": "gpu"}, "device", "'cpu' or 'cuda'", "'gpu'"),
    ({"device": 7.5}, "device", "'cpu' or 'cuda'", "7.5"),
]


def no_data(*args: Any) -> Any:
    pytest.fail("arguments must be checked before data is loaded")


@pytest.mark.parametrize(
    ("kwargs", "parts"), [(case[0], case[1:]) for case in BAD_ARGUMENTS], ids=str
)
def test_bad_argument_is_refused_before_data_is_loaded(
    monkeypatch: pytest.MonkeyPatch, kwargs: dict[str, Any], parts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(episodes, "load_dataset", no_data)
    for maker in (make_wrapped_env, make_vector_env):
        with pytest.raises(InvalidArgument) as error:
            maker(**kwargs)
        assert_says(error, *parts)


@pytest.mark.parametrize(
    ("kwargs", "parts"),
    [
        ({"severity": 0.5}, ("Mixture draws severity", "to choose, make the env of one regime")),
        ({"kind": "rotation", "trigger": 1}, ("Mixture draws trigger",)),
        ({"kind": "momentum"}, ("kind of Mixture's train split 'momentum'",)),
        ({"kind": "rotatoin", "split": "test"}, ("'rotatoin'", "did you mean 'rotation'?")),
        ({"split": "tset"}, ("split", "'tset'", "did you mean 'test'?")),
        ({"duration": 0}, ("duration", ">= 1", "got 0")),
        ({"period": 0}, ("period", ">= 1", "got 0")),
    ],
    ids=str,
)
def test_bad_argument_of_the_mixture_is_refused(
    monkeypatch: pytest.MonkeyPatch, kwargs: dict[str, Any], parts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(episodes, "load_dataset", no_data)
    with pytest.raises(InvalidArgument) as error:
        gymnasium.make(MIXTURE, **SMALL, **kwargs)
    assert_says(error, *parts)


@pytest.mark.parametrize(
    ("kwargs", "parts"),
    [
        ({"batch_size": 129}, ("batch_size", "at most the 128 training samples", "got 129")),
        ({"train_size": 1151}, ("train_size", "1 and the 1150 training samples", "got 1151")),
    ],
    ids=str,
)
def test_sizes_beyond_the_data_are_refused(kwargs: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument) as error:
        make_wrapped_env(**kwargs)
    assert_says(error, *parts)


def test_unknown_id_points_at_the_nearest() -> None:
    with pytest.raises(NameNotFound, match="DigitsCnn-DataShift"):
        gymnasium.make("atn_gym/DigitsCnn-DataShfit-v0")


def test_unknown_render_mode_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="render_mode 'rgb'; did you mean 'rgb_array'"):
        TuningEnv(task="DigitsCnn", regime="DataShift", render_mode="rgb")
    with pytest.raises(InvalidArgument, match=r"render_mode 'human'.*Valid: rgb_array, ansi"):
        make_vector_env(render_mode="human")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"task": "DigitCnn", "regime": "DataShift"}, "task 'DigitCnn'; did you mean 'DigitsCnn'"),
        ({"task": "DigitsCnn", "regime": "Datashift"}, "regime 'Datashift'; did you mean 'DataS"),
    ],
)
def test_unknown_task_and_regime_are_refused(names: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        TuningEnv(**names)
    with pytest.raises(InvalidArgument, match=message):
        atn_gym.register_env(**names)


def test_taken_names_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"but 'DigitsCnn' is taken: pass replace=True"):
        atn_gym.register_task("DigitsCnn", DIGITS_CNN)
    with pytest.raises(InvalidArgument, match=r"but 'Stationary' is taken: pass replace=True"):
        atn_gym.register_regime("Stationary", Stationary)


def test_what_is_no_task_or_regime_is_refused_at_registration() -> None:
    class Undecided(Regime):
        kinds = {"some": 0.5}

    with pytest.raises(InvalidArgument, match="must be an instance of Task, got 3"):
        atn_gym.register_task("Three", 3)  # type: ignore[arg-type]
    for regime in (3, int, Undecided):
        with pytest.raises(InvalidArgument, match="must be a subclass of Regime with"):
            atn_gym.register_regime("Wrong", regime)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch_size": 2.5}, "batch_size must be an integer >= 1, got 2.5"),
        ({"num_epochs": True}, "num_epochs must be an integer >= 1, got True"),
        ({"num_epochs": "10"}, "num_epochs must be an integer >= 1, got '10'"),
        ({"optimizer": None}, "optimizer must be one of sgd, adamw, .*or a function .* got None"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam'; did you mean 'adamw'"),
        ({"dataset": None}, "dataset must be a function, got None"),
        ({"network": 3}, "network must be a function, got 3"),
        ({"network_kwargs": [("hidden", 3)]}, "network_kwargs must be a dict of values by name"),
        ({"initial": {"momentum": 0.9}}, r"initial must be a tuple .* \(\{...\},\), got \{'mom"),
        ({"initial": ()}, r"initial must be a tuple of at least one dict .* got \(\)"),
        ({"initial": (0.1,)}, "initial hyperparameters must be a dict of values by name, got 0.1"),
        ({"initial": ({"momentum": 0.9},)}, "must be exactly learning_rate, .* got momentum"),
        ({"initial": ({"lr": 0.1},)}, "unknown hyperparameter 'lr'"),
    ],
    ids=str,
)
def test_bad_fields_of_a_task_are_refused_at_construction(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        replace(DIGITS_CNN, **fields)


def test_tasks_and_parameters_keep_copies_of_what_they_are_given() -> None:
    initial, widths = {**DIGITS_CNN.initial[0]}, {"hidden": 16}
    task = replace(DIGITS_CNN, initial=[initial], network_kwargs=widths)
    params = TuningParams(task="DigitsCnn", regime="DataShift", initial=initial)
    assert copy.deepcopy(task) == task
    initial["learning_rate"] = widths["hidden"] = 7
    assert task.initial == DIGITS_CNN.initial
    assert task.network_kwargs == {"hidden": 16}
    assert params.initial == DIGITS_CNN.initial[0]


@pytest.mark.parametrize("data_dir", [5, ["data"]])
def test_a_data_folder_must_be_a_path(data_dir: Any) -> None:
    with pytest.raises(InvalidArgument, match="data_dir must be a path, got"):
        make_wrapped_env(data_dir=data_dir)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_absent_device_is_named_with_the_remedy() -> None:
    with pytest.raises(DeviceUnavailable, match=r"device='cuda'.*use device='cpu'"):
        make_wrapped_env(device="cuda")


@pytest.mark.parametrize(
    ("kwargs", "parts"),
    [
        ({"num_envs": 0}, ("num_envs", ">= 1", "got 0")),
        ({"num_envs": 2.0}, ("num_envs", "integer", "got 2.0")),
        ({"num_envs": True}, ("num_envs", "integer", "got True")),
        ({"autoreset_mode": "Nextstep"}, ("'Nextstep'", "did you mean 'NextStep'?", "Disabled")),
        ({"autoreset_mode": None}, ("autoreset_mode", "None", "SameStep")),
    ],
    ids=str,
)
def test_bad_vector_argument_is_refused(kwargs: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgument) as error:
        make_vector_env(**kwargs)
    assert_says(error, *parts)
