"""What a step and a reset of the single env mean."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gymnasium.utils.env_checker import data_equivalence
from small_envs import make_env

import atn_gym
from atn_gym.envs import registry
from atn_gym.envs.data import Dataset, Split, load_digits
from atn_gym.envs.engines.compiled_engine import CompiledEngine
from atn_gym.envs.episodes.observations import ObservationView
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.envs.tasks import DIGITS_CNN
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.errors import EpisodeStateError, InvalidArgument

LN_10 = math.log(10)
IDLE = np.zeros(3, np.float32)
SIGNALS = (
    "observed_train_loss",
    "observed_train_accuracy",
    "observed_val_loss",
    "observed_val_accuracy",
)


make = functools.partial(make_env, num_epochs=4, train_size=256)


def network(env: TuningEnv) -> torch.nn.Module:
    return env.episodes._trainer._engine.model(0)


def effective(env: TuningEnv) -> dict[str, Any]:
    return env.episodes._trainer._engine.optimizer(0).param_groups[0]


def action(*deltas: float) -> np.ndarray:
    return np.array(deltas, np.float32)


def test_first_observation_is_at_chance_level() -> None:
    observation, info = make(window=3).reset(seed=0)
    expected = {
        "observed_train_loss": [LN_10] * 3,
        "observed_train_accuracy": [0.1] * 3,
        "observed_val_loss": [LN_10] * 3,
        "observed_val_accuracy": [0.1] * 3,
        "hyperparameters": [math.log10(0.05), math.log10(0.1), -4],
        "progress": [0],
    }
    assert set(observation) == set(expected)
    for name, values in expected.items():
        assert observation[name].dtype == np.float32
        np.testing.assert_allclose(observation[name], values, rtol=1e-6)
    assert info["epoch"] == 0


def test_action_moves_hyperparameters_before_the_epoch_is_trained() -> None:
    env = make()
    env.reset(seed=0)
    observation, _, _, _, info = env.step(action(0.5, -1, 1))
    expected = {
        "learning_rate": 0.05 * 10**0.5,
        "momentum": 1 - 0.1 * 10**-0.5,
        "weight_decay": 1e-3,
    }
    assert info["hyperparameter_values"] == pytest.approx(expected, rel=1e-9)
    assert effective(env)["lr"] == pytest.approx(expected["learning_rate"])
    assert effective(env)["momentum"] == pytest.approx(expected["momentum"])
    assert effective(env)["weight_decay"] == pytest.approx(expected["weight_decay"])
    logs = [math.log10(0.05) + 0.5, -1.5, -3]
    np.testing.assert_allclose(observation["hyperparameters"], logs, rtol=1e-6)


def test_actions_and_hyperparameters_stop_at_their_bounds() -> None:
    env = make(num_epochs=5)
    env.reset(seed=0)
    *_, info = env.step(action(-7, 0, 0))
    assert info["hyperparameter_values"]["learning_rate"] == pytest.approx(0.005)
    for _ in range(4):
        *_, info = env.step(action(-1, 1, -1))
    lowest = {"learning_rate": 1e-5, "momentum": 0.0, "weight_decay": 1e-6}
    assert info["hyperparameter_values"] == lowest
    env.reset(seed=0, options={"hyperparameters": lowest})
    for _ in range(5):
        *_, info = env.step(action(0, -1, 1))
    assert info["hyperparameter_values"] == {
        "learning_rate": 1e-5,
        "momentum": 0.99,
        "weight_decay": 0.1,
    }


def test_zero_leaves_a_hyperparameter_exactly_as_it_is() -> None:
    env = make()
    initial = {"learning_rate": 0.0123456789, "momentum": 0.1, "weight_decay": 1 / 3000}
    env.reset(seed=0, options={"hyperparameters": initial})
    for _ in range(3):
        *_, info = env.step(IDLE)
        assert info["hyperparameter_values"] == initial
    *_, info = env.step(action(-0.5, -0.0, 0.5))
    assert info["hyperparameter_values"]["momentum"] == initial["momentum"]


def test_only_the_chosen_hyperparameters_are_controlled_in_their_order() -> None:
    env = make(hyperparameters=["weight_decay", "learning_rate"])
    observation, _ = env.reset(seed=0)
    assert env.action_space.shape == (2,)
    np.testing.assert_allclose(observation["hyperparameters"], [-4, math.log10(0.05)], rtol=1e-6)
    *_, info = env.step(action(1, -1))
    expected = {"weight_decay": 1e-3, "learning_rate": 0.005}
    assert info["hyperparameter_values"] == pytest.approx(expected)
    assert effective(env)["momentum"] == 0.9


@pytest.mark.parametrize("seed", [None, 11])
def test_poor_init_draws_both_settings_over_seeds(seed: int | None) -> None:
    env = make("DigitsCnnPoorInit-Stationary")
    env.reset(seed=seed)
    drawn = [env.reset()[1]["hyperparameter_values"] for _ in range(20)]
    low = {"learning_rate": 1e-4, "momentum": 0.0, "weight_decay": 1e-2}
    high = {"learning_rate": 0.1, "momentum": 0.9}
    assert low in drawn
    assert any(high.items() <= values.items() for values in drawn)
    assert {values["learning_rate"] for values in drawn} == {1e-4, 0.1}


def test_poor_beginnings_take_turns_over_seeds() -> None:
    env = make("DigitsCnnPoorInit-Stationary")
    rates = [env.reset(seed=s)[1]["hyperparameter_values"]["learning_rate"] for s in range(4)]
    assert rates == [1e-4, 0.1, 1e-4, 0.1]


@pytest.mark.parametrize(
    ("seed", "cure"),
    [(0, [(1, -1, -1), (1, -1, -1), (0.7, 0, 0)]), (1, [(-0.7, 0, 0)])],
    ids=["too low", "too high"],
)
def test_poor_beginnings_stay_behind_and_can_be_saved(
    seed: int, cure: list[tuple[float, float, float]]
) -> None:
    env = make("DigitsCnnPoorInit-Stationary", num_epochs=30, train_size=None)
    anytime = []
    for moves in ([], cure):
        env.reset(seed=seed)
        rewards = []
        for epoch in range(30):
            chosen = action(*moves[epoch]) if epoch < len(moves) else IDLE
            _, reward, *_, info = env.step(chosen)
            rewards.append(reward)
        anytime.append(float(np.mean(rewards)))
    left_alone, saved = anytime
    assert saved > left_alone + 0.1
    assert info["val_accuracy"] > 0.95


def test_initial_hyperparameters_come_in_place_of_those_of_the_task() -> None:
    env = make("DigitsCnnPoorInit-Stationary", initial={"momentum": 0.5})
    for seed, rate in ((0, 1e-4), (1, 0.1)):
        _, info = env.reset(seed=seed)
        assert info["hyperparameter_values"]["learning_rate"] == rate
        assert info["hyperparameter_values"]["momentum"] == 0.5


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ({"momentun": 0.5}, "unknown hyperparameter 'momentun'; did you mean 'momentum'"),
        ({"learning_rate": 2.0}, "hyperparameter 'learning_rate' must be a number in"),
        (0.02, "initial hyperparameters must be a dict of values by name, got 0.02"),
    ],
)
def test_wrong_initial_hyperparameters_are_named(initial: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        make(initial=initial)


def test_reset_never_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make()
    for name in ("train", "evaluate"):
        monkeypatch.setattr(CompiledEngine, name, lambda *_: pytest.fail("reset must not train"))
    env.reset(seed=5)
    first = copy.deepcopy(network(env).state_dict())
    env.reset(seed=5, options={"hyperparameters": {"learning_rate": 0.2}})
    assert all(torch.equal(first[name], p) for name, p in network(env).state_dict().items())


def test_reset_option_sets_initial_hyperparameters_for_one_episode() -> None:
    env = make()
    initial = {"learning_rate": 0.3, "momentum": 0.5}
    observation, info = env.reset(seed=0, options={"hyperparameters": initial})
    assert info["hyperparameter_values"] == {**initial, "weight_decay": 1e-4}
    logs = [math.log10(0.3), math.log10(0.5), -4]
    np.testing.assert_allclose(observation["hyperparameters"], logs, rtol=1e-6)
    _, info = env.reset(seed=0)
    assert info["hyperparameter_values"]["learning_rate"] == 0.05


def score(loss: float) -> float:
    return min(max(math.log(LN_10 / loss) / math.log(100), -1), 1)


@pytest.mark.parametrize("reward", ["log_loss", "linear", "improvement", "val_accuracy"])
def test_reward_follows_its_formula_of_the_clean_validation_metrics(reward: str) -> None:
    env = make("DigitsCnn-LossPerturbation", reward=reward, trigger=1)
    env.reset(seed=0)
    before = LN_10
    for _ in range(4):
        _, received, _, _, info = env.step(action(0.2, 0, 0))
        loss = info["privileged"]["val_loss"]
        expected = {
            "log_loss": score(loss),
            "linear": max(1 - loss / LN_10, -1),
            "improvement": score(loss) - score(before),
            "val_accuracy": info["val_accuracy"],
        }
        assert isinstance(received, float)
        assert received == pytest.approx(expected[reward], abs=1e-12)
        before = loss


def test_regime_acts_on_the_hyperparameters_that_the_action_has_set() -> None:
    env = make("DigitsCnn-OptimizerSensitivityShift", kind="learning_rate", trigger=2)
    env.reset(seed=0)
    strengths, rates = [], []
    for _ in range(4):
        *_, info = env.step(action(-0.1, 0, 0))
        strengths.append(info["privileged"]["strength"])
        rates.append(effective(env)["lr"] / info["hyperparameter_values"]["learning_rate"])
    assert strengths == [0, 0, 0.5, 0.5]
    assert rates == pytest.approx([1, 1, 10**0.5, 10**0.5])
    assert info["hyperparameter_values"]["learning_rate"] == pytest.approx(0.05 * 10**-0.4)


def test_episode_is_terminated_at_the_budget_and_never_truncated() -> None:
    env = make(num_epochs=3)
    env.reset(seed=0)
    steps = [env.step(IDLE) for _ in range(3)]
    assert [step[2] for step in steps] == [False, False, True]
    assert all(step[3] is False for step in steps)
    assert [step[4]["epoch"] for step in steps] == [1, 2, 3]
    assert [float(step[0]["progress"][0]) for step in steps] == pytest.approx([1 / 3, 2 / 3, 1])
    assert not steps[-1][4]["diverged"]


def test_info_counts_the_cost_of_an_epoch() -> None:
    env = make(train_size=250)
    env.reset(seed=0)
    *_, info = env.step(IDLE)
    assert info["gradient_steps"] == 250 // 64
    # A sample costs 2 operations a multiplication; training also goes backwards twice, but
    # for the gradient with respect to the images.
    layers = [64 * 8 * 9, 16 * 16 * 8 * 9, 64 * 32, 32 * 10]
    forward = 2 * sum(layers)
    assert info["flops"] == 3 * 64 * (3 * forward - 2 * layers[0]) + 323 * forward


def test_observation_is_the_last_window_of_the_observed_metrics_clipped() -> None:
    noise = {"kind": "observed", "severity": 1.0, "trigger": 0}
    env = make("DigitsCnn-LossPerturbation", num_epochs=6, window=3, **noise)
    env.reset(seed=0, options={"hyperparameters": {"learning_rate": 1.0, "momentum": 0.99}})
    history = {name: [LN_10 if "loss" in name else 0.1] * 3 for name in SIGNALS}
    for _ in range(6):
        observation, _, ended, _, _ = env.step(IDLE)
        for name, value in env.episodes.state(0).observed_metrics().items():
            history[name].append(value)
            expected = np.clip(history[name][-3:], 0, 5 * LN_10)
            np.testing.assert_allclose(observation[name], expected, rtol=1e-6)
    assert ended
    assert max(history["observed_train_loss"]) > 5 * LN_10


def test_a_loss_beyond_float32_is_observed_at_the_bound() -> None:
    view = ObservationView(HyperparameterSpace(), num_epochs=3, window=2, num_classes=10)
    values = np.array([[0.1, 0.9, 1e-4]])
    observation = view.observation(np.full((4, 1, 2), 1e300), values, np.array([1]))
    for name in SIGNALS:
        np.testing.assert_array_equal(observation[name][0], view.space[name].high)


@pytest.fixture
def other_test_split(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """DigitsCnn with another test split, registered for one test."""

    def load(data_dir: str | None = None) -> Dataset:
        digits = load_digits()
        test = Split(digits.test.inputs.flip(0)[:50], digits.test.labels[:50])
        return Dataset(digits.train, digits.validation, test, digits.num_classes)

    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))
    atn_gym.register_task("OtherTest", replace(DIGITS_CNN, dataset=load))
    ids = [atn_gym.register_env("OtherTest", name) for name in ("DataShift", "CurriculumShift")]
    yield "OtherTest"
    for name in ids:
        del gymnasium.registry[name]


@pytest.mark.parametrize("regime", ["DataShift", "CurriculumShift"])
def test_test_split_reaches_neither_observation_nor_reward(
    other_test_split: str, regime: str
) -> None:
    env, other = make(f"DigitsCnn-{regime}"), make(f"{other_test_split}-{regime}")
    assert data_equivalence(env.reset(seed=0), other.reset(seed=0), exact=True)
    for _ in range(4):
        assert data_equivalence(env.step(IDLE), other.step(IDLE), exact=True)
    assert env.test_metrics() != other.test_metrics()


def test_perturbed_losses_are_observed_but_not_rewarded() -> None:
    env = make("DigitsCnn-LossPerturbation", kind="observed", trigger=2)
    twin = make("DigitsCnn-LossPerturbation", kind="observed", trigger=2, twin=True)
    env.reset(seed=0)
    twin.reset(seed=0)
    for epoch in range(4):
        observation, reward, _, _, info = env.step(IDLE)
        clean_observation, clean_reward, _, _, clean = twin.step(IDLE)
        assert reward == clean_reward
        for name in ("train_loss", "val_loss"):
            assert info["privileged"][name] == clean["privileged"][name]
            seen = [o[f"observed_{name}"][-1] for o in (observation, clean_observation)]
            assert (seen[0] == seen[1]) == (epoch < 2)
            assert seen[1] == pytest.approx(clean["privileged"][name], rel=1e-6)
        assert info["val_accuracy"] == clean["val_accuracy"]


def test_test_metrics_come_only_at_the_end() -> None:
    env = make(num_epochs=2)
    env.reset(seed=0)
    env.step(IDLE)
    with pytest.raises(EpisodeStateError, match="after the last of 2 epochs, not after 1"):
        env.test_metrics()
    env.step(IDLE)
    test = load_digits().test
    with torch.no_grad():
        logits = network(env).eval()(test.inputs)
    metrics = env.test_metrics()
    assert metrics["test_loss"] == pytest.approx(F.cross_entropy(logits, test.labels).item())
    correct = (logits.argmax(1) == test.labels).double().mean().item()
    assert metrics["test_accuracy"] == pytest.approx(correct)
