"""Floating-point operations of training and evaluation, counted by torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_flops(make_model: Callable[[], nn.Module], inputs: Tensor) -> tuple[int, int]:
    """Counts the operations of a network in matrix products and convolutions.

    Args:
        make_model: Makes the network.
        inputs: A mini-batch, float32 (N, C, H, W).

    Returns:
        Operations to train on the mini-batch, forward and backward, and to evaluate one
        sample. The optimizer's update is not counted.
    """
    # Initialisers and dropout draw from the global generator.
    with torch.random.fork_rng(devices=[]):
        model = make_model()
        with FlopCounterMode(display=False) as training:
            model(inputs).sum().backward()
        with torch.no_grad(), FlopCounterMode(display=False) as evaluation:
            model.eval()(inputs)
    return training.get_total_flops(), evaluation.get_total_flops() // len(inputs)
