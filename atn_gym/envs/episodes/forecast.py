"""What is to come in runs of the noisy quadratic: all that decides how they will go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.envs.data import RunData
from atn_gym.envs.engines import MomentEngine
from atn_gym.envs.engines.epoch_of_moments import perturbations
from atn_gym.envs.engines.moments import Moments, Quadratic
from atn_gym.envs.episodes.conditions import Conditions, Run
from atn_gym.envs.episodes.plans import DrawnPlan
from atn_gym.envs.optimizers import effective_hyperparameters

_PROBE = {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 1e-3}
"""Nominal values by which a forecast finds out what the effective ones are."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Epochs to come in n runs.

    Privileged: it knows the regime, the gain and every draw of both.

    Args:
        moments: Of the runs as they stand, each (n, C, P).
        quadratics: What each epoch descends, by epoch.
        minima: Curvature (n, C, 1) and minimum (n, C, P) of the validation split, by epoch.
        factors: Factors from the nominal learning rate, 1 - momentum and weight decay to the
            effective ones, by epoch, (H, n, 3).
        scales: Factor on the loss of each step, (H, n, steps).
        gradient_noise: Strength of the noise on the gradient, (H, n).
    """

    moments: Moments
    quadratics: list[Quadratic]
    minima: list[tuple[FloatArray, FloatArray]]
    factors: FloatArray
    scales: FloatArray
    gradient_noise: FloatArray

    def is_perturbed(self, epoch: int) -> bool:
        """Whether the steps of an epoch differ in any of the runs."""
        return bool(np.any(self.gradient_noise[epoch]) or np.any(self.scales[epoch] != 1))


def look_ahead(
    engine: MomentEngine,
    conditions: Conditions,
    runs: Sequence[int],
    states: Sequence[Run],
    epochs: Sequence[int],
) -> Forecast:
    """Looks ahead over epochs of n runs of a noisy quadratic, and leaves them as they are.

    Args:
        engine: What trains them.
        conditions: What they train on.
        runs: Indices of the runs.
        states: How they stand.
        epochs: Numbers of epochs trained before each of those in question.
    """
    kept = [engine.get_state(run) for run in runs]
    probe = np.tile(list(_PROBE.values()), (len(runs), 1))
    quadratics, minima, factors, noises = [], [], [], []
    for epoch in epochs:
        foreseen = [Run(s.seed, s.regime, RunData(s.data.clean), s.gain, epoch) for s in states]
        conditions.apply(runs, foreseen, probe)
        held = [conditions.held(state) for state in foreseen]
        plans = [DrawnPlan(h.training, s.seed, epoch) for h, s in zip(held, states, strict=True)]
        quadratics.append(engine.quadratics(runs, plans))
        minima.append(engine.minima(runs, [h.validation for h in held]))
        effective = [effective_hyperparameters(engine.optimizer(run)) for run in runs]
        factors.append([_factors(values) for values in effective])
        noises.append(perturbations(plans))
    for run, state_kept in zip(runs, kept, strict=True):
        engine.set_state(run, state_kept)
    scales, strengths = (np.stack(part) for part in zip(*noises, strict=True))
    moments = Moments(*np.stack([state["moments"] for state in kept], axis=1))
    return Forecast(moments, quadratics, minima, np.array(factors), scales, strengths)


def _factors(effective: dict[str, float]) -> list[float]:
    """Factors from the probe to the effective learning rate, 1 - momentum and weight decay."""
    return [
        effective["learning_rate"] / _PROBE["learning_rate"],
        (1 - effective["momentum"]) / (1 - _PROBE["momentum"]),
        effective["weight_decay"] / _PROBE["weight_decay"],
    ]
