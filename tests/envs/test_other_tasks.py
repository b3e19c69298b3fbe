"""Tasks with a network of their own keep every promise of an env, under every kind of shift."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from small_envs import assert_says, follow, make_env, run_episode

from atn_gym.envs import registry
from atn_gym.envs.regimes import CurriculumShift, DataShift
from atn_gym.errors import InvalidArgument

TASKS = ("DigitsMlp", "DigitsResidual", "ModularAddition")
KINDS = [
    (task, regime, kind)
    for task in TASKS
    for regime in registry.regime_names()[1:-1]
    for kind in registry.get_regime(regime).kinds_for(registry.get_task(task).inputs)
]
MIXED = [*KINDS, *((task, "Mixture", None) for task in TASKS)]
ACTIONS = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 4)).astype(np.float32)
SEEDS = (5, 9, 2)


def make(task: str, regime: str, kind: str | None, **kwargs: Any) -> Any:
    return make_env(f"{task}-{regime}", kind=kind, num_epochs=len(ACTIONS), **kwargs)


def equal(first: Any, second: Any) -> bool:
    return data_equivalence(first, second, exact=True)


@pytest.mark.parametrize(("task", "regime", "kind"), MIXED)
def test_slots_of_the_vector_env_are_single_envs(task: str, regime: str, kind: str | None) -> None:
    vector: Any = gymnasium.make_vec(
        f"atn_gym/{task}-{regime}-v0",
        num_envs=len(SEEDS),
        autoreset_mode="Disabled",
        kind=kind,
        num_epochs=len(ACTIONS),
        train_size=128,
    )
    vector.reset(seed=list(SEEDS))
    together = [vector.step(np.tile(action[:3], (len(SEEDS), 1))) for action in ACTIONS]
    for slot, seed in enumerate(SEEDS):
        _, *steps = run_episode(make(task, regime, kind), seed, ACTIONS)
        for (observation, reward, *_), batch in zip(steps, together, strict=True):
            assert reward == batch[1][slot]
            for name, values in observation.items():
                np.testing.assert_array_equal(values, batch[0][name][slot])


@pytest.mark.parametrize(("task", "regime", "kind"), MIXED)
def test_a_snapshot_is_gone_on_with_bit_exactly(task: str, regime: str, kind: str | None) -> None:
    env, other = (make(task, regime, kind, checkpoint_rollback=True) for _ in range(2))
    actions = ACTIONS.copy()
    actions[:, 3] = [0, 0, 0, 1]
    env.reset(seed=4)
    follow(env, actions[:2])
    state = env.get_state()
    rest = follow(env, actions[2:])
    other.reset(seed=8)
    other.set_state(state)
    assert equal(follow(other, actions[2:]), rest)
    assert env.test_metrics() == other.test_metrics()


@pytest.mark.parametrize(("task", "regime", "kind"), KINDS)
def test_a_shock_strikes_when_it_should_and_not_before(task: str, regime: str, kind: str) -> None:
    run, twin = (
        run_episode(make(task, regime, kind, trigger=2, twin=twin), 6, ACTIONS)
        for twin in (False, True)
    )
    assert [equal(one[0], other[0]) for one, other in zip(run, twin, strict=True)] == [
        *[True] * 3,
        *[False] * 2,
    ]


@pytest.mark.parametrize("regime", ["DataShift", "CurriculumShift", "Mixture"])
def test_kinds_that_need_images_are_refused_on_tokens(regime: str) -> None:
    for found in (DataShift, CurriculumShift):
        for kind in found.image_kinds if regime in (found.__name__, "Mixture") else ():
            with pytest.raises(InvalidArgument, match=kind) as error:
                make("ModularAddition", regime, kind)
            assert_says(error, found.kinds_for("tokens")[0])
            assert regime == "Mixture" or "are tokens: choose" in str(error.value)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_learns_what_it_is_trained_on(task: str) -> None:
    env = make_env(f"{task}-Stationary", num_epochs=12)
    losses = [
        step[4]["privileged"]["train_loss"]
        for step in run_episode(env, 0, np.zeros((12, 3), np.float32))[1:]
    ]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("task", TASKS)
def test_both_poor_beginnings_are_worse(task: str) -> None:
    """In the first epochs, by what the network learns of the training samples."""

    def loss(name: str, seed: int) -> float:
        env = make_env(f"{name}-Stationary", num_epochs=8, train_size=None)
        steps = run_episode(env, seed, np.zeros((8, 3), np.float32))[1:]
        return float(steps[-1][4]["privileged"]["train_loss"])

    for seed in (0, 1):
        assert loss(f"{task}PoorInit", seed) > loss(task, seed) + 0.05
