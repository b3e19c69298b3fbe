"""DoG and hypergradient against values computed by hand, and the env that they ask for."""

import math

import gymnasium
import numpy as np
import pytest

import atn_gym
from atn_gym.agents import ControllerPolicy, DoG, Hypergradient, RunSetting, controller_method
from atn_gym.config import EnvConfig
from atn_gym.envs.gradient_signals import GradientSignals
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import InvalidArgument

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {"num_epochs": 4, "train_size": 256}
SETTING = RunSetting(HyperparameterSpace(["learning_rate", "momentum"]), num_epochs=9)


def signals(norm=0.0, alignment=0.0, distance=0.0, steps=4):
    return GradientSignals(norm, alignment, distance, 0.01, 5.0, steps)


def rates(controller, epochs, momentum=0.0, rate=0.1):
    """The learning rate of each epoch, the first one included."""
    found = []
    for epoch, seen in enumerate([signals(steps=0), *epochs]):
        controller.observe_signals(seen)
        if epoch:
            controller.observe(1.0, epoch)
        rate = controller.propose({"learning_rate": rate, "momentum": momentum})["learning_rate"]
        found.append(rate)
    return found


def test_dog_by_hand():
    epochs = [signals(2.0, distance=0.1), signals(1.0, distance=0.4), signals(3.0, distance=0.2)]
    expected = [0.1, 0.5 / 4, 2.0 / math.sqrt(20), 2.0 / math.sqrt(56)]
    assert rates(DoG(SETTING, factor=1.0), epochs) == pytest.approx(expected)
    slow = [0.1, *(0.5 * 0.2 * rate for rate in expected[1:])]
    assert rates(DoG(SETTING, factor=0.5), epochs, momentum=0.8) == pytest.approx(slow)


def test_dog_leaves_out_an_epoch_that_diverged_and_one_without_gradients():
    epochs = [signals(), signals(2.0, distance=0.1), signals(1e4, -1.0, 1e4), signals(0.0)]
    assert rates(DoG(SETTING, factor=1.0), epochs) == pytest.approx([0.1, 0.1, *[0.125] * 3])


def test_hypergradient_by_hand():
    epochs = [signals(alignment=a) for a in (0.5, -0.25, 0.0, -1.0)]
    expected = 0.1 * np.exp([0, 0.5, 0.25, 0.25, -0.75])
    assert rates(Hypergradient(SETTING, beta=1.0, start=0.0), epochs) == pytest.approx(expected)
    assert rates(Hypergradient(SETTING, beta=9.0, start=0.0), epochs)[1] == 1.0
    low = rates(Hypergradient(SETTING, beta=1.0, start=0.5), epochs)
    assert low == pytest.approx(expected / 10**0.5)


@pytest.mark.parametrize("name", ["dog", "hypergradient"])
def test_the_env_is_made_with_the_signals(name):
    (run,) = atn_gym.evaluate(name, ENV, seeds=[10_000], twins=False, **SMALL).runs
    rows = run.trace
    found = [row["learning_rate"] for row in rows]
    space = HyperparameterSpace(["learning_rate"])
    env = gymnasium.make(ENV, signals="gradient", **SMALL).unwrapped
    env.reset(seed=10_000)
    norm = 10 ** env.episodes.observation([0])["weight_norm"][0, -1]
    expected, squares, furthest = [found[0]], 0.0, 0.0
    for row in rows[:-1]:
        squares += env.episodes.steps_per_epoch * row["gradient_norm"] ** 2
        furthest = max(furthest, row["distance"] * norm)
        rate = row["learning_rate"] * math.exp(1.5 * row["alignment"])
        if name == "dog":
            rate = 0.66 * (1 - row["momentum"]) * furthest / math.sqrt(squares)
        moved = space.deltas(np.array([row["learning_rate"]]), np.array([min(rate, 1.0)]))
        expected += space.apply(np.array([row["learning_rate"]]), moved).tolist()
    assert found == pytest.approx(expected, rel=1e-4)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", ["dog", "hypergradient"])
def test_an_env_without_the_signals_is_refused(name):
    env = gymnasium.make(ENV, **SMALL)
    observation, _ = env.reset(seed=10_000)
    policy = controller_method(name).policy(env, [10_000])
    with pytest.raises(InvalidArgument, match="make the env with signals='gradient'"):
        policy.predict(observation)
    with pytest.raises(InvalidArgument, match="signals must be 'gradient'"):
        atn_gym.evaluate(name, ENV, seeds=[10_000], signals="loss", **SMALL)
    with pytest.raises(InvalidArgument, match="noisy quadratic"):
        EnvConfig(id="atn_gym/NoisyQuadratic-Stationary-v0").made_for(controller_method(name))


def test_methods_around_hand_the_need_on():
    guarded = controller_method("guarded", method="dog")
    assert guarded.env_arguments() == {"signals": "gradient"}
    assert controller_method("fixed").env_arguments() == {}


def test_each_run_of_a_batch_sees_its_own_signals():
    env = gymnasium.make_vec(ENV, num_envs=2, signals="gradient", **SMALL)
    observation, _ = env.reset(seed=[10_000, 10_001])
    together = ControllerPolicy.for_env(DoG, env, [10_000, 10_001])
    _, state = together.predict(observation)
    observation, *_ = env.step(np.zeros((2, 3), np.float32))
    actions, _ = together.predict(observation, state)
    for run in range(2):
        single = ControllerPolicy.for_env(DoG, env, [10_000 + run])
        env.reset(seed=[10_000, 10_001])
        first = {k: v[run] for k, v in env.unwrapped.episodes.observation([0, 1]).items()}
        _, alone = single.predict(first)
        env.step(np.zeros((2, 3), np.float32))
        row = {k: v[run] for k, v in observation.items()}
        np.testing.assert_array_equal(single.predict(row, alone)[0], actions[run])
