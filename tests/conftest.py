"""What several test modules share."""

from __future__ import annotations

import os

os.environ["MPLBACKEND"] = "Agg"

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import gymnasium
import pytest
import torch
from hypothesis import settings

from atn_gym.envs import registry
from atn_gym.envs.data import DATA_VARIABLE, Dataset, data_directory, load_dataset, load_digits
from atn_gym.envs.episodes.trainer import Trainer
from atn_gym.envs.tasks import DIGITS_CNN

# The same examples every time, and no file of those that failed.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

# Networks this small gain nothing from threads, and lose much where cores are shared.
torch.set_num_threads(1)

MNIST_FILES = tuple(
    f"MNIST/raw/{part}-{kind}-ubyte"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = data_directory()
    if all((folder / name).is_file() for name in MNIST_FILES):
        return
    skip = pytest.mark.skip(reason=f"no MNIST files in {folder}; {DATA_VARIABLE} sets the folder")
    for item in items:
        if "mnist" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """Digits with 128 training samples."""
    return load_dataset(load_digits, train_size=128)


@pytest.fixture
def make_trainer(digits: Dataset) -> Callable[..., Trainer]:
    """Makes a trainer of four mini-batches an epoch; keywords override fields of the task."""

    def make(
        num_runs: int = 1, dataset: Dataset = digits, batch_size: int = 32, **fields: Any
    ) -> Trainer:
        return Trainer(replace(DIGITS_CNN, batch_size=batch_size, **fields), dataset, num_runs)

    return make


@pytest.fixture
def clean_registries() -> Iterator[None]:
    """Forgets afterwards what a test registers."""
    with (
        patch.dict(registry._TASKS),
        patch.dict(registry._REGIMES),
        patch.dict(gymnasium.registry),
    ):
        yield
