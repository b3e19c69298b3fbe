"""Runs under the default shifts and all that are drawn: twins, engines, slots and snapshots."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest

import atn_gym
from atn_gym.envs.regimes import DataShift, OptimizerSensitivityShift

IDLE = np.zeros(3, np.float32)
EPOCHS, SHOCK = 6, 2
DRAWN = [
    (regime.__name__, kind)
    for regime in (DataShift, OptimizerSensitivityShift)
    for kind in regime.drawn_kinds
]
SHIFTS = [(r, k, p) for r, k in DRAWN for p in ("abrupt", "gradual", "stream")]
SHIFTS += [("LossPerturbation", "both", "abrupt"), ("CurriculumShift", "classes", "abrupt")]


def arguments(kind: str, profile: str, **kwargs: Any) -> dict[str, Any]:
    own = {"num_epochs": EPOCHS, "train_size": 256, "trigger": SHOCK, "period": 1, "duration": 2}
    return {**own, "kind": kind, "profile": profile, **kwargs}


def make(regime: str, kind: str, profile: str, **kwargs: Any) -> Any:
    return gymnasium.make(f"atn_gym/DigitsCnn-{regime}-v0", **arguments(kind, profile, **kwargs))


def losses(env: Any, seed: int = 3) -> list[float]:
    env.reset(seed=seed)
    return [env.step(IDLE)[4]["privileged"]["val_loss"] for _ in range(EPOCHS)]


@pytest.mark.parametrize(("regime", "kind", "profile"), SHIFTS)
def test_the_twin_is_identical_up_to_the_shock_and_no_further(
    regime: str, kind: str, profile: str
) -> None:
    run = losses(make(regime, kind, profile))
    twin = losses(make(regime, kind, profile, twin=True))
    assert run[:SHOCK] == twin[:SHOCK]
    assert all(a != b for a, b in zip(run[SHOCK:], twin[SHOCK:], strict=True))


@pytest.mark.parametrize(("regime", "kind", "profile"), SHIFTS)
def test_both_engines_meet_the_same_shift(regime: str, kind: str, profile: str) -> None:
    compiled, by_torch = (
        losses(make(regime, kind, profile, engine=engine)) for engine in ("compiled", "torch")
    )
    np.testing.assert_allclose(compiled, by_torch, rtol=5e-3)


@pytest.mark.parametrize(("regime", "kind", "profile"), SHIFTS)
def test_a_slot_of_a_vector_env_is_the_single_env(regime: str, kind: str, profile: str) -> None:
    vector = gymnasium.make_vec(
        f"atn_gym/DigitsCnn-{regime}-v0", num_envs=2, **arguments(kind, profile)
    )
    vector.reset(seed=3)
    idle = np.zeros((2, 3), np.float32)
    found = [vector.step(idle)[4]["privileged"]["val_loss"].tolist() for _ in range(EPOCHS)]
    for slot in range(2):
        assert [row[slot] for row in found] == losses(make(regime, kind, profile), seed=3 + slot)


@pytest.mark.parametrize(("regime", "kind", "profile"), SHIFTS)
@pytest.mark.parametrize("captured", [1, 4])
def test_a_snapshot_goes_on_across_the_next_change(
    regime: str, kind: str, profile: str, captured: int
) -> None:
    env, other = make(regime, kind, profile), make(regime, kind, profile)
    env.reset(seed=4)
    for _ in range(captured):
        env.step(IDLE)
    state = pickle.dumps(env.unwrapped.get_state())
    expected = [env.step(IDLE)[4] for _ in range(EPOCHS - captured)]
    other.reset(seed=9)
    other.unwrapped.set_state(pickle.loads(state))
    assert [other.step(IDLE)[4] for _ in range(EPOCHS - captured)] == expected
    assert other.unwrapped.test_metrics() == env.unwrapped.test_metrics()


@pytest.mark.parametrize("regime", ["DataShift", "OptimizerSensitivityShift"])
def test_nobody_reads_what_will_be_drawn_before_it_strikes(regime: str) -> None:
    """Seeds of the run and of the regime apart, all that is observed is the same."""
    env = make(regime, getattr(atn_gym.envs.regimes, regime).drawn_kinds[0], "stream")
    state, seen = None, []
    for seed in range(4):
        observation, info = env.reset(seed=seed)
        state = state or env.unwrapped.get_state()
        drawn = env.unwrapped.get_state()["trainer"]["regime"]
        swapped = {**state, "trainer": {**state["trainer"], "regime": drawn}}
        env.unwrapped.set_state(swapped)
        for _ in range(SHOCK):
            observation, _, _, _, info = env.step(IDLE)
        del info["privileged"]
        seen.append((observation, info))
    for observation, info in seen[1:]:
        assert info == seen[0][1]
        for name, values in observation.items():
            np.testing.assert_array_equal(values, seen[0][0][name])
