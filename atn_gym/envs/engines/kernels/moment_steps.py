"""The gradient steps of an epoch on the moments of many runs, compiled.

What is compiled is the code of `engines.moments`, so that the bits are those that it gives with
numpy.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba.extending import register_jitable

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.envs.engines import moments
from atn_gym.envs.engines.kernels.building import build, compiled
from atn_gym.envs.engines.moments import Moments, Quadratic, descend

for _function in (moments.steps_map, moments.centre_of, moments.advance, descend):
    register_jitable(_function)


@functools.cache
def descend_runs() -> Any:
    """The compiled entry point; see `_descend_runs`."""
    function = compiled(_descend_runs, "float64")
    runs, classes, samples = np.zeros(0, np.int64), np.zeros((0, 0)), np.zeros((0, 0, 0))
    parts = np.zeros((5, 0, 0, 0))
    build(
        lambda: function(parts, runs, classes, samples, samples, runs, np.zeros((0, 3)), 1, samples)
    )
    return function


def _descend_runs(
    parts: FloatArray,
    runs: IntArray,
    curvature: FloatArray,
    target: FloatArray,
    noise: FloatArray,
    sets: IntArray,
    hyperparameters: FloatArray,
    steps: int,
    squares: FloatArray,
) -> None:
    """Takes the steps of n of R runs.

    Args:
        parts: The moments of all runs in the order of `Moments`, (5, R, C, P), updated.
        runs: Indices of the runs, (n,).
        curvature: Curvature of the classes in each run, (n, C).
        target: Mean of the inputs of each class in S sets of samples, (S, C, P).
        noise: Variance of the mean input of a mini-batch, (S, C, P).
        sets: The set of each run, (n,).
        hyperparameters: Learning rate, momentum and weight decay, (n, 3).
        steps: Number of steps >= 1.
        squares: Receives the mean over the steps of the expected squared distance to the target
            before each, (n, C, P).
    """
    for i in range(len(runs)):
        run, samples = runs[i], sets[i]
        rate, momentum, decay = hyperparameters[i]
        for c in range(parts.shape[2]):
            for p in range(parts.shape[3]):
                before = Moments(
                    parts[0, run, c, p],
                    parts[1, run, c, p],
                    parts[2, run, c, p],
                    parts[3, run, c, p],
                    parts[4, run, c, p],
                )
                quadratic = Quadratic(curvature[i, c], target[samples, c, p], noise[samples, c, p])
                after, squares[i, c, p] = descend(
                    before, quadratic, rate, momentum, decay, steps, 0.0, True
                )
                parts[0, run, c, p] = after.parameter
                parts[1, run, c, p] = after.velocity
                parts[2, run, c, p] = after.parameter_variance
                parts[3, run, c, p] = after.covariance
                parts[4, run, c, p] = after.velocity_variance
