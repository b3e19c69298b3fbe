"""Whole runs are the same on the compiled and the batched engine and on torch."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from atn_gym import registration
from atn_gym.envs import registry
from atn_gym.envs.tasks import DIGITS_CNN

TRACE_TOLERANCE = {"rtol": 2e-3, "atol": 2e-4}


KINDS = [
    (name, kind)
    for name in registry.regime_names()
    if name not in ("Stationary", "Mixture")
    for kind in registry.get_regime(name).kinds
]


@pytest.fixture
def adamw_task() -> Iterator[None]:
    registry.register_task("DigitsAdamW", replace(DIGITS_CNN, optimizer="adamw"))
    env_id = registration.register_env("DigitsAdamW", "DataShift")
    yield
    del gymnasium.registry[env_id], registry._TASKS["DigitsAdamW"]


def traces(pair: str, engine: str, num_epochs: int = 4, seeds: int = 2, **kwargs: Any) -> Any:
    """Signals of some runs, (runs, epochs, signals)."""
    env: Any = gymnasium.make_vec(
        f"atn_gym/{pair}-v0", num_envs=seeds, num_epochs=num_epochs, engine=engine, **kwargs
    )
    env.reset(seed=0)
    rows = []
    actions = np.random.default_rng(0).uniform(-0.2, 0.1, (num_epochs, seeds, 3))
    for action in actions.astype(np.float32):
        observation = env.step(action)[0]
        names = ("observed_train_loss", "observed_val_loss", "observed_val_accuracy")
        rows.append([observation[name][:, -1] for name in names])
    tests = [[m["test_loss"], m["test_accuracy"]] for m in env.unwrapped.test_metrics()]
    return np.moveaxis(np.array(rows), 2, 0), np.array(tests)


@pytest.mark.parametrize(("task", "engine"), [("DigitsCnn", "compiled"), ("DigitsMlp", "batched")])
@pytest.mark.parametrize(("regime", "kind"), KINDS)
def test_every_regime_gives_the_same_run_as_on_torch(
    regime: str, kind: str, task: str, engine: str
) -> None:
    shift = {"kind": kind, "trigger": 2, "train_size": 512}
    found, expected = (traces(f"{task}-{regime}", e, **shift) for e in (engine, "torch"))
    for mine, reference in zip(found, expected, strict=True):
        # An accuracy may differ by an answer or two of some 320.
        np.testing.assert_allclose(mine[..., :-1], reference[..., :-1], **TRACE_TOLERANCE)
        np.testing.assert_allclose(mine[..., -1], reference[..., -1], atol=2.5 / 323)


@pytest.mark.parametrize(("task", "engine"), [("DigitsCnn", "compiled"), ("DigitsMlp", "batched")])
def test_learning_curves_over_twenty_seeds_are_the_same(task: str, engine: str) -> None:
    found, expected = (
        traces(f"{task}-Stationary", e, num_epochs=6, seeds=20)[0] for e in (engine, "torch")
    )
    difference = (found - expected)[..., 1:]
    # The standard error of a mean over 20 seeds is 0.22 of the deviation.
    assert (np.abs(difference.mean(0)) < 0.1 * expected[..., 1:].std(0)).all()


@pytest.mark.mnist
def test_an_mnist_run_is_the_same_on_both_engines() -> None:
    kwargs = {"num_epochs": 2, "seeds": 1, "train_size": 3200}
    compiled, expected = (traces("MnistCnn-Stationary", e, **kwargs)[0] for e in ("auto", "torch"))
    np.testing.assert_allclose(compiled[..., :2], expected[..., :2], **TRACE_TOLERANCE)
    np.testing.assert_allclose(compiled[..., 2], expected[..., 2], atol=0.001)


@pytest.mark.usefixtures("adamw_task")
@pytest.mark.parametrize("task", ["DigitsCnn", "DigitsAdamW"])
@pytest.mark.parametrize(
    "engines",
    [("torch", "compiled"), ("compiled", "torch"), ("torch", "batched"), ("batched", "compiled")],
)
def test_an_env_goes_on_from_the_state_of_another_engine(
    task: str, engines: tuple[str, str]
) -> None:
    kwargs = {"kind": "gaussian_noise", "trigger": 1, "num_epochs": 4, "checkpoint_rollback": True}
    first, second = (
        gymnasium.make(f"atn_gym/{task}-DataShift-v0", train_size=512, engine=e, **kwargs).unwrapped
        for e in engines
    )
    initial = {"learning_rate": 0.002 if task == "DigitsAdamW" else 0.05}
    first.reset(seed=0, options={"hyperparameters": initial})
    first.step(np.zeros(4, np.float32))
    first.step(np.zeros(4, np.float32))
    second.set_state(pickle.loads(pickle.dumps(first.get_state())))
    for rollback in (0, 1):
        action = np.array([0, 0, 0, rollback], np.float32)
        found, expected = (env.step(action)[4]["privileged"] for env in (second, first))
        assert found["val_loss"] == pytest.approx(expected["val_loss"], rel=2e-3)
        assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=2e-3)
