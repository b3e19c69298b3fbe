"""Where the kernels keep the weights of a network.

Kernels want filters and channels in multiples of their lanes and in an order of their own,
so weights are kept twice: flat, in the order of torch, between epochs, and packed with
padding while an epoch is trained. Padding begins at zero and reaches no result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atn_gym.envs.engines.kernels.convolution import Convolution
from atn_gym.errors import InvalidArgument

IntArray = NDArray[np.int64]

LANES = 16
"""Lanes of linear layers, and of convolutions with enough filters."""
_FEW_LANES = 8
_MICRO_BATCH_BYTES = 1_000_000
_GROUP_BYTES = 24_000
_LARGEST_SAMPLE = 2**24
"""Floats in a sample; places in it are held as float32 and must be exact."""


class Network(NamedTuple):
    """Sizes of a `SmallCnn` and where its packed weights begin.

    Args:
        depth: Input channels.
        height: Input rows.
        width: Input columns.
        first: The first convolution.
        second: The second convolution.
        hidden: Hidden units with padding.
        outputs: Classes with padding.
        classes: Number of classes.
        first_bias: Where each part of the packed weights begins; the filters of the first
            convolution begin at 0.
        second_filters: See `first_bias`.
        second_bias: See `first_bias`.
        hidden_weights: See `first_bias`.
        hidden_bias: See `first_bias`.
        output_weights: See `first_bias`.
        output_bias: See `first_bias`.
        size: Number of packed weights.
        micro_batch: Samples that are computed together.
        first_group: Samples whose gradients are listed together, first convolution.
        second_group: The same of the second convolution.
    """

    depth: int
    height: int
    width: int
    first: Convolution
    second: Convolution
    hidden: int
    outputs: int
    classes: int
    first_bias: int
    second_filters: int
    second_bias: int
    hidden_weights: int
    hidden_bias: int
    output_weights: int
    output_bias: int
    size: int
    micro_batch: int
    first_group: int
    second_group: int


def make_network(
    input_shape: tuple[int, int, int], channels: Sequence[int], hidden: int, classes: int
) -> Network:
    """Lays a network out; arguments as those of `SmallCnn`.

    Raises:
        InvalidArgument: If a sample is too large for the kernels.
    """
    depth, height, width = input_shape
    half, quarter = (height // 2, width // 2), (height // 4, width // 4)
    filters = [_padded(count, _FEW_LANES) for count in channels]
    bordered = (half[1] + 2) * filters[0], (half[0] + 2) * (half[1] + 2) * filters[0]
    first = Convolution(
        channels=depth,
        row=(width + 2) * depth,
        size=(height + 2) * (width + 2) * depth,
        windows=half[0] * half[1],
        filters=channels[0],
        stored=filters[0],
        taps=3 * depth,
        segment=4 if depth == 1 else _padded(3 * depth, 12),
        out_size=bordered[1],
        origins=_grid(half, 2 * (width + 2) * depth, 2 * depth),
        places=_grid(half, bordered[0], filters[0]) + bordered[0] + filters[0],
    )
    second = Convolution(
        channels=filters[0],
        row=bordered[0],
        size=bordered[1],
        windows=quarter[0] * quarter[1],
        filters=channels[1],
        stored=filters[1],
        taps=3 * filters[0],
        segment=3 * filters[0],
        out_size=quarter[0] * quarter[1] * filters[1],
        origins=_grid(quarter, 2 * bordered[0], 2 * filters[0]),
        places=_grid(quarter, quarter[1] * filters[1], filters[1]),
    )
    if max(first.size, second.size) > _LARGEST_SAMPLE:
        raise InvalidArgument(
            f"the compiled engine takes samples of at most {_LARGEST_SAMPLE} floats, border and "
            f"channels included, got an input of shape {input_shape}: use engine='torch'"
        )
    stored_hidden, outputs = _padded(hidden, LANES), _padded(classes, LANES)
    parts = (
        filters[0] * 3 * first.segment,
        filters[0],
        filters[1] * 3 * second.segment,
        filters[1],
        second.out_size * stored_hidden,
        stored_hidden,
        stored_hidden * outputs,
        outputs,
    )
    starts = np.cumsum([_padded(part, LANES) for part in parts]).tolist()
    floats = first.size + 2 * second.size + 2 * first.windows * filters[0] + 4 * second.out_size
    return Network(
        depth=depth,
        height=height,
        width=width,
        first=first,
        second=second,
        hidden=stored_hidden,
        outputs=outputs,
        classes=classes,
        first_bias=starts[0],
        second_filters=starts[1],
        second_bias=starts[2],
        hidden_weights=starts[3],
        hidden_bias=starts[4],
        output_weights=starts[5],
        output_bias=starts[6],
        size=starts[7],
        micro_batch=8 * int(np.clip(_MICRO_BATCH_BYTES // (8 * 4 * floats), 1, 8)),
        first_group=_group(first),
        second_group=_group(second),
    )


def _group(conv: Convolution) -> int:
    """A power of two that divides eight, for passes take multiples of eight samples."""
    return 1 << int(np.log2(np.clip(_GROUP_BYTES // (4 * conv.size), 1, 8)))


def _padded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _grid(shape: tuple[int, int], row: int, column: int) -> IntArray:
    rows, columns = np.indices(shape, dtype=np.int64)
    return (rows * row + columns * column).ravel()


def lanes_of(conv: Convolution) -> tuple[int, ...]:
    """As many zeros as the lanes that suit a convolution's filters."""
    return (0,) * (LANES if conv.stored % LANES == 0 else _FEW_LANES)


def packed_places(network: Network, hidden: int) -> list[IntArray]:
    """Where each weight of a `SmallCnn` lies among the packed ones.

    Args:
        network: Its layout.
        hidden: Its hidden units.

    Returns:
        An array of the shape of each parameter, in the order of `SmallCnn.parameters()`.
    """
    first, second = network.first, network.second
    features = second.windows * second.filters
    # The features are flattened by channel, window; they are stored by window, channel.
    feature = np.arange(features).reshape(second.filters, second.windows)
    feature = feature % second.windows * second.stored + feature // second.windows
    row, column = np.indices((network.classes, hidden))
    return [
        _filter_places(first, network.depth, 0),
        network.first_bias + np.arange(first.filters),
        _filter_places(second, first.filters, network.second_filters),
        network.second_bias + np.arange(second.filters),
        network.hidden_weights + feature.ravel() * network.hidden + np.arange(hidden)[:, None],
        network.hidden_bias + np.arange(hidden),
        network.output_weights + column * network.outputs + row,
        network.output_bias + np.arange(network.classes),
    ]


def _filter_places(conv: Convolution, channels: int, start: int) -> IntArray:
    f, channel, y, x = np.indices((conv.filters, channels, 3, 3))
    return np.asarray(start + (3 * f + y) * conv.segment + x * conv.channels + channel)
