"""An epoch of steps on the moments of many runs: by numpy, and draws from what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.envs.engines.base import EpochPlan
from atn_gym.envs.engines.moments import Moments, Quadratic, descend


def of_runs(quadratic: Quadratic, sets: IntArray) -> Quadratic:
    """What n runs descend: curvature (n, C, 1), target and noise (n, C, P)."""
    curvature, target, noise = quadratic
    return Quadratic(curvature[..., None], target[sets], noise[sets])


def columns(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Learning rate, momentum and weight decay of n runs, each (n, 1, 1), of values (n, 3)."""
    rate, momentum, decay = values.T[..., None, None]
    return rate, momentum, decay


def descend_by_numpy(
    parts: FloatArray,
    rows: IntArray,
    curvature: FloatArray,
    target: FloatArray,
    noise: FloatArray,
    sets: IntArray,
    values: FloatArray,
    steps: int,
    squares: FloatArray,
) -> None:
    """What the compiled `kernels.moment_steps.descend_runs` does, bit for bit."""
    quadratic = of_runs(Quadratic(curvature, target, noise), sets)
    parts[:, rows], squares[...] = descend(
        Moments(*parts[:, rows]), quadratic, *columns(values), steps
    )


def perturbations(plans: Sequence[EpochPlan]) -> tuple[FloatArray, FloatArray]:
    """Scales of the losses (n, steps) and strength of the gradient noise (n,) of n plans."""
    ones = torch.ones(plans[0].shape[0])
    scales = [(ones if p.loss_scale is None else p.loss_scale).numpy() for p in plans]
    return np.stack(scales).astype(np.float64), np.array([p.gradient_noise for p in plans])


def drawn(moments: Moments, seeds: Sequence[int]) -> Moments:
    """Draws parameters and velocities from their normal distribution."""
    shape = moments.parameter.shape[1:]
    first, second = np.stack(
        [np.random.default_rng(seed).standard_normal((2, *shape)) for seed in seeds], axis=1
    )
    deviation = np.sqrt(moments.parameter_variance)
    slope = moments.covariance / np.where(deviation == 0, 1, deviation)
    rest = np.sqrt(np.maximum(moments.velocity_variance - slope**2, 0))
    parameter = moments.parameter + deviation * first
    nothing = np.zeros_like(parameter)
    velocity = moments.velocity + slope * first + rest * second
    return Moments(parameter, velocity, nothing, nothing, nothing)
