"""The hidden gain on the learning rate: what it does, and that nobody observes it."""

from __future__ import annotations

import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from trainers import reset, rows

import atn_gym
from atn_gym.envs import optimizers
from atn_gym.envs.params import TuningParams
from atn_gym.envs.regimes import Mixture, OptimizerSensitivityShift
from atn_gym.envs.tasks import DIGITS_CNN, Task
from atn_gym.errors import InvalidArgument

UNKNOWN = "atn_gym/DigitsCnnUnknownScale-Stationary-v0"
STATIONARY = "atn_gym/DigitsCnn-Stationary-v0"
IDLE = np.zeros(3, np.float32)


def make(env_id: str = UNKNOWN, **kwargs: Any) -> Any:
    return gymnasium.make(env_id, **{"num_epochs": 3, "train_size": 256, **kwargs})


def clean_losses(env: Any, seed: int = 4, **options: Any) -> list[float]:
    env.reset(seed=seed, options=options)
    return [env.step(IDLE)[4]["privileged"]["val_loss"] for _ in range(3)]


@pytest.mark.parametrize("engine", ["compiled", "batched", "torch"])
def test_a_gain_trains_as_if_the_effective_learning_rate_were_set(engine: str) -> None:
    gained = make(STATIONARY, gain=-1, engine=engine)
    plain = make(STATIONARY, engine=engine)
    rate = {"learning_rate": 0.05 * 10**-1.0}
    assert clean_losses(gained) == clean_losses(plain, hyperparameters=rate)


def test_a_gain_multiplies_what_the_optimizer_shift_does(make_trainer: Any) -> None:
    trainer = make_trainer()
    values = {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 1e-4}
    shift = OptimizerSensitivityShift(trigger=0, kind="learning_rate", severity=0.5)
    reset(trainer, 0, 0, shift, values, gain=-1.0)
    for _ in range(2):
        trainer.train([0], rows([values]))
        optimizer = trainer._engine.optimizer(0)
        effective = optimizers.effective_hyperparameters(optimizer)
        assert effective == pytest.approx({**values, "learning_rate": 0.02 * 10**-0.5})
        assert optimizers.nominal_hyperparameters(optimizer) == values


def test_gains_are_uniform_over_the_range_and_drawn_by_the_seed() -> None:
    env = gymnasium.make_vec(UNKNOWN, num_envs=200, train_size=64)
    gains = env.reset(seed=0)[1]["privileged"]["gain"]
    low, high = TuningParams(task="DigitsCnnUnknownScale", regime="Stationary").resolved().gain
    counts, _ = np.histogram(gains, bins=4, range=(low, high))
    assert counts.sum() == 200
    assert counts.min() > 25
    np.testing.assert_array_equal(env.reset(seed=0)[1]["privileged"]["gain"], gains)


def test_twin_and_snapshot_keep_the_gain() -> None:
    env, twin = make("atn_gym/DigitsCnnUnknownScale-DataShift-v0"), make(twin=True)
    gain = env.reset(seed=4)[1]["privileged"]["gain"]
    assert gain == twin.reset(seed=4)[1]["privileged"]["gain"] != 0
    env.step(IDLE)
    state = env.unwrapped.get_state()
    expected = env.step(IDLE)[4]
    env.reset(seed=5)
    env.unwrapped.set_state(state)
    assert env.step(IDLE)[4] == expected
    assert expected["privileged"]["gain"] == gain


@pytest.mark.parametrize("regime", ["Stationary", "OptimizerSensitivityShift", "Mixture"])
def test_nobody_reads_the_gain_before_the_first_epoch(regime: str) -> None:
    """All that an observation and the open part of the info hold is the same for every gain."""
    env_id = f"atn_gym/DigitsCnnUnknownScale-{regime}-v0"
    env = gymnasium.make_vec(env_id, num_envs=50, train_size=64, checkpoint_rollback=True)
    observation, infos = env.reset(seed=0)
    gains = infos.pop("privileged")["gain"]
    assert len(set(gains)) == 50
    for name, values in [*observation.items(), *infos["hyperparameter_values"].items()]:
        np.testing.assert_array_equal(values, np.broadcast_to(values[0], values.shape), name)


def test_a_gain_of_zero_is_the_default_of_the_other_tasks() -> None:
    for task in ("DigitsCnn", "DigitsCnnPoorInit", "MnistCnn"):
        assert TuningParams(task=task, regime="DataShift").resolved().gain == 0
    assert clean_losses(make(STATIONARY)) == clean_losses(make(STATIONARY, gain=0))


def test_a_pair_survives_json_and_a_number_takes_the_place_of_the_task_s() -> None:
    params = TuningParams(
        task="DigitsCnn", regime="DataShift", gain=[-1, 0.5], trigger=[0.2, 0.4]
    ).resolved()
    assert (params.gain, params.trigger) == ((-1.0, 0.5), (0.2, 0.4))
    again = json.loads(json.dumps(vars(params)))
    assert TuningParams.from_kwargs(again) == params
    assert make(gain=0.25).reset(seed=1)[1]["privileged"]["gain"] == 0.25


@pytest.mark.parametrize("gain", [5, float("nan"), "high", True, (1, 1), (0.5, -0.5), (0, 1, 2)])
def test_a_wrong_gain_is_refused_with_the_requirement(gain: Any) -> None:
    for call in (
        lambda: TuningParams(task="DigitsCnn", regime="Stationary", gain=gain),
        lambda: Task(DIGITS_CNN.dataset, DIGITS_CNN.initial, 3, gain=gain),
    ):
        with pytest.raises(InvalidArgument, match=r"gain must be .*, got"):
            call()


@pytest.mark.parametrize("task", ["DigitsCnn", "DigitsCnnUnknownScale"])
def test_the_splits_of_mixture_share_no_gain(task: str) -> None:
    params = TuningParams(task=task, regime="Mixture").resolved()
    low, high = params.gain
    train, test = (
        np.array([Mixture(split=split).draw_gain(params.gain, s) for s in range(500)])
        for split in ("train", "test")
    )
    fifths = [np.floor((gains - low) / (high - low) * 5) for gains in (train, test)]
    assert set(fifths[0]) == {0, 2, 4}
    assert set(fifths[1]) == {1, 3}
    assert TuningParams(task=task, regime="Mixture", gain=0.5).resolved().gain == 0.5


def test_there_are_nine_tasks_and_six_regimes() -> None:
    assert len(atn_gym.env_ids()) >= 54
