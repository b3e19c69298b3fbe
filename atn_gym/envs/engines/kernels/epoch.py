"""The compiled entry points: some steps of training, and evaluation."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from atn_gym.envs.engines.kernels.building import compiled
from atn_gym.envs.engines.kernels.layout import Network
from atn_gym.envs.engines.kernels.linear import cross_entropy
from atn_gym.envs.engines.kernels.passes import (
    arrange,
    arrange_backward,
    backward,
    forward,
    load_batch,
)
from atn_gym.envs.engines.kernels.updates import Hyperparameters, adamw, sgd
from atn_gym.envs.engines.kernels.vectors import Floats, Integers, Lanes
from atn_gym.envs.engines.kernels.workspace import Workspace


@njit
def _add_noise(
    gradient: Floats,
    places: Integers,
    noise: Floats,
    scale: float,
) -> None:
    """Adds noise of `scale` times the root mean square of the gradient."""
    square = 0.0
    for place in places:
        square += np.float64(gradient[place]) ** 2
    factor = np.float32(scale * math.sqrt(square / places.size))
    for i in range(places.size):
        gradient[places[i]] += factor * noise[i]


@functools.cache
def entry_points(first_lanes: Lanes, second_lanes: Lanes) -> tuple[Any, Any]:
    """Functions that train some steps and that evaluate, without the global lock.

    Args:
        first_lanes: Lanes of the first convolution.
        second_lanes: Lanes of the second.
    """

    def train_steps(
        inputs: Floats,
        labels: Integers,
        order: NDArray[np.int64],
        loss_scale: Floats,
        noise: Floats,
        noise_scale: float,
        noise_places: Integers,
        values: Hyperparameters,
        started: int,
        net: Network,
        space: Workspace,
        losses: NDArray[np.float64],
    ) -> int:
        """Trains one run by some mini-batches, in the weights of the workspace.

        Args:
            inputs: Samples (N, depth, height, width), flat.
            labels: Their labels (N,).
            order: Samples of each mini-batch (steps, batch).
            loss_scale: Factor on the loss of each mini-batch (steps,).
            noise: Standard normal draws (steps, P), or none, (0, 1).
            noise_scale: Size of the noise in units of the gradient's root mean square.
            noise_places: Where the weights lie that each draw belongs to (P,).
            values: Hyperparameters.
            started: Steps that the optimizer has taken before; SGD only asks whether there are any.
            net: Sizes of the network.
            space: Workspace.
            losses: Receives the mean loss of each mini-batch before scaling (steps,).

        Returns:
            The number of right answers while training.
        """
        steps, batch = order.shape
        right = 0
        for step in range(steps):
            arrange(net, space, first_lanes, second_lanes)
            arrange_backward(net, space)
            space.gradient[:] = 0
            total = 0.0
            for first in range(0, batch, net.micro_batch):
                samples = order[step, first : first + net.micro_batch]
                count = samples.size
                load_batch(inputs, labels, samples, net, space)
                forward(count, net, space, first_lanes, second_lanes)
                loss, answers = cross_entropy(
                    space.logits, space.labels, count, net.classes, net.outputs
                )
                total += loss
                right += answers
                scale = np.float32(loss_scale[step] / batch)
                backward(count, scale, net, space, first_lanes, second_lanes)
            losses[step] = total / batch
            if noise.shape[0] > 0:
                _add_noise(space.gradient, noise_places, noise[step], noise_scale)
            if values.adaptive:
                adamw(
                    space.weights,
                    space.gradient,
                    space.momentum,
                    space.square,
                    values,
                    started + step + 1,
                )
            else:
                sgd(space.weights, space.gradient, space.momentum, values, started + step > 0)
        return right

    def evaluate(
        inputs: Floats,
        labels: Integers,
        net: Network,
        space: Workspace,
    ) -> tuple[float, int]:
        """Sum of the losses of all samples, and the number of right answers.

        Args:
            inputs: Samples (N, depth, height, width), flat.
            labels: Their labels (N,).
            net: Sizes of the network.
            space: Workspace, with the weights of the run.
        """
        arrange(net, space, first_lanes, second_lanes)
        samples = np.arange(labels.size)
        total, right = 0.0, 0
        for first in range(0, labels.size, net.micro_batch):
            chosen = samples[first : first + net.micro_batch]
            load_batch(inputs, labels, chosen, net, space)
            forward(chosen.size, net, space, first_lanes, second_lanes)
            loss, answers = cross_entropy(
                space.logits, space.labels, chosen.size, net.classes, net.outputs
            )
            total += loss
            right += answers
        return total, right

    variant = f"{len(first_lanes)}x{len(second_lanes)}"
    return compiled(train_steps, variant), compiled(evaluate, variant)
