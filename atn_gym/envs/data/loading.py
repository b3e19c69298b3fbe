"""Image classification data sets, each loaded once per process and held as tensors.

A data set is split in three: training, validation and test. Inputs are standardised
with the mean and standard deviation of the pixels of the whole training split.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import platformdirs
import torch
from torch import Tensor

from atn_gym.envs.data.dataset import Dataset, Split
from atn_gym.envs.data.image_files import read_image_files
from atn_gym.envs.data.published import difference
from atn_gym.envs.process_lock import ProcessLock
from atn_gym.envs.torch_settings import usual_torch_settings
from atn_gym.errors import DataUnavailable, InvalidArgument

_log = logging.getLogger(__name__)
DATA_VARIABLE = "ATN_GYM_DATA"
_VALIDATION_IMAGES = 6_000
_loading = ProcessLock()


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Folder of downloaded data: the argument, else `ATN_GYM_DATA`, else a user cache."""
    chosen = data_dir or os.environ.get(DATA_VARIABLE) or platformdirs.user_cache_dir("atn_gym")
    return Path(chosen).expanduser()


def load_digits(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn embeds.

    A fixed stratified split: 1,150 training, 323 validation and 324 test samples.

    Args:
        data_dir: Not used; nothing is downloaded.

    Source:
        E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    from sklearn import datasets, model_selection

    images, labels = datasets.load_digits(return_X_y=True)
    images = images.reshape(-1, 1, 8, 8).astype(np.float32) / 16
    train_images, rest_images, train_labels, rest_labels = model_selection.train_test_split(
        images, labels, train_size=1150, stratify=labels, random_state=0
    )
    val_images, test_images, val_labels, test_labels = model_selection.train_test_split(
        rest_images, rest_labels, train_size=323, stratify=rest_labels, random_state=0
    )
    inputs = _standardised(map(torch.from_numpy, (train_images, val_images, test_images)))
    targets = [torch.from_numpy(y) for y in (train_labels, val_labels, test_labels)]
    splits = [Split(*pair) for pair in zip(inputs, targets, strict=True)]
    return Dataset(splits[0], splits[1], splits[2], num_classes=10)


def load_mnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """MNIST: 54,000 training, 6,000 validation and 10,000 test images of 28x28 pixels.

    Args:
        data_dir: See `data_directory`. Downloaded into it by torchvision if absent.

    Source:
        Y. LeCun, C. Cortes and C. Burges, The MNIST database, 1998.
    """
    return _load_image_files("MNIST", data_directory(data_dir))


def load_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Fashion-MNIST, in the form and the splits of `load_mnist`.

    Source:
        H. Xiao, K. Rasul and R. Vollgraf, arXiv:1708.07747, 2017.
    """
    return _load_image_files("FashionMNIST", data_directory(data_dir))


_IMAGE_FILES = {load_mnist: "MNIST", load_fashion_mnist: "FashionMNIST"}


def data_digest(
    loader: Callable[..., Dataset], data_dir: str | os.PathLike[str] | None = None
) -> str | None:
    """Tells the data of a task from what is published under its name.

    Args:
        loader: Function from a data folder to a `Dataset`.
        data_dir: See `data_directory`.

    Returns:
        None if it is the published data, or if nothing is published: that of the user's own
        functions, and Digits, which a library holds.
    """
    name = _IMAGE_FILES.get(loader)
    return None if name is None else difference(name, data_directory(data_dir) / name / "raw")


def _load_image_files(name: str, root: Path) -> Dataset:
    folder = root / name / "raw"
    advice = (
        f"Set {DATA_VARIABLE} or data_dir= to the folder that holds {name}/raw, delete damaged "
        "files to have them downloaded again, or use a DigitsCnn env, which needs no download"
    )
    (images, labels), (test_images, test_labels) = read_image_files(name, root, advice)
    if difference(name, folder) is not None:
        _log.warning(
            "%s in %s is not the published data: its results are stored apart from those of that; "
            "delete the folder to have it downloaded anew",
            name,
            folder,
        )
    if len(images) <= _VALIDATION_IMAGES:
        raise DataUnavailable(
            f"{name} in {folder} must hold more than {_VALIDATION_IMAGES} training images, got "
            f"{len(images)}: delete that folder to have it downloaded again"
        )
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(images)))
    held_out, kept = order[:_VALIDATION_IMAGES], order[_VALIDATION_IMAGES:]
    parts = ((images, kept), (images, held_out), (test_images, slice(None)))
    inputs = _standardised(pixels[places].unsqueeze(1) for pixels, places in parts)
    targets = (labels[kept], labels[held_out], test_labels)
    splits = [Split(*pair) for pair in zip(inputs, targets, strict=True)]
    return Dataset(splits[0], splits[1], splits[2], num_classes=10)


def _standardised(splits: Iterable[Tensor]) -> list[Tensor]:
    """Shifts and scales all splits so that the pixels of the first have mean 0 and deviation 1."""
    inputs = [split.to(torch.float32, copy=True) for split in splits]
    sums = torch.zeros(2, dtype=torch.float64)
    # In parts, for arithmetic in float64 copies what it reads.
    for part in inputs[0].split(1024):
        pixels = part.double()
        sums += torch.stack([pixels.sum(), (pixels * pixels).sum()])
    mean, square = sums / inputs[0].numel()
    std = (square - mean**2).sqrt()
    return [split.sub_(mean.float()).div_(std.float()) for split in inputs]


@usual_torch_settings()
def load_dataset(
    loader: Callable[..., Dataset],
    data_dir: str | os.PathLike[str] | None = None,
    train_size: int | None = None,
    device: str = "cpu",
) -> Dataset:
    """Loads a data set, once per process for each set of arguments.

    Args:
        loader: Function from a data folder to a `Dataset`.
        data_dir: See `data_directory`.
        train_size: Number of training samples to keep; all if None.
        device: Where the tensors live.

    Raises:
        DataUnavailable: If the data is neither on disk nor downloadable.
        InvalidArgument: If `train_size` exceeds the training samples.
    """
    with _loading:
        return _derive(loader, str(data_directory(data_dir)), train_size, device)


@functools.cache
def _derive(
    loader: Callable[..., Dataset], data_dir: str, train_size: int | None, device: str
) -> Dataset:
    if device != "cpu":
        return _derive(loader, data_dir, train_size, "cpu").to(torch.device(device))
    if train_size is not None:
        return _derive(loader, data_dir, None, "cpu").with_train_size(train_size)
    loaded = loader(data_dir)
    if not isinstance(loaded, Dataset):
        raise InvalidArgument(
            f"the dataset function of a task must return a Dataset, got {loaded!r}"
        )
    return loaded
