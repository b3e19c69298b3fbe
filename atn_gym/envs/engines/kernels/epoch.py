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
from atn_gym.envs.engines.kernels.looks import Looks, look
from atn_gym.envs.engines.kernels.passes import backward, forward, load_batch
from atn_gym.envs.engines.kernels.teamwork import Progress, next_part, part_done, share
from atn_gym.envs.engines.kernels.updates import Hyperparameters, adamw, sgd
from atn_gym.envs.engines.kernels.vectors import Floats, Integers, Lanes
from atn_gym.envs.engines.kernels.weight_passes import add_gradients, arrange, arrange_backward
from atn_gym.envs.engines.kernels.workspace import Workspace

Losses = NDArray[np.float64]
Answers = NDArray[np.bool_]


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


@njit
def _update(
    step: int,
    part: int,
    parts: int,
    values: Hyperparameters,
    space: Workspace,
) -> None:
    """Takes a step of the optimizer, the first of which is 1, on a part of the weights."""
    first, last = share(space.weights.size, part, parts)
    weights, gradient = space.weights[first:last], space.gradient[first:last]
    momentum = space.momentum[first:last]
    if values.adaptive:
        adamw(weights, gradient, momentum, space.square[first:last], values, step)
    else:
        sgd(weights, gradient, momentum, values, step > 1)


@njit
def _answer(
    inputs: Floats,
    labels: Integers,
    samples: NDArray[np.int64],
    part: int,
    parts: int,
    net: Network,
    space: Workspace,
    first_lanes: Lanes,
    second_lanes: Lanes,
    losses: Losses,
    right: Answers,
) -> tuple[int, int]:
    """Takes a part of a micro-batch forward, and says which of its samples: first and end."""
    first, last = share(-(-samples.size // 8), part, parts)
    first, last = 8 * first, min(8 * last, samples.size)
    load_batch(inputs, labels, samples, first, last, net, space)
    forward(first, last, net, space, first_lanes, second_lanes)
    cross_entropy(
        space.logits,
        space.labels,
        first,
        last,
        net.classes,
        net.outputs,
        losses[first:],
        right[first:],
    )
    return first, last


@functools.cache
def entry_points(first_lanes: Lanes, second_lanes: Lanes) -> tuple[Any, Any]:
    """Functions that train some steps and that evaluate, without the global lock.

    Threads share the work of either by calling it with the same arguments, but for the last.

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
        places: Integers,
        previous: Floats,
        looks: Looks,
        values: Hyperparameters,
        started: int,
        net: Network,
        space: Workspace,
        losses: Losses,
        right: Answers,
        progress: Progress,
        parts: int,
        leads: bool,
    ) -> None:
        """Trains one run by some mini-batches, in the weights of the workspace.

        Args:
            inputs: Samples (N, depth, height, width), flat.
            labels: Their labels (N,).
            order: Samples of each mini-batch (steps, batch).
            loss_scale: Factor on the loss of each mini-batch (steps,).
            noise: Standard normal draws (steps, P), or none, (0, 1).
            noise_scale: Size of the noise in units of the gradient's root mean square.
            places: Where the weights lie that each draw belongs to (P,).
            previous: Weights before the last step, (size,); updated where `looks` has rows.
            looks: Receives what `look` finds before each step (steps, 4), or nothing, (0, 4).
            values: Hyperparameters.
            started: Steps that the optimizer has taken before; SGD only asks whether there are any.
            net: Sizes of the network.
            space: Workspace.
            losses: Receives the loss of each sample before scaling (steps, batch).
            right: Receives whether each answer was right (steps, batch).
            progress: See `make_progress`.
            parts: Parts in a phase; results do not depend on it.
            leads: Whether this thread is the leader: see `next_part`.
        """
        steps, batch = order.shape
        passes = -(-batch // net.micro_batch)
        # Weights are arranged; micro-batches go through the network, and their gradients are
        # summed; noise is added; weights are updated.
        phases = 2 * passes + 3
        while True:
            phase, part = next_part(progress, steps * phases, parts, leads)
            if phase >= steps * phases:
                break
            step, phase = divmod(phase, phases)
            if phase == 0:
                if part == 0:
                    arrange(net, space, first_lanes, second_lanes)
                arrange_backward(part, parts, net, space)
                start, end = share(space.gradient.size, part, parts)
                space.gradient[start:end] = 0
            elif phase == phases - 2:
                if part == 0 and noise.shape[0] > 0:
                    _add_noise(space.gradient, places, noise[step], noise_scale)
                if part == 0 and looks.shape[0] > 0:
                    look(space.weights, space.gradient, previous, places, looks[step])
            elif phase == phases - 1:
                _update(started + step + 1, part, parts, values, space)
            else:
                begun = (phase - 1) // 2 * net.micro_batch
                samples = order[step, begun : begun + net.micro_batch]
                if phase % 2:
                    first, last = _answer(
                        inputs,
                        labels,
                        samples,
                        part,
                        parts,
                        net,
                        space,
                        first_lanes,
                        second_lanes,
                        losses[step, begun:],
                        right[step, begun:],
                    )
                    scale = np.float32(loss_scale[step] / batch)
                    backward(first, last, scale, net, space, first_lanes, second_lanes)
                else:
                    add_gradients(samples.size, part, parts, net, space)
            part_done(progress)

    def evaluate(
        inputs: Floats,
        labels: Integers,
        net: Network,
        space: Workspace,
        losses: Losses,
        right: Answers,
        progress: Progress,
        parts: int,
        leads: bool,
    ) -> None:
        """Evaluates all samples.

        Args:
            inputs: Samples (N, depth, height, width), flat.
            labels: Their labels (N,).
            net: Sizes of the network.
            space: Workspace, with the weights of the run.
            losses: Receives the loss of each sample (N,).
            right: Receives whether each answer is right (N,).
            progress: See `make_progress`.
            parts: Parts in a phase; results do not depend on it.
            leads: Whether this thread is the leader: see `next_part`.
        """
        phases = 1 + -(-labels.size // net.micro_batch)
        while True:
            phase, part = next_part(progress, phases, parts, leads)
            if phase >= phases:
                break
            if phase == 0:
                if part == 0:
                    arrange(net, space, first_lanes, second_lanes)
            else:
                begun = (phase - 1) * net.micro_batch
                samples = np.arange(begun, min(begun + net.micro_batch, labels.size))
                _answer(
                    inputs,
                    labels,
                    samples,
                    part,
                    parts,
                    net,
                    space,
                    first_lanes,
                    second_lanes,
                    losses[begun:],
                    right[begun:],
                )
            part_done(progress)

    variant = f"{len(first_lanes)}x{len(second_lanes)}"
    return compiled(train_steps, variant), compiled(evaluate, variant)
