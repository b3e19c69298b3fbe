"""Data sets: tensors in three splits, their loading, and the data of one run."""

from atn_gym.envs.data.dataset import SPLITS, Dataset, Split, Transform
from atn_gym.envs.data.loading import (
    DATA_VARIABLE,
    data_digest,
    data_directory,
    load_dataset,
    load_digits,
    load_fashion_mnist,
    load_mnist,
)
from atn_gym.envs.data.run_data import RunData

__all__ = [
    "DATA_VARIABLE",
    "SPLITS",
    "Dataset",
    "RunData",
    "Split",
    "Transform",
    "data_digest",
    "data_directory",
    "load_dataset",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
]
