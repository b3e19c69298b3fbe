"""Convolution 3x3, max-pool 2 and ReLU in one, for a few samples.

A pixel is `channels` adjacent floats, a row is contiguous and samples have a border of
zeros, so that the three pixels under a row of the 3x3 kernel are one run of floats. A
window is the 2x2 pixels that one pooled pixel is made of; what the pooling would drop is
never computed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from atn_gym.envs.engines.kernels.tiles import Tile, add_scaled
from atn_gym.envs.engines.kernels.vectors import (
    Floats,
    Lanes,
    SmallIntegers,
    add,
    choose,
    fill,
    gate,
    item,
    load,
    put,
    store,
    store_integers,
)


class Convolution(NamedTuple):
    """Sizes of a convolution and where its data lies.

    Args:
        channels: Floats in an input pixel.
        row: Floats in a bordered input row.
        size: Floats in a bordered input sample.
        windows: Pooled pixels in a sample.
        filters: Filters that there are.
        stored: Filters with padding: floats in an output pixel.
        taps: Floats under a row of the 3x3 kernel, 3 * channels.
        segment: The same with padding.
        out_size: Floats in an output sample.
        origins: Where the upper left tap of each window lies in a sample, int64 (windows,).
        places: Where the pooled pixel of each window lies in an output, int64 (windows,).
    """

    channels: int
    row: int
    size: int
    windows: int
    filters: int
    stored: int
    taps: int
    segment: int
    out_size: int
    origins: Any
    places: Any


@njit
def arrange_filters(
    weights: Floats,
    at: int,
    conv: Convolution,
    out: Floats,
    lanes: Lanes,
) -> None:
    """Copies weights (stored, 3, segment) to (stored / lanes, 3, taps, lanes)."""
    n = len(lanes)
    to = 0
    for first in range(0, conv.stored, n):
        for row in range(3):
            for tap in range(conv.taps):
                for f in range(first, first + n):
                    put(out, to, item(weights, at + (3 * f + row) * conv.segment + tap))
                    to += 1


@njit
def convolve(
    source: Floats,
    first: int,
    last: int,
    conv: Convolution,
    arranged: Floats,
    weights: Floats,
    bias: int,
    out: Floats,
    winners: SmallIntegers,
    lanes: Lanes,
) -> None:
    """Convolves, pools and rectifies samples `first` to `last` - 1.

    Args:
        source: Bordered inputs (samples, size).
        first: First sample.
        last: End of the samples.
        conv: Sizes.
        arranged: What `arrange_filters` gave.
        weights: All weights, of which the bias is read.
        bias: Where the bias begins.
        out: Receives the outputs (samples, out_size).
        winners: Receives where in a sample the upper left tap of the largest pixel of each
            window lies, int32 (samples, windows, stored).
        lanes: Divides `stored`.
    """
    for s in range(first, last):
        for block in range(0, conv.stored, len(lanes)):
            start = load(weights, bias + block, lanes)
            for window in range(0, conv.windows, 2):
                # An odd last window is computed twice.
                other = min(window + 1, conv.windows - 1)
                left, right = _two_windows(
                    source,
                    s * conv.size + item(conv.origins, window),
                    s * conv.size + item(conv.origins, other),
                    conv,
                    arranged,
                    block * 3 * conv.taps,
                    start,
                    lanes,
                )
                _pool(left, s, window, block, conv, out, winners, lanes)
                _pool(right, s, other, block, conv, out, winners, lanes)


@njit(forceinline=True)
def _two_windows(
    source: Floats,
    first: int,
    second: int,
    conv: Convolution,
    arranged: Floats,
    at: int,
    bias: Tile,
    lanes: Lanes,
) -> tuple[Tile, Tile]:
    """The four pixels of each of two windows for as many filters as there are lanes."""
    offsets = (0, conv.channels, conv.row, conv.row + conv.channels)
    left = (bias, bias, bias, bias)
    right = (bias, bias, bias, bias)
    for _ in range(3):
        for tap in range(conv.taps):
            weight = load(arranged, at, lanes)
            left = add_scaled(left, weight, source, first + tap, offsets)
            right = add_scaled(right, weight, source, second + tap, offsets)
            at += len(lanes)
        first += conv.row
        second += conv.row
    return left, right


@njit(forceinline=True)
def _pool(
    pixels: Tile,
    sample: int,
    window: int,
    block: int,
    conv: Convolution,
    out: Floats,
    winners: SmallIntegers,
    lanes: Lanes,
) -> None:
    """Writes the largest of four pixels, rectified, and which it is: the first of equals."""
    a, b, c, d = pixels
    right, below = conv.channels, conv.row
    winner = choose(b, a, fill(right, lanes), fill(0, lanes))
    largest = choose(b, a, b, a)
    winner = choose(c, largest, fill(below, lanes), winner)
    largest = choose(c, largest, c, largest)
    winner = choose(d, largest, fill(below + right, lanes), winner)
    largest = choose(d, largest, d, largest)
    winner = add(winner, fill(item(conv.origins, window), lanes))
    place = sample * conv.out_size + item(conv.places, window) + block
    store(out, place, gate(largest, largest))
    store_integers(winners, (sample * conv.windows + window) * conv.stored + block, winner)
