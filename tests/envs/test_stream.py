"""The profile "stream": a fresh draw every period."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import atn_gym  # noqa: F401
from atn_gym.envs.data import Dataset, RunData
from atn_gym.envs.optimizers import effective_hyperparameters, make_optimizer
from atn_gym.envs.regimes import (
    CurriculumShift,
    DataShift,
    LossPerturbation,
    OptimizerSensitivityShift,
    Regime,
    Stationary,
)
from atn_gym.errors import InvalidArgument

REGIMES: tuple[type[Regime], ...] = (
    Stationary,
    DataShift,
    CurriculumShift,
    OptimizerSensitivityShift,
    LossPerturbation,
)
DRAWN = [(regime, kind) for regime in REGIMES for kind in regime.drawn_kinds]
NOT_DRAWN = [(r, k) for r in REGIMES for k in r.kinds if k not in r.drawn_kinds]
STREAM: dict[str, Any] = {"profile": "stream", "period": 2, "num_epochs": 12}


def test_strength_stays_and_changes_are_counted_from_the_onset() -> None:
    stream = DataShift(trigger=3, severity=0.5, **STREAM)
    assert [stream.strength(e) for e in range(9)] == [0] * 3 + [0.5] * 6
    assert [stream.change(e) for e in range(9)] == [0, 0, 0, 0, 0, 1, 1, 2, 2]
    assert stream.shock_epoch == 3
    assert stream.switched_off().shock_epoch is None
    assert {DataShift(trigger=3, profile=p).change(20) for p in ("abrupt", "recurring")} == {0}


def drawn_by(regime: Regime, epoch: int, dataset: Dataset) -> list[Any]:
    """All that a regime sets for an epoch, as plain values."""
    from torch import nn

    model, data = nn.Linear(2, 2), RunData(dataset)
    nominal = {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 1e-4}
    optimizer = make_optimizer("sgd", model.parameters(), nominal)
    regime.apply(epoch, model, data, optimizer)
    return [
        data.inputs("validation").flatten().tolist(),
        data.labels("train").tolist(),
        sorted(effective_hyperparameters(optimizer).items()),
    ]


@pytest.mark.parametrize(("regime", "kind"), DRAWN)
def test_every_change_draws_anew_and_the_first_draws_what_an_abrupt_shift_does(
    regime: type[Regime], kind: str, digits: Dataset
) -> None:
    stream = regime(trigger=3, kind=kind, seed=5, **STREAM)
    drawn = [drawn_by(stream, epoch, digits) for epoch in range(3, 9)]
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    assert drawn[4] == drawn[5]
    assert drawn[0] != drawn[2] != drawn[4] != drawn[0]
    abrupt = regime(trigger=3, kind=kind, seed=5, num_epochs=12)
    assert drawn_by(abrupt, 8, digits) == drawn[0]


@pytest.mark.parametrize(("regime", "kind"), NOT_DRAWN)
def test_a_kind_that_draws_nothing_refuses_by_name(regime: type[Regime], kind: str) -> None:
    with pytest.raises(InvalidArgument, match=f"'stream' .*{regime.__name__}.*{kind!r}"):
        regime(kind=kind, **STREAM)


def test_a_default_run_with_a_stream_meets_three_changes_or_more() -> None:
    for seed in range(50):
        stream = DataShift(profile="stream", num_epochs=30).sample(seed)
        assert stream.change(29) >= 2


def make(**kwargs: Any) -> Any:
    return gymnasium.make(
        "atn_gym/DigitsCnn-DataShift-v0",
        **{**STREAM, "num_epochs": 8, "train_size": 128, "trigger": 1, **kwargs},
    )


def test_each_change_strikes_anew() -> None:
    env = make(num_epochs=20, train_size=None, trigger=5, period=5, severity=1.0)
    env.reset(seed=10_000)
    losses = [env.step(np.zeros(3, np.float32))[4]["privileged"]["val_loss"] for _ in range(20)]
    for change in (5, 10, 15):
        assert losses[change] > losses[change - 1] + 0.5
