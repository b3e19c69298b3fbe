"""The noisy quadratic: its samples, its engine and its envs."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import data_equivalence
from trainers import rows

from atn_gym.envs import registry
from atn_gym.envs.data import load_dataset
from atn_gym.envs.engines import (
    EpochPlan,
    EvaluationPlan,
    MomentEngine,
    choose_engine,
    moment_engine,
)
from atn_gym.envs.engines.epoch_of_moments import descend_by_numpy
from atn_gym.envs.quadratic import NUM_CLASSES, Prototypes, load_prototypes, power_law
from atn_gym.envs.tasks import NOISY_QUADRATIC
from atn_gym.errors import InvalidArgument

KINDS = [
    ("Stationary", "none"),
    *((n, k) for n in registry.regime_names()[1:-1] for k in registry.get_regime(n).kinds),
    ("Mixture", None),
]
ACTIONS = np.random.default_rng(0).uniform(-0.3, 0.3, (6, 3)).astype(np.float32)
DATA = load_dataset(load_prototypes)
VALUES = {"learning_rate": 0.05, "momentum": 0.8, "weight_decay": 1e-3}


def make_model(seed: int) -> Prototypes:
    generator = torch.Generator().manual_seed(seed)
    return Prototypes(DATA.input_shape, NUM_CLASSES, generator=generator)


def plan(**fields: Any) -> EpochPlan:
    order = torch.arange(320).view(5, 64)
    split = DATA.train
    values = {"loss_scale": None, "gradient_noise": 0.0, "module_seed": 0, **fields}
    return EpochPlan(split.inputs, split.labels, order, gradient_noise_seed=0, **values)


def trained(runs: int, sampled: bool = False, **fields: Any) -> tuple[Any, MomentEngine]:
    """Runs that begin alike, trained by an epoch of five steps."""
    engine = MomentEngine(runs, make_model, sampled)
    for run in range(runs):
        engine.reset([run], [3], rows([VALUES]))
    return engine.train(
        range(runs), [plan(**{"module_seed": r, **fields}) for r in range(runs)]
    ), engine


def make(regime: str, kind: str | None, num_envs: int | None = None, **kwargs: Any) -> Any:
    name = f"atn_gym/NoisyQuadratic-{regime}-v0"
    kwargs = {"num_epochs": len(ACTIONS), "kind": kind, **kwargs}
    if num_envs is None:
        return gymnasium.make(name, **kwargs)
    return gymnasium.make_vec(name, num_envs=num_envs, autoreset_mode="Disabled", **kwargs)


def follow(env: Any, actions: np.ndarray = ACTIONS) -> list[Any]:
    return [env.step(action) for action in actions]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_samples_have_the_mean_of_their_class_and_noise_that_falls_with_curvature(
    split: str,
) -> None:
    for c, h in enumerate(power_law(NUM_CLASSES)):
        inputs, clean = (
            DATA.split(name).inputs[DATA.split(name).labels == c].flatten(1).double()
            for name in (split, "train")
        )
        np.testing.assert_allclose(inputs.mean(0), clean.mean(0), atol=1e-6)
        np.testing.assert_allclose(inputs.var(0, correction=0) * h, 1.0, rtol=1e-5)


def test_the_loss_is_that_of_the_samples_beyond_the_least() -> None:
    _, engine = trained(1)
    model, split = engine.model(0), DATA.validation
    every = torch.arange(len(split))
    with torch.no_grad():
        paid = model(split.inputs)[every, split.labels].mean().item()
        best = Prototypes(DATA.input_shape, NUM_CLASSES)
        for c in range(NUM_CLASSES):
            best.prototypes[c] = split.inputs[split.labels == c].flatten(1).double().mean(0)
        least = best(split.inputs)[every, split.labels].mean().item()
    moments = engine.get_state(0)["moments"]
    engine.set_state(0, {"moments": np.stack([moments[0], *np.zeros_like(moments[1:])])})
    loss, accuracy = engine.evaluate([0], [EvaluationPlan(split.inputs, split.labels)])
    assert loss[0] == pytest.approx(paid - least)
    assert accuracy[0] == pytest.approx(np.exp(-loss[0]))


def test_initial_prototypes_are_at_chance_on_average() -> None:
    engine = MomentEngine(200, make_model, sampled=False)
    for run in range(200):
        engine.reset([run], [run], rows([VALUES]))
    plans = [EvaluationPlan(DATA.train.inputs, DATA.train.labels)] * 200
    loss, _ = engine.evaluate(range(200), plans)
    assert loss.mean() == pytest.approx(np.log(NUM_CLASSES), rel=0.05)


@pytest.mark.parametrize(
    "fields", [{}, {"gradient_noise": 0.7}, {"loss_scale": torch.tensor([2.0, 0.5, 1, 0, 3])}]
)
def test_drawn_runs_have_the_moments(fields: dict[str, Any]) -> None:
    (_, exact), (_, drawn) = trained(1, **fields), trained(2000, sampled=True, **fields)
    states = np.stack([drawn.get_state(run)["moments"] for run in range(2000)])
    assert not states[:, 2:].any()
    theta, velocity = states[:, 0], states[:, 1]
    mean, pace, variance, covariance, pace_variance = exact.get_state(0)["moments"]
    for samples, expected in (
        (theta, mean),
        (velocity, pace),
        ((theta - mean) ** 2, variance),
        ((theta - mean) * (velocity - pace), covariance),
        ((velocity - pace) ** 2, pace_variance),
    ):
        error = samples.std(0) / np.sqrt(len(samples))
        assert (abs(samples.mean(0) - expected) <= 5 * error).all()


def test_noise_of_the_size_of_the_gradient_adds_its_variance() -> None:
    """One step from the start, where the mean square of the gradient is known."""
    one = {"order": torch.arange(64)[None]}
    moments = []
    for strength in (0.0, 0.5):
        engine = MomentEngine(1, make_model, sampled=False)
        engine.reset([0], [3], rows([VALUES]))
        fields = {"loss_scale": None, "gradient_noise_seed": 0, "module_seed": 0, **one}
        split = DATA.train
        engine.train(
            [0], [EpochPlan(split.inputs, split.labels, gradient_noise=strength, **fields)]
        )
        moments.append(engine.get_state(0)["moments"])
    start = make_model(3).prototypes.detach().numpy()
    h, counts = power_law(NUM_CLASSES).numpy()[:, None], np.bincount(split.labels)[:, None]
    share = counts / len(split)
    k = NUM_CLASSES * share * h
    target = np.stack([split.inputs[split.labels == c].flatten(1).mean(0) for c in range(10)])
    square = np.mean(k**2 * ((start - target) ** 2 + 1.0 / h / (64 * share)))
    added = moments[1][4] - moments[0][4]
    np.testing.assert_allclose(added, 0.25 * square, rtol=1e-4)
    np.testing.assert_array_equal(moments[1][:2], moments[0][:2])


@pytest.mark.parametrize(("regime", "kind"), KINDS)
@pytest.mark.parametrize("engine", ["moments", "sampled"])
def test_slots_of_the_vector_env_are_single_envs(
    regime: str, kind: str | None, engine: str
) -> None:
    vector = make(regime, kind, num_envs=3, engine=engine)
    vector.reset(seed=[5, 9, 2])
    together = follow(vector, np.tile(ACTIONS[:, None], (1, 3, 1)))
    for slot, seed in enumerate([5, 9, 2]):
        env = make(regime, kind, engine=engine)
        env.reset(seed=seed)
        for (observation, reward, *_), batch in zip(follow(env), together, strict=True):
            assert reward == batch[1][slot]
            for name, values in observation.items():
                np.testing.assert_array_equal(values, batch[0][name][slot])


def test_compiled_steps_give_the_bits_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for compiles in (True, False):
        monkeypatch.setattr(moment_engine, "can_compile", lambda compiles=compiles: compiles)
        env = make("DataShift", "relabelling", num_envs=5, num_epochs=6)
        env.reset(seed=3, options={"hyperparameters": {"learning_rate": [1e-3, 0.01, 0.1, 0.3, 1]}})
        assert (env.episodes._trainer._engine._descend is descend_by_numpy) != compiles
        found.append(follow(env, np.tile(ACTIONS[:, None], (1, 5, 1))))
    assert found[0][-1][-1]["diverged"].any()
    assert data_equivalence(*found, exact=True)


@pytest.mark.parametrize(("regime", "kind"), KINDS)
@pytest.mark.parametrize("engine", ["moments", "sampled"])
def test_a_snapshot_is_gone_on_with_bit_exactly(regime: str, kind: str | None, engine: str) -> None:
    env, other = (make(regime, kind, engine=engine, checkpoint_rollback=True) for _ in range(2))
    actions = np.pad(ACTIONS, ((0, 0), (0, 1)))
    actions[4, 3] = 1
    env.reset(seed=4)
    follow(env, actions[:3])
    state = env.unwrapped.get_state()
    rest = follow(env, actions[3:])
    other.reset(seed=8)
    other.unwrapped.set_state(state)
    assert data_equivalence(follow(other, actions[3:]), rest, exact=True)
    assert env.unwrapped.test_metrics() == other.unwrapped.test_metrics()


@pytest.mark.parametrize(("regime", "kind"), KINDS[1:-1])
def test_a_shock_strikes_when_it_should(regime: str, kind: str) -> None:
    run, twin = (make(regime, kind, trigger=3, twin=twin) for twin in (False, True))
    for env in (run, twin):
        env.reset(seed=6)
    steps = list(zip(follow(run), follow(twin), strict=True))
    same = [data_equivalence(one[0], other[0], exact=True) for one, other in steps]
    assert same[:4] == [True, True, True, False]


def test_a_far_too_large_learning_rate_diverges() -> None:
    env = make("Stationary", None)
    env.reset(seed=0, options={"hyperparameters": {"learning_rate": 1.0, "momentum": 0.0}})
    info: dict[str, Any] = {"diverged": False}
    epochs = 0
    while not info["diverged"]:
        *_, info = env.step(np.zeros(3, np.float32))
        epochs += 1
    assert epochs < len(ACTIONS)
    assert info["privileged"]["val_loss"] == pytest.approx(5 * np.log(10))


def test_what_does_not_train_it_is_refused() -> None:
    assert choose_engine("auto", NOISY_QUADRATIC, "cpu") == "moments"
    for engine, reason in (("torch", "cross-entropy"), ("compiled", "SmallCnn only")):
        with pytest.raises(InvalidArgument, match=reason):
            make("Stationary", None, engine=engine)
    with pytest.raises(InvalidArgument, match="trains the network Prototypes only"):
        gymnasium.make("atn_gym/DigitsCnn-Stationary-v0", engine="sampled")
    with pytest.raises(InvalidArgument, match="CPU only"):
        choose_engine("auto", NOISY_QUADRATIC, "cuda")
