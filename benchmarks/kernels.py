"""Where does the time of the compiled engine go? Each kernel on one mini-batch of 64.

python benchmarks/kernels.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from throughput import matrix_product_rate, report_machine

from atn_gym.envs.data import Split, load_digits, load_mnist
from atn_gym.envs.engines.kernels import convolution, linear, passes, updates, weight_passes
from atn_gym.envs.engines.kernels.layout import LANES, Network, lanes_of, make_network
from atn_gym.envs.engines.kernels.workspace import Workspace, make_workspace

_BATCH = 64
_REPEATS = 50


def best_seconds(call: Callable[[], object]) -> float:
    """Shortest time of a call, after one that may compile it."""
    call()
    seconds = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def prepare(data: Split, hidden: int) -> tuple[Network, Workspace]:
    """A network with random weights and its first mini-batch, forward and backward."""
    shape = data.inputs.shape[1:]
    net = make_network((shape[0], shape[1], shape[2]), (8, 16), hidden, 10)
    net = net._replace(micro_batch=_BATCH)
    space = make_workspace(net)
    draws = np.random.default_rng(0)
    space.weights[: net.size] = draws.normal(0, 0.1, net.size)
    inputs, labels = data.inputs.numpy().ravel(), data.labels.numpy()
    first, second = lanes_of(net.first), lanes_of(net.second)
    passes.load_batch(inputs, labels, np.arange(_BATCH), 0, _BATCH, net, space)
    weight_passes.arrange(net, space, first, second)
    weight_passes.arrange_backward(0, 1, net, space)
    passes.forward(0, _BATCH, net, space, first, second)
    passes.backward(0, _BATCH, np.float32(1 / _BATCH), net, space, first, second)
    return net, space


def kernels(net: Network, space: Workspace) -> dict[str, tuple[Callable[[], object], float]]:
    """Calls by name, each with the operations that a dense computation takes."""
    first, second = lanes_of(net.first), lanes_of(net.second)
    wide = (0,) * LANES
    features = net.second.out_size
    per_tap = 2.0 * 4 * 9 * _BATCH
    conv1 = per_tap * net.first.windows * net.depth * net.first.filters
    conv2 = per_tap * net.second.windows * net.first.filters * net.second.filters
    linear1 = 2.0 * _BATCH * features * net.hidden
    weights, gradient, count = space.weights, space.gradient, _BATCH
    velocity, values = space.momentum, updates.Hyperparameters(False, 0.0, 0.9, 0.0, 0.0, 0.0)
    return {
        "convolution 1, forward": (
            lambda: convolution.convolve(
                space.inputs,
                0,
                count,
                net.first,
                space.first_filters,
                weights,
                net.first_bias,
                space.pooled,
                space.pooled_winners,
                first,
            ),
            conv1,
        ),
        "convolution 2, forward": (
            lambda: convolution.convolve(
                space.pooled,
                0,
                count,
                net.second,
                space.second_filters,
                weights,
                net.second_bias,
                space.features,
                space.feature_winners,
                second,
            ),
            conv2,
        ),
        "linear 1, forward": (
            lambda: linear.multiply(
                space.features,
                0,
                count,
                features,
                weights,
                net.hidden_weights,
                weights,
                net.hidden_bias,
                net.hidden,
                space.hidden,
                wide,
            ),
            linear1,
        ),
        "linear 1, input gradient": (
            lambda: linear.multiply(
                space.hidden_gradient,
                0,
                count,
                net.hidden,
                space.hidden_weights,
                0,
                space.zeros,
                0,
                features,
                space.features_gradient,
                second,
            ),
            linear1,
        ),
        "linear 1, weight gradient": (
            lambda: linear.add_linear_gradient(
                space.features,
                space.hidden_gradient,
                count,
                0,
                features,
                features,
                net.hidden,
                gradient,
                net.hidden_weights,
                net.hidden_bias,
                wide,
            ),
            linear1,
        ),
        "convolution 2, lists and input gradient": (
            lambda: passes.second_backward(0, count, net, space, second),
            conv2,
        ),
        "convolution 2, weight gradient": (
            lambda: weight_passes.add_second_gradient(count, 0, 1, net, space),
            conv2,
        ),
        "convolution 1, lists": (
            lambda: passes.first_backward(0, count, net, space, first),
            0.0,
        ),
        "convolution 1, weight gradient": (
            lambda: weight_passes.add_first_gradient(count, 0, 1, net, space),
            conv1,
        ),
        "weights into their other orders": (
            lambda: (
                weight_passes.arrange(net, space, first, second),
                weight_passes.arrange_backward(0, 1, net, space),
            ),
            0.0,
        ),
        "SGD": (lambda: updates.sgd(weights, gradient, velocity, values, True), 0.0),
        "whole forward pass": (lambda: passes.forward(0, count, net, space, first, second), 0.0),
        "whole backward pass, but for weights": (
            lambda: passes.backward(0, count, np.float32(1 / count), net, space, first, second),
            0.0,
        ),
        "gradients of all weights": (
            lambda: weight_passes.add_gradients(count, 0, 1, net, space),
            0.0,
        ),
    }


def main() -> None:
    """Prints a row for each kernel, as Markdown."""
    report_machine(f"shortest of {_REPEATS} calls, of which each takes some 10 microseconds more")
    print("| data | kernel | microseconds | GFLOP/s, if dense |")
    print("|---|---|---|---|")
    for name, load, hidden in (("Digits", load_digits, 32), ("MNIST", load_mnist, 64)):
        for kernel, (call, flops) in kernels(*prepare(load(None).train, hidden)).items():
            seconds = best_seconds(call)
            dense = f"{flops / seconds / 1e9:.0f}" if flops else ""
            print(f"| {name} | {kernel} | {seconds * 1e6:.1f} | {dense} |", flush=True)
    rate = max(matrix_product_rate() for _ in range(5))
    print(f"\nProduct of two large float32 matrices: {rate / 1e9:.0f} GFLOP/s at best.")


if __name__ == "__main__":
    main()
