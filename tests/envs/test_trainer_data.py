"""The data that a trainer trains on: pools, shifted inputs and their memory."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor
from trainers import USUAL, MakeTrainer, Probe, begin, rows, train

from atn_gym.envs.data import Dataset, RunData, dataset
from atn_gym.envs.episodes import conditions
from atn_gym.envs.regimes import (
    DataShift,
    GaussianNoise,
)
from atn_gym.errors import InvalidArgument


def test_a_batch_larger_than_the_data_is_refused(make_trainer):
    with pytest.raises(InvalidArgument, match="at most the 128 training samples, got 129"):
        make_trainer(batch_size=129)


def test_an_empty_pool_is_refused(make_trainer):
    trainer = make_trainer()
    begin(trainer, Probe(pool=torch.empty(0, dtype=torch.int64)))
    with pytest.raises(InvalidArgument, match="Probe must leave at least one sample"):
        train(trainer, 0, [USUAL])


def test_shifted_inputs_are_computed_once_while_the_shift_lasts(digits: Dataset) -> None:
    calls: list[str] = []

    def shift(inputs: Tensor, split: str) -> Tensor:
        calls.append(split)
        return inputs + 1

    data = RunData(digits)
    for _ in range(3):
        data.clear()
        data.transform = shift
        assert torch.equal(data.inputs("train"), digits.train.inputs + 1)
    assert calls == ["train"]
    data.clear()
    assert data.inputs("train") is digits.train.inputs


def test_runs_with_inputs_of_their_own_hold_few_copies_and_train_as_ever(
    make_trainer: MakeTrainer, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: list[weakref.ref[Tensor]] = []
    most = 0

    def held() -> int:
        return sum(inputs.nbytes for ref in live if (inputs := ref()) is not None)

    def noisy(self: GaussianNoise, inputs: Tensor, split: str) -> Tensor:
        nonlocal most
        shifted = plain(self, inputs, split)
        live.append(weakref.ref(shifted))
        most = max(most, held())
        return shifted

    def losses() -> list[list[float]]:
        trainer = make_trainer(num_runs=6)
        begin(trainer, *(DataShift(kind="gaussian_noise", trigger=0, seed=i) for i in range(6)))
        return [trainer.train(range(6), rows([USUAL] * 6)).val_loss.tolist() for _ in range(2)]

    expected = losses()
    plain = GaussianNoise.__call__
    copy = digits.train.inputs.nbytes + digits.validation.inputs.nbytes
    for module in (dataset, conditions):
        monkeypatch.setattr(module, "KEPT_BYTES", 2 * copy)
    monkeypatch.setattr(GaussianNoise, "__call__", noisy)
    dataset._kept.drop_all()
    assert losses() == expected
    # What is kept, and what two runs train on meanwhile.
    assert most <= 4 * copy
    assert held() <= 2 * copy
