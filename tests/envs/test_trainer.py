from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from trainers import USUAL, MakeTrainer, Probe, Values, begin, reset, rows, train, weights

from atn_gym.envs.data import RunData, Split, load_digits
from atn_gym.envs.episodes.plans import batch_order
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.networks import SmallCnn
from atn_gym.envs.randomness import Stream, generator
from atn_gym.envs.regimes import (
    CurriculumShift,
    DataShift,
    LossPerturbation,
    Regime,
    Stationary,
)

SCHEDULE = [
    USUAL,
    {"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 1e-2},
    {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 1e-1},
]
PLAIN_SGD = {"learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0}
STANDING_STILL = {**PLAIN_SGD, "learning_rate": 0.0}


class Regularised(nn.Module):
    """A network with buffers, with draws of its own and with a parameter that it ignores."""

    def __init__(self, input_shape: tuple[int, int, int], num_classes: int, **_: Any) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(input_shape[0])
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(64, num_classes)
        self.ignored = nn.Parameter(torch.zeros(3))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(self.dropout(self.norm(inputs).flatten(1)))


def flat(parameters: dict[str, Tensor]) -> Tensor:
    return torch.cat([p.flatten() for p in parameters.values()])


def global_generators() -> tuple[object, ...]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    return torch.get_rng_state().tolist(), pickle.dumps(legacy), random.getstate()


def digits_model(trainer: Trainer) -> nn.Module:
    model = SmallCnn((1, 8, 8), 10, hidden=32)
    model.load_state_dict(weights(trainer))
    return model


def plain_loop(
    model: nn.Module, optimizer: optim.Optimizer, data: Split, schedule: Sequence[Values], seed: int
) -> list[float]:
    """The textbook loop; returns the mean training loss of each epoch."""
    means = []
    for epoch, values in enumerate(schedule):
        for group in optimizer.param_groups:
            group["lr"], group["weight_decay"] = values["learning_rate"], values["weight_decay"]
            if "betas" in group:
                group["betas"] = (values["momentum"], 0.999)
            else:
                group["momentum"] = values["momentum"]
        losses = []
        for samples in batch_order(None, 128, (4, 32), generator(seed, Stream.ORDER, epoch)):
            loss = F.cross_entropy(model(data.inputs[samples]), data.labels[samples])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / 4)
    return means


@pytest.mark.parametrize(
    ("name", "optimizer", "scale"), [("sgd", optim.SGD, 1.0), ("adamw", optim.AdamW, 0.1)]
)
def test_training_equals_a_plain_loop_with_the_optimizer_of_torch(
    name, optimizer, scale, make_trainer, digits
):
    schedule = [{**v, "learning_rate": v["learning_rate"] * scale} for v in SCHEDULE * 2]
    trainer = make_trainer(optimizer=name)
    reset(trainer, 0, 3, Stationary(), schedule[0])
    model = digits_model(trainer)
    expected = plain_loop(model, optimizer(model.parameters(), lr=1), digits.train, schedule, 3)
    metrics = train(trainer, 0, schedule)
    torch.testing.assert_close(weights(trainer), model.state_dict(), rtol=1e-4, atol=1e-5)
    assert [m["train_loss"] for m in metrics] == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        logits = model(digits.validation.inputs)
    labels = digits.validation.labels
    loss, right = F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).sum().item()
    assert metrics[-1]["val_loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics[-1]["val_accuracy"] == pytest.approx(right / 323, abs=1.5 / 323)


def test_an_epoch_draws_without_replacement_and_in_a_new_order(make_trainer, digits):
    trainer, probe = make_trainer(batch_size=48), Probe()
    begin(trainer, probe)
    train(trainer, 0, [USUAL] * 2)
    assert [len(batch) for batch in probe.batches] == [48] * 4
    samples = probe.samples(digits.train)
    assert len(set(samples[:96])) == len(set(samples[96:])) == 96
    assert samples[:96] != samples[96:]


def test_a_restricted_pool_is_cycled_evenly_for_as_many_steps(make_trainer, digits):
    trainer, probe = make_trainer(), Probe(pool=torch.arange(5, 55, 5))
    begin(trainer, probe)
    train(trainer, 0, [USUAL])
    counts = np.bincount(probe.samples(digits.train), minlength=128)
    assert len(probe.batches) == trainer.steps_per_epoch == 4
    # 128 draws of 10 samples: 12 rounds, and 8 of the samples once more.
    assert sorted(counts[5:55:5]) == [12] * 2 + [13] * 8
    assert counts.sum() == 128


@pytest.mark.parametrize(
    "change", [{"learning_rate": 0.03}, {"momentum": 0.8}, {"weight_decay": 1e-2}]
)
def test_a_hyperparameter_alters_training_but_neither_initial_weights_nor_batches(
    change, make_trainer, digits
):
    trainer, probes = make_trainer(num_runs=2), [Probe(), Probe()]
    values = [USUAL, {**USUAL, **change}]
    for run in range(2):
        reset(trainer, run, 0, probes[run], values[run])
    torch.testing.assert_close(weights(trainer, 0), weights(trainer, 1), rtol=0, atol=0)
    trainer.train([0, 1], rows(values))
    assert probes[0].samples(digits.train) == probes[1].samples(digits.train)
    assert (flat(weights(trainer, 0)) - flat(weights(trainer, 1))).abs().max() > 1e-4


def test_runs_trained_together_equal_each_trained_alone(make_trainer):
    together, alone = make_trainer(num_runs=3), make_trainer()
    for run in range(3):
        reset(together, run, run, DataShift(trigger=1), SCHEDULE[run])
    for _ in range(2):
        together.train([2, 0, 1], rows([SCHEDULE[2], SCHEDULE[0], SCHEDULE[1]]))
    for run in range(3):
        reset(alone, 0, run, DataShift(trigger=1), SCHEDULE[run])
        train(alone, 0, [SCHEDULE[run]] * 2)
        torch.testing.assert_close(weights(together, run), weights(alone), rtol=0, atol=0)
    assert not torch.equal(flat(weights(together, 0)), flat(weights(together, 1)))


@pytest.mark.parametrize(
    ("network", "name", "value"),
    [
        (SmallCnn, "conv1.weight", "nan"),
        (SmallCnn, "linear2.bias", "inf"),
        (Regularised, "ignored", "-inf"),
    ],
)
def test_one_weight_that_is_not_finite_is_noticed_and_harms_no_neighbour(
    network, name, value, make_trainer
):
    trainer = make_trainer(num_runs=2, network=network)
    begin(trainer, Stationary(), Stationary())
    assert trainer.train([0, 1], rows([USUAL] * 2)).finite.tolist() == [True, True]
    poisoned = trainer.get_checkpoint(0)
    poisoned["model"][name].view(-1)[0] = float(value)
    trainer.set_checkpoint(0, poisoned)
    metrics = trainer.train([0, 1], rows([USUAL] * 2))
    assert metrics.finite.tolist() == [False, True]
    assert np.isfinite(metrics.val_loss).tolist() == [name == "ignored", True]


def test_the_global_generators_are_left_as_they_were(make_trainer):
    before = global_generators()
    regimes = [
        regime(trigger=0, kind=kind)
        for regime in (DataShift, CurriculumShift, LossPerturbation)
        for kind in regime.kinds
    ]
    trainer = make_trainer(num_runs=len(regimes), dataset=load_digits(), network=Regularised)
    begin(trainer, *regimes)
    trainer.train(range(len(regimes)), rows([USUAL] * len(regimes)))
    trainer.set_state(1, trainer.get_state(0))
    trainer.evaluate_test(0)
    assert global_generators() == before


@pytest.mark.parametrize("fields", [{}, {"optimizer": "adamw"}, {"network": Regularised}])
def test_a_state_brings_a_run_back_bit_exactly_as_often_as_it_is_set(fields, make_trainer):
    trainer = make_trainer(num_runs=2, **fields)
    begin(trainer, LossPerturbation(trigger=0, kind="gradient"))
    reset(trainer, 1, 9, Stationary(), SCHEDULE[1])
    train(trainer, 0, SCHEDULE[:1])
    state = trainer.get_state(0)
    stored = pickle.dumps(state)
    expected, final = train(trainer, 0, SCHEDULE), weights(trainer)
    for run, source in ((0, state), (0, state), (1, state), (1, pickle.loads(stored))):
        trainer.set_state(run, source)
        assert train(trainer, run, SCHEDULE) == expected
        torch.testing.assert_close(weights(trainer, run), final, rtol=0, atol=0)


def test_batch_norm_and_dropout_train_deterministically_and_rest_in_evaluation(
    make_trainer, digits
):
    trainer = make_trainer(num_runs=2, network=Regularised)
    begin(trainer, Stationary(), Stationary())
    first, second = (train(trainer, run, [USUAL] * 2) for run in range(2))
    assert first == second
    model = Regularised((1, 8, 8), 10).eval()
    model.load_state_dict(weights(trainer))
    assert model.norm.num_batches_tracked == 8
    loss = F.cross_entropy(model(digits.validation.inputs), digits.validation.labels).item()
    assert first[-1]["val_loss"] == pytest.approx(loss, rel=1e-5)


def test_gradient_noise_has_the_stated_size_in_every_mini_batch(make_trainer, digits):
    trainer = make_trainer(num_runs=2)
    noisy = LossPerturbation(trigger=0, kind="gradient", severity=0.5)
    begin(trainer, Stationary(), noisy, values=PLAIN_SGD)
    model, squares = digits_model(trainer), 0.0
    for samples in batch_order(None, 128, (4, 32), generator(0, Stream.ORDER)):
        loss = F.cross_entropy(model(digits.train.inputs[samples]), digits.train.labels[samples])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        squares += torch.cat([g.flatten() for g in gradients]).square().mean().item()
    trainer.train([0, 1], rows([PLAIN_SGD] * 2))
    noise = (flat(weights(trainer, 0)) - flat(weights(trainer, 1))) / PLAIN_SGD["learning_rate"]
    # 3,658 draws: the relative standard error is 1.2 %; the gradients drift a little as well.
    assert noise.square().mean().sqrt().item() == pytest.approx(0.5 * squares**0.5, rel=0.08)


def test_the_loss_scale_has_mean_one(make_trainer):
    trainer = make_trainer(batch_size=1)
    begin(trainer, LossPerturbation(trigger=0, kind="training"), values=STANDING_STILL)
    metrics = train(trainer, 0, [STANDING_STILL] * 12)
    factors = [m["observed_train_loss"] / m["train_loss"] for m in metrics]
    # 1,536 draws of deviation 0.53; without its correction the mean would be 1.13.
    assert np.mean(factors) == pytest.approx(1, abs=0.055)
    assert np.std(factors) > 0.01


def test_the_loss_scale_scales_the_update(make_trainer):
    trainer = make_trainer(num_runs=2, batch_size=128)
    scaling = LossPerturbation(trigger=0, kind="training")
    begin(trainer, Stationary(), scaling, values=PLAIN_SGD)
    start = flat(weights(trainer))
    metrics = trainer.train([0, 1], rows([PLAIN_SGD] * 2))
    factor = metrics.observed_train_loss[1] / metrics.train_loss[1]
    plain, scaled = (flat(weights(trainer, run)) - start for run in range(2))
    assert abs(factor - 1) > 0.05
    torch.testing.assert_close(scaled, factor * plain, rtol=1e-2, atol=1e-7)


def test_observed_losses_are_noisy_by_the_stated_factor_and_training_is_not(make_trainer):
    trainer = make_trainer(num_runs=2, batch_size=128)
    noisy = LossPerturbation(trigger=0, kind="observed", severity=0.3)
    begin(trainer, Stationary(), noisy)
    clean, perturbed = (train(trainer, run, [USUAL] * 100) for run in range(2))
    signals = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    assert [[m[s] for s in signals] for m in clean] == [[m[s] for s in signals] for m in perturbed]
    for name in ("train_loss", "val_loss"):
        logs = np.log([m[f"observed_{name}"] / m[name] for m in perturbed])
        # Of Student's distribution with two degrees of freedom, half lies within 0.816.
        assert np.median(np.abs(logs)) == pytest.approx(0.3 * 0.816, abs=0.11)
        assert np.median(logs) == pytest.approx(0, abs=0.2)
        # A normal one would hold one draw in 16,000 beyond four.
        assert 1.2 < np.abs(logs).max() <= 3


def test_flops_equal_a_count_by_hand(make_trainer):
    # Two for each multiply-add: outputs x inputs x kernel x pixels.
    first = 2 * 8 * 1 * 9 * 64
    forward = first + 2 * 16 * 8 * 9 * 16 + 2 * 64 * 32 + 2 * 32 * 10
    # Backward: gradients of all weights, and of all inputs but the images.
    expected = 128 * (3 * forward - first) + 323 * forward
    trainer = make_trainer()
    begin(trainer, Stationary())
    assert train(trainer, 0, [USUAL])[0]["flops"] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("epochs", "sign"), [(1, -1), (2, 1)])
def test_a_run_is_evaluated_under_the_data_of_its_last_epoch_alone(
    epochs, sign, make_trainer, digits
):
    trainer = make_trainer()
    waves = {"profile": "recurring", "period": 1, "trigger": 0}
    begin(trainer, DataShift(kind="contrast", severity=1.0, **waves))
    metrics = train(trainer, 0, [USUAL] * epochs)[-1]
    model = digits_model(trainer)
    with torch.no_grad():
        validation, test = (
            F.cross_entropy(model(sign * split.inputs), split.labels).item()
            for split in (digits.validation, digits.test)
        )
    assert metrics["val_loss"] == pytest.approx(validation, rel=1e-5)
    assert trainer.evaluate_test(0)[0] == pytest.approx(test, rel=1e-5)


@dataclass(frozen=True)
class BothNoises(Regime):
    """Perturbs both the losses that are observed and those that are trained on."""

    kinds = {"both": 0.5}
    loss_noise: float = 0.5

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        data.observation_noise, data.loss_noise = 0.5, self.loss_noise


def test_noise_on_observed_and_on_trained_losses_is_independent(make_trainer: MakeTrainer) -> None:
    def factors(regime: Regime) -> list[float]:
        made = make_trainer()
        found = []
        for seed in range(4):
            reset(made, 0, seed, regime, STANDING_STILL)
            metrics = made.train([0], rows([STANDING_STILL]))
            found.append(float(np.log(metrics.observed_val_loss / metrics.val_loss)[0]))
        return found

    draws = [generator(seed, Stream.NOISE).standard_t(2, 2)[1] * 0.5 for seed in range(4)]
    assert factors(BothNoises(loss_noise=0.0)) == pytest.approx(draws)
    both = factors(BothNoises())
    assert all(abs(mine - other) > 1e-3 for mine, other in zip(both, draws, strict=True))
