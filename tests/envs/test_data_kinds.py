"""Relabelled classes and permuted pixels, in every split and on both engines."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import atn_gym  # noqa: F401
from atn_gym.envs.data import SPLITS, Dataset, RunData
from atn_gym.envs.regimes import DataShift, Permutation
from atn_gym.envs.regimes.transforms import cycle

IDLE = np.zeros(3, np.float32)
NEW_KINDS = ("relabelling", "permutation")


def shifted(dataset: Dataset, kind: str, severity: float, seed: int = 0) -> RunData:
    data = RunData(dataset)
    regime: Any = DataShift(trigger=0, kind=kind, severity=severity, seed=seed)
    regime.apply(0, None, data, None)
    return data


def make(**kwargs: Any) -> Any:
    return gymnasium.make(
        "atn_gym/DigitsCnn-DataShift-v0",
        **{"num_epochs": 5, "train_size": 256, "trigger": 2, **kwargs},
    )


@pytest.mark.parametrize(("share", "moved"), [(0.01, 2), (0.4, 4), (0.6, 6), (1.0, 10)])
def test_a_cycle_moves_its_share_once_around(share: float, moved: int) -> None:
    target = cycle(share, 10, np.random.default_rng(0))
    assert sorted(target) == list(range(10))
    assert (target != np.arange(10)).sum() == moved
    start = int(np.flatnonzero(target != np.arange(10))[0])
    seen, place = [start], int(target[start])
    while place != start:
        seen.append(place)
        place = int(target[place])
    assert len(seen) == moved


def test_a_longer_cycle_keeps_all_but_one_move_of_a_shorter_one() -> None:
    short, long = (cycle(share, 64, np.random.default_rng(1)) for share in (0.3, 0.8))
    moved = short != np.arange(64)
    assert (short[moved] != long[moved]).sum() == 1


def test_relabelling_maps_classes_alike_in_every_split(digits: Dataset) -> None:
    data = shifted(digits, "relabelling", 0.6)
    maps = set()
    for name in SPLITS:
        clean, new = digits.split(name).labels, data.labels(name)
        pairs = set(zip(clean.tolist(), new.tolist(), strict=True))
        assert len(pairs) == 10
        assert sum(old != got for old, got in pairs) == 6
        maps.add(frozenset(pairs))
        assert data.inputs(name) is digits.split(name).inputs
    assert len(maps) == 1


def test_permutation_moves_pixels_alike_in_every_sample_and_split(digits: Dataset) -> None:
    data = shifted(digits, "permutation", 0.5)
    numbered = torch.arange(64.0).reshape(1, 1, 8, 8)
    source = Permutation(0.5, 0)(numbered, "train").flatten().long()
    assert (source != torch.arange(64)).sum() == 32
    for name in SPLITS:
        clean = digits.split(name).inputs
        assert torch.equal(data.inputs(name).flatten(1), clean.flatten(1)[:, source])
        assert data.labels(name) is digits.split(name).labels


def test_all_channels_of_an_oblong_image_move_alike() -> None:
    numbered = torch.arange(15.0).reshape(1, 1, 3, 5)
    moved = Permutation(0.7, 3)(torch.cat([numbered, 100 + numbered], 1), "test")
    assert moved.shape == (1, 2, 3, 5)
    assert torch.equal(moved[:, 0] + 100, moved[:, 1])


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_what_moves_is_drawn_by_the_seed(kind: str, digits: Dataset) -> None:
    def held(seed: int) -> tuple[list[float], list[int]]:
        data = shifted(digits, kind, 0.6, seed)
        return data.inputs("test").flatten().tolist(), data.labels("test").tolist()

    assert held(1) == held(1)
    assert held(1) != held(2)


@pytest.mark.parametrize("kind", NEW_KINDS)
def test_a_frozen_network_loses_and_a_trained_one_recovers(kind: str) -> None:
    arguments = {"kind": kind, "num_epochs": 16, "train_size": None, "trigger": 6}
    env = make(**arguments)
    ends = {}
    for frozen in (True, False):
        env.reset(seed=10_000)
        seen = []
        for epoch in range(16):
            stop = frozen and 4 <= epoch < 8
            action = np.array([-1, 0, 0], np.float32) if stop else IDLE
            seen.append(env.step(action)[4]["privileged"]["val_loss"])
        ends[frozen] = seen
    assert ends[True][5] < 0.7
    assert ends[True][-1] > 1.2
    assert ends[False][-1] < 0.5
