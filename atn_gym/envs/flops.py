"""Floating-point operations of training and evaluation, counted by torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from atn_gym.envs.torch_settings import global_generator_seeded


def count_flops(make_model: Callable[[int], nn.Module], inputs: Tensor) -> tuple[int, int]:
    """Counts the operations of a network in matrix products and convolutions.

    Args:
        make_model: Makes the network from a seed.
        inputs: A mini-batch, float32 (N, C, H, W).

    Returns:
        Operations to train on the mini-batch, forward and backward, and to evaluate one
        sample. The optimizer's update is not counted.
    """
    model = make_model(0)
    # Dropout draws from the global generator; and the counter hooks into all modules.
    with global_generator_seeded(0):
        with FlopCounterMode(display=False) as training:
            model(inputs).sum().backward()
        with torch.no_grad(), FlopCounterMode(display=False) as evaluation:
            model.eval()(inputs)
    return training.get_total_flops(), evaluation.get_total_flops() // len(inputs)
