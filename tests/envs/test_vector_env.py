"""The vector env: the episodes of single envs, in every autoreset mode."""

from __future__ import annotations

import copy
import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import small_envs
import torch
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from atn_gym.envs.engines.compiled_engine import CompiledEngine
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.envs.vector_env import TuningVectorEnv

PAIR = "atn_gym/DigitsCnnPoorInit-Mixture-v0"
SMALL = {**small_envs.SMALL, "window": 2}
ACTIONS = np.random.default_rng(0).uniform(-0.4, 0.4, (20, 3, 3)).astype(np.float32)
MODES = list(AutoresetMode)


def make(mode: AutoresetMode | str = "Disabled", num_envs: int = 3, **kwargs: Any) -> Any:
    """A vector env; typed Any for its attributes beyond the base class."""
    kwargs = {**SMALL, **kwargs}
    return gymnasium.make_vec(PAIR, num_envs=num_envs, autoreset_mode=mode, **kwargs)


def make_sync(mode: AutoresetMode) -> SyncVectorEnv:
    """Gymnasium's loop over three single envs."""
    return SyncVectorEnv([lambda: gymnasium.make(PAIR, **SMALL)] * 3, autoreset_mode=mode)


def destroy(model: torch.nn.Module) -> None:
    """Makes the next epoch diverge, so that an episode is shorter than the others."""
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)


def engine(env: Any) -> Any:
    return env.unwrapped.episodes._trainer._engine


def equal(first: Any, second: Any) -> bool:
    return data_equivalence(first, second, exact=True)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The runs that each call of the engine has trained."""
    calls: list[list[int]] = []
    original = CompiledEngine.train

    def train(engine: CompiledEngine, runs: Any, plans: Any) -> Any:
        calls.append(list(runs))
        return original(engine, runs, plans)

    monkeypatch.setattr(CompiledEngine, "train", train)
    return calls


@pytest.mark.parametrize("mode", MODES)
def test_episodes_equal_those_of_gymnasiums_vector_env(mode: AutoresetMode) -> None:
    env, sync = make(mode), make_sync(mode)
    assert equal(env.reset(seed=[4, 8, 6]), sync.reset(seed=[4, 8, 6]))
    for step, actions in enumerate(ACTIONS[:10]):
        if step in (1, 6):
            destroy(engine(env).model(1))
            destroy(engine(sync.envs[1]).model(0))
        returned = env.step(actions)
        assert equal(returned, sync.step(actions))
        ended = returned[2]
        if mode is AutoresetMode.DISABLED and ended.any():
            again = env.reset(options={"reset_mask": ended})
            assert equal(again, sync.reset(options={"reset_mask": ended}))


def test_the_autoreset_modes_give_the_same_episodes() -> None:
    actions = np.full((3, 3), -0.1, np.float32)
    per_mode = []
    for mode in MODES:
        env = make(mode)
        env.reset(seed=5)
        rewards: list[list[float]] = [[], [], []]
        for _ in range(12):
            live = [env.unwrapped.episodes.running(i) for i in range(3)]
            _, reward, ended, _, _ = env.step(actions)
            for i in np.flatnonzero(live):
                rewards[i].append(reward[i])
            if mode is AutoresetMode.DISABLED and ended.any():
                env.reset(options={"reset_mask": ended})
        per_mode.append(np.array([r[:9] for r in rewards]))
    assert per_mode[0].shape == (3, 9)
    np.testing.assert_array_equal(per_mode[0], per_mode[1])
    np.testing.assert_array_equal(per_mode[0], per_mode[2])


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(4, [4, 5, 6]), ([9, 2, 7], [9, 2, 7]), ((9, 2, 7), [9, 2, 7]), (np.int64(4), [4, 5, 6])],
)
def test_seed_of_each_slot(seed: Any, expected: list[int]) -> None:
    _, infos = make().reset(seed=seed)
    assert infos["privileged"]["seed"].tolist() == expected
    single = gymnasium.make(PAIR, **SMALL)
    for i, s in enumerate(expected):
        _, info = single.reset(seed=s)
        assert infos["privileged"]["kind"][i] == info["privileged"]["kind"]


def test_none_in_a_list_of_seeds_goes_on_with_the_slot() -> None:
    env = make()
    env.reset(seed=[1, 2, 3])
    _, infos = env.reset(seed=[1, None, 3])
    single = gymnasium.make(PAIR, **SMALL)
    single.reset(seed=2)
    _, info = single.reset()
    seeds = infos["privileged"]["seed"].tolist()
    assert seeds == [1, info["privileged"]["seed"], 3]


def test_reset_mask_resets_the_masked_slots_alone() -> None:
    env, other = make(), make()
    env.reset(seed=0)
    other.reset(seed=0)
    before, *_ = env.step(ACTIONS[0])
    other.step(ACTIONS[0])
    mask = np.array([False, True, False])
    observation, infos = env.reset(seed=40, options={"reset_mask": mask})
    assert infos["_epoch"].tolist() == mask.tolist()
    assert infos["privileged"]["seed"][1] == 41
    for name, values in observation.items():
        np.testing.assert_array_equal(values[~mask], before[name][~mask])
    assert observation["progress"][1] == 0
    stepped, expected = env.step(ACTIONS[1]), other.step(ACTIONS[1])
    for name in ("observed_val_loss", "hyperparameters", "progress"):
        np.testing.assert_array_equal(stepped[0][name][~mask], expected[0][name][~mask])


def test_initial_hyperparameters_of_each_slot() -> None:
    env = make(gain=0)
    rates = np.array([0.3, 0.02, 0.001])
    initial = {"learning_rate": rates, "momentum": 0.5}
    observation, infos = env.reset(seed=0, options={"hyperparameters": initial})
    assert infos["hyperparameter_values"]["learning_rate"].tolist() == rates.tolist()
    assert infos["hyperparameter_values"]["momentum"].tolist() == [0.5] * 3
    np.testing.assert_allclose(observation["hyperparameters"][:, 0], np.log10(rates), rtol=1e-6)
    env.step(np.zeros((3, 3), np.float32))
    groups = [engine(env).optimizer(i).param_groups[0] for i in range(3)]
    assert [group["lr"] for group in groups] == pytest.approx(rates)


def test_ended_runs_idle_at_no_cost_until_they_are_reset(trained: list[list[int]]) -> None:
    env = make()
    env.reset(seed=0)
    destroy(engine(env).model(1))
    last = env.step(ACTIONS[0])
    assert last[2].tolist() == [False, True, False]
    for actions in ACTIONS[1:3]:
        observation, rewards, ended, _, infos = env.step(actions)
        assert rewards[1] == 0
        assert ended[1]
        assert infos["epoch"][1] == 1
        for name, values in observation.items():
            np.testing.assert_array_equal(values[1], last[0][name][1])
    assert ended.all()
    assert trained == [[0, 1, 2], [0, 2], [0, 2]]
    idle = env.step(ACTIONS[3])
    assert idle[1].tolist() == [0, 0, 0]
    assert idle[2].all()
    assert len(trained) == 3
    env.reset(options={"reset_mask": np.array([True, False, False])})
    assert env.step(ACTIONS[4])[2].tolist() == [False, True, True]
    assert trained[3:] == [[0]]


def test_next_step_mode_spends_the_step_after_the_end_on_the_reset(
    trained: list[list[int]],
) -> None:
    env = make(AutoresetMode.NEXT_STEP)
    env.reset(seed=0)
    destroy(engine(env).model(2))
    ended = [env.step(ACTIONS[i])[2].tolist() for i in range(4)]
    assert ended == [[False, False, True], [False] * 3, [True, True, False], [False] * 3]
    assert trained == [[0, 1, 2], [0, 1], [0, 1, 2], [2]]


@pytest.mark.parametrize("mode", MODES)
def test_every_return_is_made_of_fresh_arrays(mode: AutoresetMode) -> None:
    env, untouched = make(mode), make(mode)
    held = [env.reset(seed=0)]
    assert equal(held[0], untouched.reset(seed=0))
    copies = [copy.deepcopy(held[0])]
    for actions in ACTIONS[:5]:
        held.append(env.step(actions))
        copies.append(copy.deepcopy(held[-1]))
    assert equal(held, copies)
    for returned in held:
        for values in returned[0].values():
            values.fill(np.nan)
    for actions in ACTIONS[:5]:
        untouched.step(actions)
    assert equal(env.step(ACTIONS[5]), untouched.step(ACTIONS[5]))


@pytest.mark.parametrize("mode", MODES)
def test_autoreset_mode_is_an_enum_or_its_value(mode: AutoresetMode) -> None:
    for given in (mode, mode.value):
        env = gymnasium.make_vec(PAIR, num_envs=1, autoreset_mode=given, **SMALL)
        assert isinstance(env, TuningVectorEnv)
        assert env.metadata["autoreset_mode"] is mode
    default = gymnasium.make_vec(PAIR, num_envs=1, **SMALL)
    assert default.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_metadata_of_one_env_is_not_that_of_the_class() -> None:
    """Vector envs of Gymnasium 1.1 write into it."""
    env = gymnasium.make(PAIR, **SMALL).unwrapped
    env.metadata["autoreset_mode"] = AutoresetMode.DISABLED
    assert "autoreset_mode" not in TuningEnv.metadata


def test_metadata_is_apart_from_that_of_the_single_env() -> None:
    env, other = make("SameStep"), make("Disabled")
    assert "autoreset_mode" not in TuningEnv.metadata
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert other.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert "human" in TuningEnv.metadata["render_modes"]
    assert "human" not in env.metadata["render_modes"]


def test_spaces_are_batches_of_those_of_the_single_env() -> None:
    env, single = make(), gymnasium.make(PAIR, **SMALL)
    assert env.single_observation_space == single.observation_space
    assert env.single_action_space == single.action_space
    assert env.action_space.shape == (3, 3)
    assert env.reset(seed=0)[0] in env.observation_space
    assert env.step(env.action_space.sample())[0] in env.observation_space


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_gymnasiums_episode_statistics_wrapper_sums_rewards(mode: AutoresetMode) -> None:
    env = RecordEpisodeStatistics(make(mode))
    env.reset(seed=0)
    total = np.zeros(3)
    for actions in ACTIONS[:3]:
        _, rewards, ended, _, infos = env.step(actions)
        total += rewards
    assert ended.all()
    np.testing.assert_allclose(infos["episode"]["r"], total)
    assert infos["episode"]["l"].tolist() == [3, 3, 3]
    assert len(env.return_queue) == 3


def test_states_move_between_slots_and_from_a_single_env() -> None:
    env: Any = make()
    single: Any = gymnasium.make(PAIR, **SMALL).unwrapped
    single.reset(seed=9)
    single.step(ACTIONS[0, 0])
    env.reset(seed=0)
    env.step(ACTIONS[0])
    first, second, _ = env.get_state()
    env.set_state([second, single.get_state(), first])
    same = np.tile(ACTIONS[1, 0], (3, 1))
    moved = env.step(same)
    env.set_state([first, second, single.get_state()])
    back = env.step(same)
    order = [1, 2, 0]
    for name, values in moved[0].items():
        np.testing.assert_array_equal(values, back[0][name][order])
    np.testing.assert_array_equal(moved[1], back[1][order])
    expected = single.step(same[0])
    assert moved[1][1] == expected[1]
    assert moved[4]["val_accuracy"][1] == expected[4]["val_accuracy"]
    assert env.reset()[1]["privileged"]["seed"][2] == single.reset()[1]["privileged"]["seed"]
