"""Gradient signals: by hand, on every engine, in observations, in states; off by default."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_twins import EngineTwins, Twins
from small_envs import follow, make_env, make_vector_env, run_episode
from torch import nn

from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.envs.engines import EpochPlan
from atn_gym.envs.gradient_signals import GRADIENT_SIGNALS, epoch_signals
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.run_config import run_configs

TOLERANCE = {"rtol": 2e-3, "atol": 1e-4}
ACTIONS = np.random.default_rng(0).uniform(-0.3, 0.2, (3, 3)).astype(np.float32)
SETTINGS = {
    "sgd": {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-2},
    "adamw": {"learning_rate": 0.002, "momentum": 0.8, "weight_decay": 0.1},
}


def flat(model: nn.Module, gradient: bool = False) -> np.ndarray:
    values = [p.grad if gradient else p.detach() for p in model.parameters()]
    return torch.cat([v.flatten() for v in values if v is not None]).double().numpy()


def by_hand(
    model: nn.Module, optimizer: torch.optim.Optimizer, plans: list[EpochPlan]
) -> Iterator[list[float]]:
    """The signals of each epoch, of a plain loop."""
    norm, initial = np.linalg.norm, flat(model)
    for plan in plans:
        points, gradients = [flat(model)], []
        for step, samples in enumerate(plan.order):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(plan.inputs[samples]), plan.labels[samples])
            if plan.loss_scale is not None:
                loss = loss * plan.loss_scale[step]
            loss.backward()
            gradients.append(flat(model, gradient=True))
            optimizer.step()
            points.append(flat(model))
        updates = np.diff(points, axis=0)
        cosines = [
            -g @ u / norm(g) / norm(u) for g, u in zip(gradients[1:], updates[:-1], strict=True)
        ]
        yield [
            np.mean(np.square(gradients).sum(1)) ** 0.5,
            np.mean(cosines),
            norm(points[-1] - initial) / norm(initial),
            np.mean([norm(u) / norm(w) for u, w in zip(updates, points[:-1], strict=True)]),
            norm(points[-1]),
        ]


def two_epochs(twins: EngineTwins[Any], engine: Any, **fields: Any) -> np.ndarray:
    plans = [twins.plan(6, 16, seed, **fields) for seed in range(2)]
    return np.concatenate([engine.train([0], [plan]).signals for plan in plans])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_signals_are_those_of_a_plain_loop(name: str) -> None:
    twins = Twins(optimizer=name, measures=True)
    twins.set(SETTINGS[name])
    model = Twins(optimizer=name).torch.model(0)
    rate, momentum, decay = SETTINGS[name].values()
    scale = torch.tensor([0.5, 2.0, 1.0, 0.3, 1.0, 1.5])
    optimizer: torch.optim.Optimizer
    if name == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), rate, momentum, weight_decay=decay)
    else:
        optimizer = torch.optim.AdamW(
            model.parameters(), rate, (momentum, 0.999), weight_decay=decay
        )
    plans = [twins.plan(6, 16, seed, loss_scale=scale) for seed in range(2)]
    expected = np.array(list(by_hand(model, optimizer, plans)))
    for engine in twins.both:
        found = two_epochs(twins, engine, loss_scale=scale)
        np.testing.assert_allclose(found, expected, **TOLERANCE)
    assert np.abs(expected[:, 1]).max() > 0.01


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_noise_on_the_gradient_is_part_of_it(name: str) -> None:
    twins = Twins(optimizer=name, measures=True)
    twins.set(SETTINGS[name])
    mine, reference = (two_epochs(twins, e, gradient_noise=0.7) for e in twins.both)
    np.testing.assert_allclose(mine, reference, **TOLERANCE)
    quiet = Twins(optimizer=name, measures=True)
    quiet.set(SETTINGS[name])
    assert mine[0, 0] > 1.1 * two_epochs(quiet, quiet.mine)[0, 0]


def test_one_step_an_epoch_has_no_alignment() -> None:
    twins = Twins(measures=True)
    for engine in twins.both:
        (found,) = engine.train([0], [twins.plan(1, 16)]).signals
        assert found[1] == 0
        assert (found[[0, 2, 3, 4]] > 0).all()


def test_frozen_weights_stay_where_they_are() -> None:
    twins = Twins(measures=True)
    for engine in twins.both:
        for name, parameter in engine.model(0).named_parameters():
            parameter.requires_grad_(name == "linear2.bias")
    mine, reference = (two_epochs(twins, e) for e in twins.both)
    np.testing.assert_allclose(mine, reference, **TOLERANCE)
    assert 0 < mine[-1, 2] < 0.1


def test_what_overflows_is_no_nan() -> None:
    looks = np.array([[np.inf, 0, 0, 1], [np.nan, -np.inf, np.inf, np.inf], [0, 0, np.nan, np.nan]])
    assert not np.isnan(epoch_signals(looks, np.array([np.nan, 1, np.inf]))).any()
    assert (epoch_signals(np.zeros((3, 4)), np.zeros(3)) == 0).all()


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_to_measure_changes_nothing_else(engine: str) -> None:
    plain, measured = (
        run_episode(make_env(engine=engine, signals=s), 3, ACTIONS) for s in ("loss", "gradient")
    )
    for one, other in zip(plain, measured, strict=True):
        assert set(other[0]) - set(one[0]) == set(GRADIENT_SIGNALS)
        assert all((other[0][name] == values).all() for name, values in one[0].items())
        assert one[-1] == other[-1]


@pytest.mark.parametrize(
    "pair", ["DigitsCnn-LossPerturbation", "DigitsCnn-OptimizerSensitivityShift"]
)
def test_envs_observe_the_same_on_both_engines(pair: str) -> None:
    compiled, reference = (
        run_episode(make_env(pair, engine=e, signals="gradient", train_size=512), 0, ACTIONS)
        for e in ("compiled", "torch")
    )
    for one, other in zip(compiled, reference, strict=True):
        for name in GRADIENT_SIGNALS:
            np.testing.assert_allclose(one[0][name], other[0][name], **TOLERANCE)


def test_windows_begin_with_the_initial_weights() -> None:
    env = make_env(signals="gradient", window=2)
    observation = env.reset(seed=0)[0]
    initial = flat(env.episodes._trainer._engine.model(0))
    norm = np.log10(np.linalg.norm(initial))
    for name, value in zip(GRADIENT_SIGNALS, (-8, 0, -8, -8, norm), strict=True):
        np.testing.assert_allclose(observation[name], [value, value], rtol=1e-5)
    observation = env.step(np.zeros(3, np.float32))[0]
    moved = flat(env.episodes._trainer._engine.model(0)) - initial
    expected = [-8, np.log10(np.linalg.norm(moved)) - norm]
    np.testing.assert_allclose(observation["distance"], expected, rtol=1e-4)
    assert observation in env.observation_space


def test_the_vector_env_observes_what_single_envs_do() -> None:
    vector = make_vector_env(signals="gradient")
    vector.reset(seed=[4, 5])
    rows = [vector.step(np.tile(action, (2, 1)))[0] for action in ACTIONS[:2]]
    for run in range(2):
        single = make_env("DigitsCnn-DataShift", signals="gradient")
        single.reset(seed=4 + run)
        for found, expected in zip(rows, follow(single, ACTIONS[:2]), strict=True):
            for name in GRADIENT_SIGNALS:
                assert (found[name][run] == expected[0][name]).all()


@pytest.mark.parametrize("engine", ["compiled", "torch"])
@pytest.mark.parametrize("rollback", [False, True])
def test_states_remember_where_the_run_began(engine: str, rollback: bool) -> None:
    kwargs = {"signals": "gradient", "engine": engine, "checkpoint_rollback": rollback}
    first, second = make_env(**kwargs), make_env(**kwargs)
    first.reset(seed=7)
    second.reset(seed=8)
    action = np.full(first.action_space.shape or (), 0.1, np.float32)
    first.step(action)
    second.set_state(pickle.loads(pickle.dumps(first.get_state())))
    for _ in range(2):
        expected, found = first.step(action)[0], second.step(action)[0]
        assert all((found[name] == values).all() for name, values in expected.items())


def test_a_run_that_diverges_is_observed_at_the_bounds() -> None:
    env = make_env(signals="gradient", checkpoint_rollback=True, gain=4.0, train_size=1024)
    env.reset(seed=0, options={"hyperparameters": {"learning_rate": 1.0, "weight_decay": 0.1}})
    observation, *_, info = env.step(np.zeros(4, np.float32))
    assert info["diverged"]
    assert [observation[name][-1] for name in GRADIENT_SIGNALS] == [4, -1, 4, 4, 4]


@pytest.mark.parametrize(
    ("pair", "kwargs", "message"),
    [
        ("NoisyQuadratic-Stationary", {"signals": "gradient"}, "for the noisy quadratic"),
        ("DigitsCnn-Stationary", {"signals": "gradients"}, "did you mean 'gradient'"),
    ],
)
def test_what_cannot_be_measured_is_refused(pair: str, kwargs: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        gymnasium.make(f"atn_gym/{pair}-v0", **kwargs)


def test_the_torch_engine_measures_where_the_batched_one_would_train() -> None:
    params = EnvConfig(id="atn_gym/DigitsMlp-DataShift-v0", signals="gradient").params()
    assert params.resolved().engine == "torch"
    env = make_env("DigitsMlp-Stationary", signals="gradient")
    env.reset(seed=0)
    assert env.step(np.zeros(3, np.float32))[0]["gradient_norm"][-1] > -3
    with pytest.raises(InvalidArgument, match="measures no gradient signals"):
        make_env("DigitsMlp-Stationary", signals="gradient", engine="batched")


def test_runs_without_signals_keep_their_keys_and_controllers_their_draws() -> None:
    fixed, name = ControllerConfig(name="fixed"), "atn_gym/DigitsCnn-DataShift-v0"
    plain, measured = EnvConfig(id=name), EnvConfig(id=name, signals="gradient")
    assert "signals" not in run_configs(plain, fixed, [0], True)[0]["env"]
    assert run_configs(measured, fixed, [0], True)[0]["env"]["signals"] == "gradient"
    assert plain.params().controller_seed(3) == measured.params().controller_seed(3)
