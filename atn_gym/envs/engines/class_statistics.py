"""What a quadratic must know of labelled samples: share, mean and variance of each class."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.envs.data.run_data import chosen
from atn_gym.envs.engines.base import Samples


class ClassStatistics(NamedTuple):
    """Statistics of labelled samples; of several sets of them with a leading axis.

    Args:
        share: Share of each class, (C,).
        mean: Mean input of each class, (C, P); 0 for a class without samples.
        variance: Variance of the inputs of each class, (C, P).
    """

    share: FloatArray
    mean: FloatArray
    variance: FloatArray


def class_statistics(inputs: Tensor, labels: Tensor, num_classes: int) -> ClassStatistics:
    """Statistics of inputs (N, ...) with labels (N,)."""
    pixels, classes = inputs.flatten(1).double().numpy(), labels.numpy()
    counts = np.bincount(classes, minlength=num_classes)
    one_hot = (classes == np.arange(num_classes)[:, None]).astype(np.float64)
    some = np.maximum(counts, 1)[:, None]
    mean = one_hot @ pixels / some
    variance = one_hot @ (pixels - mean[classes]) ** 2 / some
    return ClassStatistics(counts / len(classes), mean, variance)


class KnownStatistics:
    """Statistics of the samples that were used last; the same object is the same samples.

    Args:
        num_classes: Number of classes C.
        capacity: Sets of samples whose statistics are kept.
    """

    def __init__(self, num_classes: int, capacity: int) -> None:
        self._num_classes = num_classes
        self._capacity = capacity
        self._kept: OrderedDict[int, tuple[Samples, ClassStatistics]] = OrderedDict()

    def of(self, samples: Sequence[Samples]) -> tuple[ClassStatistics, IntArray]:
        """Statistics of n sets of samples, many of which may be the same.

        Returns:
            Statistics of the S different sets, with a leading axis of S, and the place of each of
            the n among them, (n,).
        """
        keys = [id(one) for one in samples]
        different = dict(zip(keys, samples, strict=True))
        found = [self._find(key, one) for key, one in different.items()]
        places = dict(zip(different, range(len(different)), strict=True))
        stacked = (np.stack(part) for part in zip(*found, strict=True))
        return ClassStatistics(*stacked), np.array([places[key] for key in keys])

    def _find(self, key: int, samples: Samples) -> ClassStatistics:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        inputs, labels, pool = samples
        if pool is not None:
            inputs, labels = chosen(inputs, pool), chosen(labels, pool)
        statistics = class_statistics(inputs, labels, self._num_classes)
        # What is kept with it keeps its identity.
        self._kept[key] = samples, statistics
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return statistics
