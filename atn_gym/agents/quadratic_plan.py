"""Plans for runs of the noisy quadratic, found on the moments of what is to come."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from atn_gym.arrays import BoolArray, FloatArray
from atn_gym.envs.engines.moments import (
    Moments,
    Quadratic,
    advance,
    centre_of,
    descend_perturbed,
    excess_loss,
    steps_map,
)
from atn_gym.envs.episodes.forecast import Forecast
from atn_gym.envs.hyperparameters import HYPERPARAMETERS

_MOST_MOMENTUM = 0.999
_TARGET_STEP = 0.1
"""First step of a search over hyperparameters, in decades."""
_ACTION_STEP = 0.04
"""First step of a search over actions."""
_PARAMETERS = tuple(HYPERPARAMETERS.values())
_BOUNDS = torch.tensor([[math.log10(p.low), math.log10(p.high)] for p in _PARAMETERS]).double().T
_DELTAS = torch.tensor([p.delta for p in _PARAMETERS]).double()


class Planner:
    """Scores and improves actions for n runs over the H epochs of a forecast.

    Hyperparameters stand as log10 of learning rate, 1 - momentum and weight decay.

    Args:
        forecast: What is to come.
        logs: Hyperparameters as they stand, (n, 3).
        controlled: Which of them can be changed, (3,).
        chance: Loss of chance in nats.
    """

    def __init__(
        self, forecast: Forecast, logs: FloatArray, controlled: BoolArray, chance: float
    ) -> None:
        self._moments = Moments(*map(torch.from_numpy, forecast.moments))
        parts = (*zip(*forecast.quadratics, strict=True), *zip(*forecast.minima, strict=True))
        self._quadratics_and_minima = [torch.from_numpy(np.stack(part)) for part in parts]
        self._factors = torch.from_numpy(forecast.factors)
        self._scales = torch.from_numpy(forecast.scales)
        self._gradient_noise = torch.from_numpy(forecast.gradient_noise)
        self._is_perturbed = [forecast.is_perturbed(t) for t in range(len(forecast.factors))]
        self._logs = torch.from_numpy(logs)
        self._controlled = torch.from_numpy(controlled)
        self._log_chance = math.log(chance)
        self.since = self._epochs_since_change()
        """Epochs since what is descended has changed last, or the forecast has begun, (H, n)."""
        self.num_runs = len(logs)
        """Number of runs n."""
        self.num_trials = 0
        """Epochs of a run that have been computed, those of all runs together."""

    def _epochs_since_change(self) -> Tensor:
        parts = [*self._quadratics_and_minima, self._factors]
        changes = [(part[1:] != part[:-1]).flatten(2).any(2) for part in parts]
        since = [torch.zeros(self._factors.shape[1]).double()]
        for changed in torch.stack(changes).any(0):
            since.append(torch.where(changed, 0.0, since[-1] + 1))
        return torch.stack(since)

    def scores(self, actions: Tensor) -> Tensor:
        """Default reward of each epoch.

        Args:
            actions: Shares of the largest step, (H', ..., n, 3) with H' <= H.

        Returns:
            Shape (H', ..., n).
        """
        extra = (1,) * (actions.ndim - 3)
        curvature, target, noise, val_curvature, minimum = (
            part[: len(actions)].reshape(len(actions), *extra, *part.shape[1:])
            for part in self._quadratics_and_minima
        )
        factors = self._factors[: len(actions)].reshape(len(actions), *extra, -1, 3)
        effective = 10 ** self._path(actions) * factors
        rate, complement, decay = effective[..., None, None].movedim(-3, 0)
        momentum = (1 - complement).clamp(max=_MOST_MOMENTUM)
        # The maps of all epochs at once, for torch takes longer to be called than to compute.
        made = steps_map(rate, momentum, curvature + decay, self._scales.shape[-1], sums=False)
        centres = centre_of(Quadratic(curvature, target, noise), decay)
        variances = curvature**2 * noise
        moments, after = self._moments, []
        for t in range(len(actions)):
            if self._is_perturbed[t]:
                quadratic = Quadratic(curvature[t], target[t], noise[t])
                values = rate[t], momentum[t], decay[t]
                perturbations = self._scales[t], self._gradient_noise[t]
                moments, _, _ = descend_perturbed(moments, quadratic, *values, *perturbations)
            else:
                power, spread = (tuple(entry[t] for entry in part) for part in made[:2])
                steps = made._replace(power=power, noise=spread)
                moments = advance(moments, centres[t], variances[t], steps)
            after.append(moments)
        squares = torch.stack([m.parameter_variance for m in after])
        squares = squares + (torch.stack([m.parameter for m in after]) - minimum) ** 2
        loss = excess_loss(val_curvature, squares)
        score = (self._log_chance - torch.log(loss)) / math.log(100)
        self.num_trials += score.numel()
        # What has overflowed is lost.
        return torch.nan_to_num(score, nan=-1.0).clamp(-1, 1)

    def _path(self, actions: Tensor) -> Tensor:
        """Hyperparameters in every epoch, of the shape of the actions."""
        logs, path = self._logs, []
        for action in actions:
            moved = (logs + action * _DELTAS).clamp(*_BOUNDS)
            logs = torch.where(self._controlled, moved, logs)
            path.append(logs)
        return torch.stack(path)

    def towards(self, targets: Tensor) -> Tensor:
        """Actions that bring hyperparameters to targets as fast as they may.

        Args:
            targets: Wanted logs, (H, S, n, 3).

        Returns:
            Actions (H, S, n, 3).
        """
        logs, actions = self._logs.expand(targets.shape[1], -1, -1), []
        for target in targets:
            actions.append(((target - logs) / _DELTAS).clamp(-1, 1))
            logs = logs + actions[-1] * _DELTAS
        return torch.stack(actions)

    def improve(self, actions: Tensor, iterations: int, targets: bool) -> Tensor:
        """Climbs the mean score by gradients of all epochs together.

        Args:
            actions: Where to begin, (H, n, 3).
            iterations: Steps of Adam, whose size falls to nothing.
            targets: Whether the hyperparameters of each epoch are climbed, which the actions
                then go to as fast as they may, or the actions, whose changes add up.

        Returns:
            The best actions that were met, by run, (H, n, 3).
        """
        best, best_mean = actions, self.scores(actions).mean(0).detach()
        climbed = (self._path(actions) if targets else actions.clone()).requires_grad_()
        low, high = _BOUNDS if targets else torch.tensor([-1.0, 1.0]).double()
        step = _TARGET_STEP if targets else _ACTION_STEP
        adam = torch.optim.Adam([climbed], lr=step, betas=(0.9, 0.99))
        for i in range(iterations):
            current = self.towards(climbed[:, None])[:, 0] if targets else climbed
            mean = self.scores(current).mean(0)
            better = mean > best_mean
            best = torch.where(better[:, None], current, best).detach()
            best_mean = torch.where(better, mean, best_mean).detach()
            adam.param_groups[0]["lr"] = step * (1 - i / iterations)
            adam.zero_grad()
            (-mean.sum()).backward()
            assert climbed.grad is not None
            climbed.grad.nan_to_num_(0.0, 0.0, 0.0)
            adam.step()
            with torch.no_grad():
                climbed.clamp_(low, high)
        return best

    def better(self, first: Tensor, second: Tensor) -> Tensor:
        """The better of two actions for each run, (H, n, 3)."""
        with torch.no_grad():
            chosen = self.scores(second).mean(0) > self.scores(first).mean(0)
        return torch.where(chosen[:, None], second, first)


def schedules(since: Tensor) -> Tensor:
    """Where a search begins: rates that stay or fall with time, at three momenta.

    Time begins with the run or, in as many more, anew with every change of what is descended.

    Args:
        since: Epochs since the last change, (H, n).

    Returns:
        Logs (H, S, n, 3).
    """
    clock = torch.arange(len(since)).double()[:, None].expand_as(since)
    clocks = [clock] if torch.equal(clock, since) else [clock, since]
    found = [
        torch.stack(
            [
                rate + complement - torch.log10(1 + time / fall),
                torch.full_like(time, complement),
                torch.full_like(time, -6.0),
            ],
            dim=-1,
        )
        for time in clocks
        for rate in np.arange(-3.5, 1.01, 0.5).tolist()
        for complement in (0.0, -0.5, -1.0)
        for fall in (2.0, 10.0, math.inf)
    ]
    return torch.stack(found, dim=1)


def best_actions(planner: Planner, num_epochs: int, iterations: int) -> Tensor:
    """The best actions found for a number of epochs together, (H, n, 3).

    Args:
        planner: Of at least that many epochs.
        num_epochs: H.
        iterations: Steps of Adam, from the best of `schedules` for each run.
    """
    with torch.no_grad():
        candidates = planner.towards(schedules(planner.since[:num_epochs]))
        means = planner.scores(candidates).mean(0)
    chosen = candidates[:, means.argmax(0), torch.arange(means.shape[1])]
    # Either way alone is stuck in some runs: goals out of reach, or steps that add up.
    ways = [planner.improve(chosen, iterations, targets) for targets in (True, False)]
    best = planner.better(*ways)
    for targets in (True, False):
        best = planner.improve(best, iterations // 2, targets)
    return best


def best_next_action(planner: Planner, iterations: int) -> Tensor:
    """The best actions found for the next epoch only, (n, 3): the first of equals, 0 before all.

    Args:
        planner: Of at least one epoch.
        iterations: Steps of Adam, from the best of a grid for each run.
    """
    levels = torch.linspace(-1, 1, 7).double()
    grid = torch.cartesian_prod(levels, levels, levels[[0, 3]])
    grid = torch.cat([torch.zeros(1, 3).double(), grid])
    with torch.no_grad():
        scores = planner.scores(grid[None, :, None].expand(-1, -1, planner.num_runs, -1))[0]
    return planner.improve(grid[scores.argmax(0)][None], iterations, targets=False)[0]
