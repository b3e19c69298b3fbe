"""Dropout of the batched engine: it zeroes what the torch engine zeroes, run by run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_twins import USUAL, BatchedTwins
from torch import Tensor, nn
from trainers import rows

from atn_gym.envs.engines import EvaluationPlan
from atn_gym.errors import InvalidArgument


def mlp(share: float = 0.4, inplace: bool = False) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(64, 32),
        nn.Dropout(share, inplace),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.Dropout2d(0.5),
        nn.ReLU(),
        nn.Flatten(2),
        nn.Dropout1d(0.2),
        nn.Flatten(),
        nn.Linear(1024, 10),
    )


class Attention(nn.Module):
    """Drops attention weights and tokens; keys and values have the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.query, self.key = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.value, self.readout = self.key, nn.Linear(16, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.dropout(self.embed(inputs.flatten(1, 2)), 0.1, self.training)
        shares = (self.query(hidden) @ self.key(hidden).transpose(1, 2)).softmax(2)
        shares = F.dropout(shares, p=0.3, training=self.training)
        logits: Tensor = self.readout((hidden + shares @ self.value(hidden)).tanh().mean(1))
        return logits


NETWORKS: list[Callable[[], nn.Module]] = [
    mlp,
    lambda: mlp(inplace=True),
    lambda: mlp(share=1.0),
    convolutional,
    Attention,
]


@pytest.mark.parametrize("network", NETWORKS)
def test_epochs_equal_those_of_torch(network: Callable[[], nn.Module]) -> None:
    twins = BatchedTwins(network, num_runs=3)
    runs = [2, 0, 1]
    for epoch in range(2):
        plans = [twins.plan(seed=epoch, module_seed=10 * epoch + run) for run in runs]
        mine, expected = (engine.train(runs, plans) for engine in twins.both)
        np.testing.assert_allclose(mine.loss, expected.loss, rtol=1e-4)
        np.testing.assert_allclose(mine.accuracy, expected.accuracy)
    for run in runs:
        twins.assert_alike(run)
    check = EvaluationPlan(twins.inputs, twins.labels)
    losses = [engine.evaluate(runs, [check] * 3)[0] for engine in twins.both]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def rollout(twins: BatchedTwins, seeds: list[int]) -> dict[int, list[Any]]:
    """Losses and weights of runs that differ in what dropout draws only, by seed."""
    runs = list(range(len(seeds)))
    for run in runs:
        twins.mine.reset([run], [0], rows([USUAL]))
    plans = [twins.plan(batch=16, module_seed=seed) for seed in seeds]
    losses = [twins.mine.train(runs, plans).loss for _ in range(2)]
    return {
        seed: [
            *(loss[run] for loss in losses),
            torch.cat([p.flatten() for p in twins.mine.model(run).parameters()]).tolist(),
        ]
        for run, seed in enumerate(seeds)
    }


def test_a_run_draws_the_same_in_any_slot_beside_any_number_of_runs() -> None:
    twins = BatchedTwins(mlp, num_runs=19)
    expected = rollout(twins, list(range(19)))
    assert len({found[0] for found in expected.values()}) == 19
    for seeds in ([4], [8, 3, 4], list(range(18, -1, -1))):
        found = rollout(twins, seeds)
        assert all(found[seed] == expected[seed] for seed in seeds)


def test_the_global_generator_is_left_as_it_was() -> None:
    twins = BatchedTwins(mlp)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    twins.mine.train([0], [twins.plan(batch=9)])
    assert torch.equal(torch.rand(3), expected)


class Noisy(nn.Linear):
    """Draws by something else than dropout."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs.flatten(1)
        if self.training:
            hidden = hidden + torch.randn_like(hidden)
        return super().forward(F.dropout(hidden, 0.5, self.training))


def test_other_draws_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"draws random numbers, except by dropout layers"):
        BatchedTwins(lambda: Noisy(64, 10))
