"""A data set: three splits of labelled images, held as tensors and shared by all runs."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atn_gym.envs.process_lock import ProcessLock
from atn_gym.errors import InvalidArgument, check_positive_integer

SPLITS = ("train", "validation", "test")
KEPT_BYTES = 512 * 2**20
"""Memory, for the whole process, of the shifted inputs that are kept for later epochs.

Beyond it, what has not been used for longest is dropped, and computed again when a run needs
it: many runs with noise of their own would otherwise hold a copy of the data set each.
"""

Transform = Callable[[Tensor, str], Tensor]
"""Maps the clean inputs (N, C, H, W) of a split, given with its name, to shifted ones.

It must be pure, hashable and picklable: results are shared, and snapshots hold it. A
frozen dataclass with `__call__` is all three.
"""


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of one split.

    Args:
        inputs: Float32 tensor of shape (N, C, H, W), standardised. Never written to.
        labels: Int64 tensor of shape (N,). Never written to.

    Raises:
        InvalidArgument: If they are not such tensors, or hold no sample.
    """

    inputs: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        _check_tensor("inputs", self.inputs, torch.float32, ("N", "C", "H", "W"))
        _check_tensor("labels", self.labels, torch.int64, ("N",))
        if len(self.inputs) != len(self.labels) or not len(self.labels):
            raise InvalidArgument(
                "a split must hold at least one sample, and a label for each, got "
                f"{len(self.inputs)} samples and {len(self.labels)} labels"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Split:
        """The same samples on another device."""
        return Split(self.inputs.to(device), self.labels.to(device))


def _check_tensor(name: str, value: object, dtype: torch.dtype, axes: tuple[str, ...]) -> None:
    if isinstance(value, Tensor) and value.dtype == dtype and value.ndim == len(axes):
        return
    got = f"{value.dtype} of {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
    raise InvalidArgument(
        f"{name} of a split must be a {dtype} tensor with axes {', '.join(axes)}, got {got}"
    )


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in its three splits, shared by all runs of a process.

    Args:
        train: What is trained on.
        validation: What drives observations, rewards and metrics.
        test: Only the evaluation harness uses it, once, at the end of a run.
        num_classes: Number of classes C.

    Raises:
        InvalidArgument: If a label is not below C, or the splits hold samples of different
            shapes.
    """

    train: Split
    validation: Split
    test: Split
    num_classes: int

    def __post_init__(self) -> None:
        check_positive_integer("num_classes", self.num_classes)
        for name in SPLITS:
            split = self.split(name)
            low, high = (int(label) for label in split.labels.aminmax())
            if low < 0 or high >= self.num_classes:
                raise InvalidArgument(
                    f"labels of {self.num_classes} classes must be from 0 to "
                    f"{self.num_classes - 1}, got {low} to {high} in the {name} split"
                )
            if split.inputs.shape[1:] != self.input_shape:
                raise InvalidArgument(
                    f"samples of every split must have the shape {self.input_shape} of those of "
                    f"the train split, got {tuple(split.inputs.shape[1:])} in the {name} split"
                )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a sample."""
        channels, height, width = self.train.inputs.shape[1:]
        return channels, height, width

    def split(self, name: str) -> Split:
        """The split of the name "train", "validation" or "test"."""
        split: Split = getattr(self, name)
        return split

    def transformed(self, transform: Transform, name: str) -> Tensor:
        """Inputs of a split under a transform, kept within `KEPT_BYTES`.

        Args:
            transform: The shift; equal transforms share one result.
            name: Name of the split.

        Returns:
            Float32 tensor of shape (N, C, H, W). Never written to.
        """
        key = (self, transform, name)
        inputs = _kept.find(key)
        if inputs is None:
            inputs = transform(self.split(name).inputs, name)
            _kept.keep(key, inputs)
        return inputs

    @functools.cached_property
    def easiest_first(self) -> Tensor:
        """Rank of each training sample by its distance to the mean of its class.

        Ranks are relative within a class, in [0, 1), so that taking the easiest share
        keeps the classes in balance. Float64 tensor of shape (N,).
        """
        flat, labels = self.train.inputs.flatten(1), self.train.labels
        ranks = torch.empty(len(labels), dtype=torch.float64, device=labels.device)
        for c in range(self.num_classes):
            members = torch.nonzero(labels == c).flatten()
            distance = (flat[members] - flat[members].mean(0)).norm(dim=1)
            order = torch.argsort(distance, stable=True)
            places = torch.arange(len(members), dtype=torch.float64, device=labels.device)
            ranks[members[order]] = places / max(len(members), 1)
        return ranks

    def to(self, device: torch.device) -> Dataset:
        """The same data set on another device."""
        train, validation, test = (self.split(name).to(device) for name in SPLITS)
        return Dataset(train, validation, test, self.num_classes)

    def with_train_size(self, size: int) -> Dataset:
        """The same data set with only the first `size` training samples.

        Raises:
            InvalidArgument: If there are fewer training samples than that.
        """
        if not 1 <= size <= len(self.train):
            raise InvalidArgument(
                f"train_size must be between 1 and the {len(self.train)} training samples "
                f"of the data set, got {size}"
            )
        train = Split(self.train.inputs[:size].clone(), self.train.labels[:size].clone())
        return Dataset(train, self.validation, self.test, self.num_classes)


class _Kept:
    """Shifted inputs, the last used at the end, within `KEPT_BYTES`."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._inputs: OrderedDict[tuple[Dataset, Transform, str], Tensor] = OrderedDict()
        self.nbytes = 0

    def find(self, key: tuple[Dataset, Transform, str]) -> Tensor | None:
        """What was kept under a key."""
        with self._lock:
            if key in self._inputs:
                self._inputs.move_to_end(key)
            return self._inputs.get(key)

    def keep(self, key: tuple[Dataset, Transform, str], inputs: Tensor) -> None:
        """Keeps inputs, and drops what has not been used for longest where room is needed."""
        with self._lock:
            if key not in self._inputs:
                self._inputs[key] = inputs
                self.nbytes += inputs.nbytes
            while self.nbytes > KEPT_BYTES:
                _, dropped = self._inputs.popitem(last=False)
                self.nbytes -= dropped.nbytes

    def drop_all(self) -> None:
        """Keeps nothing of what was kept."""
        with self._lock:
            self._inputs.clear()
            self.nbytes = 0


_kept = _Kept()
