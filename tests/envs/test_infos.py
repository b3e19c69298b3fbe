"""Infos: the same keys at reset and step, numbers only, one name for one thing."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from small_envs import SMALL

import atn_gym  # noqa: F401
from atn_gym.envs.regimes import DataShift, Mixture, Regime, Stationary, in_numbers

PAIRS = ("DigitsCnn-LossPerturbation", "DigitsCnnUnknownScale-Mixture", "DigitsCnn-Stationary")


def make(pair: str, **kwargs: Any) -> Any:
    return gymnasium.make(f"atn_gym/{pair}-v0", **SMALL, **kwargs)


def leaves(info: dict[str, Any], path: str = "") -> dict[str, Any]:
    """The type of each entry by its path."""
    found: dict[str, Any] = {}
    for name, value in info.items():
        nested = leaves(value, f"{path}{name}/") if isinstance(value, dict) else None
        found.update(nested if nested is not None else {f"{path}{name}": type(value)})
    return found


@pytest.mark.parametrize("rollback", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
def test_reset_and_step_have_the_same_entries_of_the_same_types(pair: str, rollback: bool) -> None:
    env = make(pair, checkpoint_rollback=rollback)
    _, info = env.reset(seed=0)
    entries = leaves(info)
    assert set(entries.values()) == {int, float, bool}
    for _ in range(3):
        *_, info = env.step(np.zeros(env.action_space.shape, np.float32))
        assert leaves(info) == entries


def test_before_the_first_epoch_metrics_are_those_of_chance_and_nothing_is_spent() -> None:
    observation, info = make(PAIRS[0]).reset(seed=0)
    assert info["privileged"]["val_loss"] == pytest.approx(observation["observed_val_loss"][-1])
    assert info["privileged"]["train_loss"] == pytest.approx(np.log(10))
    assert (info["val_accuracy"], info["train_accuracy"]) == (0.1, 0.1)
    assert (info["flops"], info["gradient_steps"], info["privileged"]["strength"]) == (0, 0, 0)


@pytest.mark.parametrize("pair", PAIRS)
def test_no_entry_has_the_name_of_an_observation(pair: str) -> None:
    env = make(pair)
    for info in (env.reset(seed=0)[1], env.step(np.zeros(3, np.float32))[4]):
        paths = [path.split("/") for path in leaves(info)]
        assert not {name for path in paths for name in path} & set(env.observation_space.keys())


def test_infos_of_a_vector_env_are_arrays_of_numbers_with_the_same_entries() -> None:
    env: Any = gymnasium.make_vec("atn_gym/DigitsCnn-Mixture-v0", num_envs=3, **SMALL)

    def dtypes(infos: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in infos.items():
            nested = isinstance(value, dict)
            found.update(dtypes(value) if nested else {name: np.asarray(value).dtype.kind})
        return found

    entries = dtypes(env.reset(seed=0)[1])
    assert set(entries.values()) == set("bif")
    assert dtypes(env.step(np.zeros((3, 3), np.float32))[4]) == entries


def test_codes_of_a_regime_are_places_in_what_its_module_lists() -> None:
    kinds = list(DataShift.kinds)
    codes = in_numbers(DataShift(kind=kinds[2], profile="recurring", trigger=4))
    assert (codes["regime"], codes["kind"], codes["profile"], codes["trigger"]) == (1, 2, 2, 4)
    assert in_numbers(Stationary())["regime"] == 0
    assert {in_numbers(Mixture().sample(seed))["regime"] for seed in range(40)} == set(range(5))


def test_a_regime_of_ones_own_has_the_code_minus_one_and_its_words_left_out() -> None:
    class Own(Regime):
        kinds = {"first": 0.1, "second": 0.2}

        def describe(self) -> dict[str, Any]:
            return {**super().describe(), "colour": "red", "level": 3}

    codes = in_numbers(Own(kind="second"))
    assert (codes["regime"], codes["kind"], codes["level"]) == (-1, 1, 3)
    assert "colour" not in codes
