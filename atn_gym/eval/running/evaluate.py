"""Evaluates a policy on an env, in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from atn_gym.agents.controller import Controller, ControllerFactory
from atn_gym.agents.method import ControllerMethod, Method
from atn_gym.agents.policy import Policy
from atn_gym.agents.registry import as_method, controller_class, takes_argument
from atn_gym.config import EnvConfig, parse_seeds, run_setting
from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.eval.running.batch import MOST_TOGETHER, EvaluatedRun, evaluate_seeds
from atn_gym.eval.running.failures import PolicyError


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Args:
        env_id: The env.
        runs: Every run, in the order of the seeds.
    """

    env_id: str
    runs: list[EvaluatedRun]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """Metrics of every run that did not fail."""
        return [run.summary for run in self.runs if run.summary is not None]

    @property
    def failures(self) -> dict[int, str]:
        """Why a run failed, by seed."""
        return {run.seed: run.error for run in self.runs if run.error is not None}

    def mean(self, metric: str) -> float:
        """Mean of a metric over the runs that did not fail.

        Raises:
            InvalidArgument: If there is no such metric, it has no value in some run, or every
            run failed.
        """
        if not self.summaries:
            reason = next(iter(self.failures.values()), "there are none")
            raise InvalidArgument(f"a mean needs a run that did not fail, but all did: {reason}")
        for summary in self.summaries:
            if metric not in summary:
                raise unknown_name("metric", metric, summary)
        values = [summary[metric] for summary in self.summaries]
        if not all(isinstance(v, (int, float)) for v in values):
            raise InvalidArgument(
                f"metric {metric!r} must have a number in every run, got {values}"
            )
        return float(np.mean(values))


def evaluate(
    policy: Policy | Method | ControllerFactory | str,
    env_id: str,
    seeds: int | Sequence[int] = 10,
    executor: Executor | None = None,
    twins: bool = True,
    **kwargs: Any,
) -> Evaluation:
    """Runs a policy once on each seed of an env, and computes its metrics.

    Args:
        policy: Anything with Stable-Baselines3's `predict` on batches of observations, a
            `Controller` class or what else makes one of the setting of a run, such as a
            `functools.partial` of it, a `Method`, or the name of either ("autotunenet",
            "my_module:Mine").
        env_id: Id of the env, or "module:id".
        seeds: Seeds, or a number n of them, which stands for 0 to n - 1.
        executor: Any `concurrent.futures` executor, to which the seeds are handed one by
            one; policy and results are pickled on the way. None runs them here, together.
        twins: Whether to run the twin of each run too, which `shock_cost` needs.
        **kwargs: Further arguments of the env.

    Returns:
        Runs with trace and metrics.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
        PolicyError: If the policy raises or breaks a rule of the benchmark, and no run is left.
            What a controller raises is told in the failures of the result alone.

    Example:
        >>> import atn_gym
        >>> evaluation = atn_gym.evaluate(
        ...     "cosine", "atn_gym/DigitsCnn-DataShift-v0", seeds=2, num_epochs=2
        ... )
        >>> len(evaluation.summaries)
        2
    """
    _refuse_arguments_of_the_controller(policy, kwargs)
    method = as_method(policy)
    env = EnvConfig(id=env_id, **kwargs)
    method.check(run_setting(env))
    chosen = parse_seeds(seeds)
    if executor is None:
        batches = [chosen[i : i + MOST_TOGETHER] for i in range(0, len(chosen), MOST_TOGETHER)]
        runs = [evaluate_seeds(method, env, batch, twins) for batch in batches]
    else:
        workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        futures = [
            executor.submit(evaluate_seeds, method, env, [seed], twins, workers) for seed in chosen
        ]
        runs = [future.result() for future in futures]
    evaluation = Evaluation(env_id, [run for batch in runs for run in batch])
    if not evaluation.summaries and not isinstance(method, ControllerMethod):
        raise PolicyError(next(iter(evaluation.failures.values())))
    return evaluation


def _refuse_arguments_of_the_controller(policy: Any, kwargs: Mapping[str, Any]) -> None:
    if isinstance(policy, str):
        controller: Any = controller_class(policy)
        call = f"controller_method({policy!r}"
    elif isinstance(policy, type) and issubclass(policy, Controller):
        controller, call = policy, f"functools.partial({policy.__name__}"
    else:
        return
    of_env = {field.name for field in fields(TuningParams)}
    own = [name for name in kwargs if name not in of_env and takes_argument(controller, name)]
    if own:
        told = ", ".join(f"{name}={kwargs[name]!r}" for name in own)
        raise InvalidArgument(
            f"further arguments must be those of the env, but {own[0]!r} is one of the "
            f"controller: evaluate {call}, {told}) in its place"
        )
