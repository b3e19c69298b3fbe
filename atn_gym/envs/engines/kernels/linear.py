"""Linear layers and the cross-entropy for a few samples.

Weights are laid out (inputs, outputs). Rows of activations are computed eight at a time,
so buffers have room for a multiple of eight.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from atn_gym.envs.engines.kernels.tiles import add_scaled, load_tile, store_tile
from atn_gym.envs.engines.kernels.vectors import (
    Floats,
    Integers,
    Lanes,
    add,
    gate,
    item,
    load,
    put,
    store,
)


@njit
def transpose(
    source: Floats,
    at: int,
    first: int,
    last: int,
    rows: int,
    columns: int,
    out: Floats,
) -> None:
    """Copies rows `first` to `last` - 1 of a matrix to columns of another.

    Args:
        source: Holds the matrix (rows, columns).
        at: Where it begins.
        first: First row.
        last: End of the rows.
        rows: Rows of the whole matrix.
        columns: Its columns.
        out: The other matrix (columns, rows).
    """
    for block in range(first, last, 16):
        for column in range(columns):
            for row in range(block, min(block + 16, last)):
                put(out, column * rows + row, item(source, at + row * columns + column))


@njit
def multiply(
    left: Floats,
    first: int,
    last: int,
    inner: int,
    right: Floats,
    at: int,
    bias: Floats,
    bias_at: int,
    columns: int,
    out: Floats,
    lanes: Lanes,
) -> None:
    """Multiplies matrices and adds a bias: left (rows, inner) by right (inner, columns).

    Args:
        left: Left matrix, with rows up to a multiple of eight.
        first: First row that is computed, a multiple of eight.
        last: End of the rows.
        inner: Number of summands.
        right: Holds the right matrix.
        at: Where it begins.
        bias: Holds the bias (columns,).
        bias_at: Where it begins.
        columns: Number of columns.
        out: Receives the product (rows, columns), with rows up to a multiple of eight.
        lanes: Divides `columns`.
    """
    steps = _multiples(inner)
    places = _multiples(columns)
    for column in range(0, columns, len(lanes)):
        b = load(bias, bias_at + column, lanes)
        for row in range(first, last, 8):
            tile = (b, b, b, b, b, b, b, b)
            weight = at + column
            for k in range(row * inner, row * inner + inner):
                tile = add_scaled(tile, load(right, weight, lanes), left, k, steps)
                weight += columns
            store_tile(out, row * columns + column, places, tile)


@njit
def _multiples(
    step: int,
) -> tuple[int, ...]:
    return 0, step, 2 * step, 3 * step, 4 * step, 5 * step, 6 * step, 7 * step


@njit
def rectify(
    values: Floats,
    first: int,
    last: int,
    lanes: Lanes,
) -> None:
    """Applies ReLU in place to values `first` to `last` - 1; the lanes divide both."""
    for i in range(first, last, len(lanes)):
        value = load(values, i, lanes)
        store(values, i, gate(value, value))


@njit
def stop_at_rectifier(
    gradient: Floats,
    activation: Floats,
    first: int,
    last: int,
    lanes: Lanes,
) -> None:
    """Stops the gradient, in place, of values `first` to `last` - 1 that ReLU has set to zero."""
    for i in range(first, last, len(lanes)):
        store(gradient, i, gate(load(activation, i, lanes), load(gradient, i, lanes)))


@njit
def add_linear_gradient(
    left: Floats,
    right: Floats,
    rows: int,
    first: int,
    last: int,
    inner: int,
    columns: int,
    out: Floats,
    at: int,
    bias: int,
    lanes: Lanes,
) -> None:
    """Adds the gradient of the weights of some inputs of a linear layer: left.T @ right.

    The first input brings the gradient of the bias, the sum of right.

    Args:
        left: Inputs of the layer (rows, inner).
        right: Gradient of its outputs (rows, columns).
        rows: Number of samples.
        first: First of these inputs, a multiple of eight.
        last: Their end, a multiple of eight.
        inner: Number of inputs of the layer.
        columns: Number of outputs.
        out: Gradient of all weights.
        at: Where that of the layer's (inner, columns) begins.
        bias: Where that of its bias (columns,) begins.
        lanes: Divides `columns`.
    """
    places = _multiples(columns)
    steps = (0, 1, 2, 3, 4, 5, 6, 7)
    for start in range(first, last, 8):
        for column in range(0, columns, len(lanes)):
            to = at + start * columns + column
            tile = load_tile(out, to, places, lanes)
            k = start
            for i in range(column, rows * columns, columns):
                tile = add_scaled(tile, load(right, i, lanes), left, k, steps)
                k += inner
            store_tile(out, to, places, tile)
    if first > 0 or last == 0:
        return
    for column in range(0, columns, len(lanes)):
        total = load(out, bias + column, lanes)
        for i in range(column, rows * columns, columns):
            total = add(total, load(right, i, lanes))
        store(out, bias + column, total)


@njit
def cross_entropy(
    logits: Floats,
    labels: Integers,
    first: int,
    last: int,
    classes: int,
    stored: int,
    losses: NDArray[np.float64],
    right: NDArray[np.bool_],
) -> None:
    """Losses of samples `first` to `last` - 1, and which answers are right.

    An answer is the first of the largest logits, or the first that is NaN.

    Args:
        logits: Logits (rows, stored).
        labels: Labels, int64 (rows,).
        first: First sample.
        last: End of the samples.
        classes: Number of classes.
        stored: The same with padding.
        losses: Receives the losses, of the first of the samples first.
        right: Receives whether the answers are right, in the same order.
    """
    for row in range(first, last):
        at = row * stored
        answer, largest = _largest(logits, at, classes)
        share = np.float32(0)
        for k in range(at, at + classes):
            share += math.exp(logits[k] - largest)
        losses[row - first] = math.log(share) - (logits[at + labels[row]] - largest)
        right[row - first] = answer == labels[row]


@njit
def cross_entropy_gradient(
    logits: Floats,
    labels: Integers,
    first: int,
    last: int,
    classes: int,
    stored: int,
    scale: float,
    out: Floats,
) -> None:
    """Gradient of a scale times the sum of the losses; arguments as in `cross_entropy`."""
    for row in range(first, last):
        at = row * stored
        _, largest = _largest(logits, at, classes)
        share = np.float32(0)
        for k in range(at, at + classes):
            out[k] = math.exp(logits[k] - largest)
            share += out[k]
        for k in range(at, at + classes):
            out[k] *= scale / share
        out[at + classes : at + stored] = 0
        out[at + labels[row]] -= scale


@njit
def _largest(
    values: Floats,
    at: int,
    count: int,
) -> tuple[int, float]:
    answer, largest = 0, values[at]
    for i in range(1, count):
        value = values[at + i]
        if value > largest or (value != value and largest == largest):
            answer, largest = i, value
    return answer, largest
