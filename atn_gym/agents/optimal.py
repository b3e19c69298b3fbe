"""References for the noisy quadratic: the best schedule, and the best for the next epoch only."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from atn_gym.agents.method import Method
from atn_gym.agents.policy import Actions, RunAccount
from atn_gym.agents.quadratic_plan import Planner, best_actions, best_next_action
from atn_gym.arrays import BoolArray, FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.errors import InvalidArgument, check_positive_integer

ITERATIONS = 100
_KEPT_PLANS = 256
_plans: OrderedDict[tuple[Any, ...], tuple[FloatArray, float, int]] = OrderedDict()
"""Actions (T, 3), anytime performance and epochs tried of each run, the last used at the end."""


@dataclass(frozen=True)
class _Planned(Method):
    """A method that plans on the moments of what is to come.

    Args:
        iterations: Steps of gradient ascent, >= 1.
    """

    iterations: int = ITERATIONS

    def __post_init__(self) -> None:
        check_positive_integer("iterations", self.iterations)

    @property
    def needs_env(self) -> bool:
        """It plans on the noisy quadratic of its env."""
        return True

    def policy(self, env: Any, seeds: Sequence[int]) -> PlanPolicy:
        """Makes the policy of the runs of an env."""
        if not env.unwrapped.episodes.can_forecast:
            raise InvalidArgument(
                f"{type(self).__name__} needs an env whose best schedule is known, got the task "
                f"{env.unwrapped.episodes.params.task!r}: take a NoisyQuadratic env"
            )
        return PlanPolicy(self, env)

    @abstractmethod
    def plan(self, episodes: Any, runs: list[int]) -> tuple[FloatArray, int]:
        """Actions of n runs that have trained equally many epochs.

        Returns:
            Shares of the largest step of all three hyperparameters, (n, 3), and how many epochs
            of each run were tried in thought.
        """


@dataclass(frozen=True)
class Optimal(_Planned):
    """The best schedule of the noisy quadratic, found before the run: a reference.

    Before the first epoch it maximises the anytime performance over the actions of all epochs
    together, by gradient ascent through the exact moments of SGD, from the best of some
    schedules for each run. It is privileged: it knows the regime with its time and strength, the
    gain and the initial parameters. Regret is measured against it. Each schedule that it tries
    is charged as a run, so that its compute-adjusted performance is low by design.

    When it fails: it finds a local optimum, which nothing proves to be the best. With
    `engine="sampled"` it follows the plan for the expected run and does not look at its own.

    Args:
        iterations: Steps of gradient ascent in each of two ways, >= 1; half as many in both
            improve the better.

    Source:
        Y. Wu et al., Understanding Short-Horizon Bias in Stochastic Meta-Optimization, ICLR
        2018; G. Zhang et al., Which Algorithmic Choices Matter at Which Batch Sizes?, NeurIPS
        2019, who optimise schedules on a noisy quadratic.
    """

    def plan(self, episodes: Any, runs: list[int]) -> tuple[FloatArray, int]:
        """The actions of the epoch, planned before the first."""
        epoch = episodes.state(runs[0]).epoch
        plans = whole_plans(episodes, runs, self.iterations)
        tried = plans[0][2] if epoch == 0 else 0
        return np.stack([actions[epoch] for actions, *_ in plans]), tried


@dataclass(frozen=True)
class GreedyOptimal(_Planned):
    """What is best for the next epoch of the noisy quadratic, and no further: a reference.

    Before each epoch it maximises the default reward of only that epoch, by gradient ascent
    through the exact moments of SGD from the best of a grid. Like `optimal` it is privileged.
    What `optimal` wins beyond it is the price of a short horizon. What it tries is charged.

    When it fails: it lowers the learning rate at once, for that quiets the noise at once, and
    leaves the directions of low curvature where they are.

    Args:
        iterations: Steps of gradient ascent, >= 1.

    Source:
        Y. Wu et al., Understanding Short-Horizon Bias in Stochastic Meta-Optimization, ICLR
        2018.
    """

    iterations: int = 20

    def plan(self, episodes: Any, runs: list[int]) -> tuple[FloatArray, int]:
        """The actions of the epoch."""
        planner = make_planner(episodes, runs, num_epochs=1)
        actions = best_next_action(planner, self.iterations)
        return actions.numpy(), planner.num_trials // len(runs)


def make_planner(episodes: Any, runs: Sequence[int], num_epochs: int | None = None) -> Planner:
    """A planner for runs that have trained equally many epochs, as they stand.

    Args:
        episodes: The episodes of an env.
        runs: Indices of the runs.
        num_epochs: How far it looks; to the end of the budget if None.
    """
    space = HyperparameterSpace()
    names = episodes.hyperparameters.names
    states = [episodes.state(run) for run in runs]
    nominal = [{**s.initial, **episodes.hyperparameters.named(s.values[s.epoch])} for s in states]
    values = np.array([[n[name] for name in HYPERPARAMETERS] for n in nominal])
    controlled = np.array([name in names for name in HYPERPARAMETERS])
    forecast = episodes.forecast(runs, num_epochs)
    return Planner(forecast, space.log10(values), controlled, np.log(episodes.num_classes))


def whole_plans(
    episodes: Any, runs: Sequence[int], iterations: int = ITERATIONS
) -> list[tuple[FloatArray, float, int]]:
    """Best actions (T, 3) of whole runs, their anytime performance, and epochs tried to find them.

    All is kept for the next call. Runs that are not kept must not have trained yet.
    """
    settings = repr(episodes.params.resolved())
    states = [episodes.state(run) for run in runs]
    keys = [(settings, iterations, s.seed, tuple(s.values[0].tolist())) for s in states]
    new = [run for run, key in zip(runs, keys, strict=True) if key not in _plans]
    if new:
        planner = make_planner(episodes, new)
        actions = best_actions(planner, episodes.num_epochs, iterations)
        with torch.no_grad():
            means = planner.scores(actions).mean(0).tolist()
        tried = [planner.num_trials // len(new)] * len(new)
        rows = zip(actions.movedim(1, 0).numpy(), means, tried, strict=True)
        made = dict(zip(new, rows, strict=True))
        _plans.update({key: made[r] for r, key in zip(runs, keys, strict=True) if r in made})
    found = [_plans[key] for key in keys]
    for key in keys:
        _plans.move_to_end(key)
    while len(_plans) > max(_KEPT_PLANS, len(runs)):
        _plans.popitem(last=False)
    return found


@dataclass
class PlanPolicy:
    """Acts by the plans of a method.

    Args:
        method: What plans.
        env: The single or vector env, reset before `predict`.
    """

    method: _Planned
    env: Any
    spent: dict[int, RunAccount] = field(default_factory=dict)

    def predict(
        self,
        observation: Observation,
        state: Any = None,
        episode_start: BoolArray | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, Any]:
        """Plans for each running run.

        Args:
            observation: The observation of the env; only its shape matters.
            state: Handed back as it is.
            episode_start: Has no effect: what begins is seen from the runs.
            deterministic: Has no effect.

        Returns:
            Actions of shape (action size,), or (n, action size), and the state.
        """
        episodes = self.env.unwrapped.episodes
        single = observation["progress"].ndim == 1
        count = 1 if single else len(observation["progress"])
        actions = np.zeros((count, *episodes.action_space.shape), np.float32)
        columns = [list(HYPERPARAMETERS).index(name) for name in episodes.hyperparameters.names]
        running = [run for run in range(count) if episodes.running(run)]
        for epoch in sorted({episodes.state(run).epoch for run in running}):
            runs = [run for run in running if episodes.state(run).epoch == epoch]
            planned, tried = self.method.plan(episodes, runs)
            actions[runs, : len(columns)] = planned[:, columns]
            for run in runs:
                account = RunAccount() if epoch == 0 else self.spent[run]
                account.gradient_steps += tried * episodes.steps_per_epoch
                account.flops += tried * episodes.flops_per_epoch
                self.spent[run] = account
        return (actions[0] if single else actions), state

    def accounts(self, state: Any) -> list[RunAccount]:
        """What was spent on trying."""
        return [self.spent[run] for run in sorted(self.spent)]
