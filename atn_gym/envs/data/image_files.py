"""MNIST and similar data sets: IDX files in torchvision's layout, downloaded by it if absent.

Files are read with numpy: importing torchvision takes longer than reading.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from atn_gym.errors import DataUnavailable, DependencyUnavailable

_FILES = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
_UNSIGNED_BYTES = 0x08


def read_image_files(name: str, root: Path, advice: str) -> list[tuple[Tensor, Tensor]]:
    """Images and labels of the training file and of the test file of a data set.

    Args:
        name: Name of the data set in torchvision, such as "MNIST".
        root: Folder that holds `<name>/raw`.
        advice: What to do where there is no such data.

    Returns:
        Two pairs: images as uint8 (N, H, W), labels as int64 (N,).

    Raises:
        DataUnavailable: If a file is damaged, or absent and not to be downloaded.
        DependencyUnavailable: If a file is absent and torchvision does not import.
    """
    folder = root / name / "raw"
    try:
        if not all((folder / file).is_file() for pair in _FILES for file in pair):
            getattr(_torchvision_datasets(), name)(root=root, download=True)
        return [_read_pair(folder / images, folder / labels) for images, labels in _FILES]
    except (RuntimeError, OSError, ValueError, EOFError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise DataUnavailable(
            f"{name} must lie whole in the folder {folder} or be downloadable, but that failed "
            f"({reason}). {advice}"
        ) from error


def _read_pair(images: Path, labels: Path) -> tuple[Tensor, Tensor]:
    pair = _read_idx(images, 3), _read_idx(labels, 1)
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"{images} holds {len(pair[0])} images, but {labels} {len(pair[1])}")
    return torch.from_numpy(pair[0]), torch.from_numpy(pair[1]).long()


def _read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Reads an IDX file: two zero bytes, type, number of dimensions, each as int32, values."""
    content = np.fromfile(path, np.uint8)
    start = 4 + 4 * dimensions
    if content[:4].tolist() != [0, 0, _UNSIGNED_BYTES, dimensions] or len(content) < start:
        raise ValueError(f"{path} is not an IDX file of {dimensions}-dimensional bytes")
    shape = content[4:start].view(">i4").tolist()
    if len(content) - start != np.prod(shape):
        raise ValueError(f"{path} must hold {np.prod(shape)} values, got {len(content) - start}")
    return content[start:].reshape(shape)


def _torchvision_datasets() -> Any:
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError, AttributeError) as error:
        versions = " and ".join(
            f"{package} {_installed_version(package)}" for package in ("torch", "torchvision")
        )
        raise DependencyUnavailable(
            f"torchvision must import, but {versions} do not match ({error}). Install a pair "
            "that was released together, for example `pip install --upgrade torch torchvision`, "
            "or use a DigitsCnn env, which does not need torchvision"
        ) from error
    return datasets


def _installed_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
