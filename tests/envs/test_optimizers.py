"""Optimizers by name against their own packages in a plain loop, and what the engine gives them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import dadaptation
import prodigyopt
import pytest
import schedulefree
import torch
import torch.nn.functional as F
from torch import nn, optim
from trainers import reset, rows

from atn_gym.envs.data import Dataset
from atn_gym.envs.episodes.plans import batch_order
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.hypergradient import HypergradientSGD
from atn_gym.envs.networks import SmallCnn
from atn_gym.envs.optimizers import OPTIMIZERS, check_optimizer
from atn_gym.envs.params import TuningParams
from atn_gym.envs.randomness import Stream, generator
from atn_gym.envs.regimes import Stationary
from atn_gym.errors import DependencyUnavailable, InvalidArgument

MakeTrainer = Callable[..., Trainer]
VALUES = {"learning_rate": 0.5, "momentum": 0.9, "weight_decay": 1e-3}
LOW = {**VALUES, "learning_rate": 0.01, "momentum": 0.8}
PACKAGES = {
    "schedule_free_sgd": (schedulefree.SGDScheduleFree, {"momentum": 0.8}),
    "schedule_free_adamw": (schedulefree.AdamWScheduleFree, {"betas": (0.8, 0.999)}),
    "prodigy": (prodigyopt.Prodigy, {"betas": (0.8, 0.999)}),
    "dadapt_sgd": (dadaptation.DAdaptSGD, {"momentum": 0.8}),
    "nadamw": (optim.NAdam, {"betas": (0.8, 0.999), "decoupled_weight_decay": True}),
}


def own_loop(optimizer: Any, model: nn.Module, data: Dataset, epochs: int) -> list[list[float]]:
    """Training and validation loss of each epoch, by the loop of the packages' pages."""
    losses = []
    for epoch in range(epochs):
        model.train()
        if hasattr(optimizer, "train"):
            optimizer.train()
        trained = []
        for samples in batch_order(None, 128, (4, 32), generator(3, Stream.ORDER, epoch)):
            loss = F.cross_entropy(model(data.train.inputs[samples]), data.train.labels[samples])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trained.append(loss.item())
        model.eval()
        if hasattr(optimizer, "eval"):
            optimizer.eval()
        with torch.no_grad():
            logits = model(data.validation.inputs)
        validation = F.cross_entropy(logits, data.validation.labels).item()
        losses.append([sum(trained) / 4, validation])
    return losses


@pytest.mark.parametrize("name", PACKAGES)
def test_an_optimizer_gives_the_losses_of_its_own_package(
    name: str, make_trainer: MakeTrainer, digits: Dataset
) -> None:
    values = LOW if name in ("schedule_free_adamw", "nadamw") else {**LOW, "learning_rate": 0.5}
    trainer = make_trainer(optimizer=name)
    reset(trainer, 0, 3, Stationary(), values)
    model = SmallCnn((1, 8, 8), 10, hidden=32)
    model.load_state_dict(trainer.get_checkpoint(0)["model"])
    made, arguments = PACKAGES[name]
    optimizer = made(
        model.parameters(),
        lr=values["learning_rate"],
        weight_decay=values["weight_decay"],
        **arguments,
    )
    expected = own_loop(optimizer, model, digits, 6)
    found = [trainer.train([0], rows([values])) for _ in range(6)]
    assert [[m.train_loss.item(), m.val_loss.item()] for m in found] == [
        pytest.approx(pair, rel=1e-4) for pair in expected
    ]
    assert expected[-1][0] < expected[0][0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_brings_a_run_back_bit_exactly(name: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(num_runs=2, optimizer=name)
    reset(trainer, 0, 3, Stationary(), LOW)
    for _ in range(2):
        trainer.train([0], rows([LOW]))
    state = trainer.get_state(0)
    stored = pickle.dumps(state)
    expected = [trainer.train([0], rows([VALUES])).val_loss.item() for _ in range(2)]
    for run, source in ((0, state), (1, pickle.loads(stored))):
        trainer.set_state(run, source)
        found = [trainer.train([run], rows([VALUES])).val_loss.item() for _ in range(2)]
        assert found == expected


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_momentum_may_change_between_epochs_and_be_none(
    name: str, make_trainer: MakeTrainer, digits: Dataset
) -> None:
    trainer = make_trainer(optimizer=name)
    reset(trainer, 0, 3, Stationary(), {**LOW, "momentum": 0.0})
    for momentum in (0.0, 0.9, 0.5):
        (loss,) = trainer.train([0], rows([{**LOW, "momentum": momentum}])).val_loss
    model = SmallCnn((1, 8, 8), 10, hidden=32)
    model.load_state_dict(trainer.get_checkpoint(0)["model"])
    with torch.no_grad():
        logits = model(digits.validation.inputs)
    # Between epochs the weights are those that the method returns.
    assert F.cross_entropy(logits, digits.validation.labels).item() == pytest.approx(loss, rel=1e-5)


def test_hypergradient_sgd_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 0.0]))
    optimizer = HypergradientSGD([weight], lr=0.1, momentum=0.5, weight_decay=0.0, beta=0.2)
    group = optimizer.param_groups[0]
    gradients = torch.tensor([[3.0, 4.0], [3.0, 4.0], [-4.0, 3.0], [-3.0, -4.0]])
    scales, weights = [], []
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        scales.append(group["scale"])
        weights.append(weight.detach().clone())
    # Directions: (3, 4), (4.5, 6), (-1.75, 6); cosines -, 1, 0, then -18.75 / (5 * 6.25).
    assert scales == pytest.approx([1, 1.2, 1.2, 1.2 * (1 - 0.2 * 0.6)])
    assert weights[0].tolist() == pytest.approx([0.7, -0.4])
    assert weights[1].tolist() == pytest.approx([0.7 - 0.12 * 4.5, -0.4 - 0.12 * 6])


class Polyak(optim.SGD):
    """Steps of Polyak's length, at most lr, for a loss whose least value is 0."""

    needs_loss = True

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        square = sum(p.grad.square().sum() for p in group["params"])
        rate = min(float(closure() / square), group["lr"])
        with torch.no_grad():
            for p in group["params"]:
                p -= rate * p.grad


def test_an_optimizer_that_needs_the_loss_gets_that_of_its_mini_batch(
    make_trainer: MakeTrainer, digits: Dataset
) -> None:
    trainer = make_trainer(optimizer=lambda parameters: Polyak(parameters, lr=1.0))
    reset(trainer, 0, 3, Stationary(), VALUES)
    model = SmallCnn((1, 8, 8), 10, hidden=32)
    model.load_state_dict(trainer.get_checkpoint(0)["model"])
    for samples in batch_order(None, 128, (4, 32), generator(3, Stream.ORDER, 0)):
        model.zero_grad()
        loss = F.cross_entropy(model(digits.train.inputs[samples]), digits.train.labels[samples])
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        rate = min(loss.item() / sum(g.square().sum().item() for g in gradients), 0.5)
        with torch.no_grad():
            for p, gradient in zip(model.parameters(), gradients, strict=True):
                p -= rate * gradient
    trainer.train([0], rows([VALUES]))
    torch.testing.assert_close(trainer.get_checkpoint(0)["model"], dict(model.state_dict()))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    monkeypatch.delitem(sys.modules, "atn_gym.envs.extra_optimizers", raising=False)
    check_optimizer.cache_clear()
    with pytest.raises(DependencyUnavailable, match=r"prodigyopt.*: pip install 'atn_gym\[optim"):
        TuningParams("DigitsCnn", "Stationary", optimizer="prodigy")
    assert TuningParams("DigitsCnn", "Stationary", optimizer="nadamw").optimizer == "nadamw"


def test_an_env_takes_an_optimizer_by_name_and_the_engine_that_serves_it() -> None:
    def params(**arguments: Any) -> TuningParams:
        return TuningParams("DigitsCnn", "Stationary", **arguments).resolved()

    assert params().engine == "compiled"
    assert params(optimizer="adamw").engine == "compiled"
    assert params(optimizer="prodigy").engine == "torch"
    assert params(optimizer="prodigy").get_task().optimizer == "prodigy"
    with pytest.raises(InvalidArgument, match="knows the optimizers 'sgd' and 'adamw' only"):
        params(optimizer="prodigy", engine="compiled")
    with pytest.raises(InvalidArgument, match="'prodigi'; did you mean 'prodigy'"):
        params(optimizer="prodigi")
