"""Evaluates a policy on an env: its runs, their twins, and the metrics of both."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from atn_gym.agents.controller import Controller, Params
from atn_gym.agents.method import Controlled, Method
from atn_gym.agents.policy import Policy
from atn_gym.agents.registry import controller_method
from atn_gym.config import EnvConfig, parse_seeds
from atn_gym.envs.regimes import Mixture
from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.eval.rollout import OnEpoch, Row, RunRecord, run_seeds
from atn_gym.eval.summary import summarise
from atn_gym.eval.threads import thread_count, threads

MOST_TOGETHER = 32
"""Runs in one vector env: bounds the memory, and what an interruption loses."""

# Torch's global generator and number of threads belong to the process.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class EvaluatedRun:
    """One run with its metrics.

    Args:
        seed: Its seed.
        trace: A row for each epoch.
        summary: Its metrics, see `summarise`; None if the policy failed.
        error: Why it failed; None if it did not.
    """

    seed: int
    trace: list[Row]
    summary: dict[str, Any] | None
    error: str | None = None


def evaluate_seeds(
    method: Method,
    env: EnvConfig,
    seeds: Sequence[int],
    twins: bool = True,
    workers: int = 1,
    on_epoch: OnEpoch | None = None,
) -> list[EvaluatedRun]:
    """Makes the runs of some seeds together in one vector env.

    Args:
        method: Makes the policy.
        env: The env.
        seeds: Seed of each run.
        twins: Whether to run the twin of each run too, which `shock_cost` needs. It is not
            charged.
        workers: Number of processes that share the cores of this machine.
        on_epoch: Called with the number of runs that trained an epoch.

    Returns:
        A run for each seed, in order.

    Raises:
        PolicyError: If the policy raises or breaks a rule: all of these runs are lost.
    """
    params = env.params().resolved()
    with _ONE_AT_A_TIME, threads(thread_count(params.engine, workers)):
        records, num_classes = _make_runs(method, env, seeds, on_epoch)
        if twins and has_twin(env):
            initial = [record.initial for record in records]
            twin = EnvConfig(id=env.id, **{**env.kwargs, "twin": True})
            twin_records, _ = _make_runs(method, twin, seeds, on_epoch, initial)
            for record, other in zip(records, twin_records, strict=True):
                record.twin_val_loss = [row["val_loss"] for row in other.trace]
    assert params.num_epochs is not None
    return [_evaluated(record, params.num_epochs, num_classes) for record in records]


def has_twin(env: EnvConfig) -> bool:
    """Whether the runs of an env meet a shock, so that their twins differ from them."""
    regime = env.params().make_regime()
    return isinstance(regime, Mixture) or regime.shock_epoch is not None


def _make_runs(
    method: Method,
    env: EnvConfig,
    seeds: Sequence[int],
    on_epoch: OnEpoch | None,
    initial: Sequence[Params] | None = None,
) -> tuple[list[RunRecord], int]:
    """Records of the runs, and the number of classes of the env."""
    vector: Any = gymnasium.make_vec(
        env.id, num_envs=len(seeds), autoreset_mode=AutoresetMode.DISABLED, **env.kwargs
    )
    try:
        policy = method.policy(vector, seeds)
        records = run_seeds(policy, vector, seeds, on_epoch, initial)
        return records, vector.unwrapped.episodes.num_classes
    finally:
        vector.close()


def _evaluated(record: RunRecord, num_epochs: int, num_classes: int) -> EvaluatedRun:
    if record.account.error is not None:
        return EvaluatedRun(record.seed, record.trace, None, str(record.account.error))
    return EvaluatedRun(record.seed, record.trace, summarise(record, num_epochs, num_classes))


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
            InvalidArgument: If there is no such metric, or it has no value in some run.
        """
        for summary in self.summaries:
            if metric not in summary:
                raise unknown_name("metric", metric, summary)
        values = [summary[metric] for summary in self.summaries]
        if not values or not all(isinstance(v, (int, float)) for v in values):
            raise InvalidArgument(
                f"metric {metric!r} must have a number in every run, got {values}"
            )
        return float(np.mean(values))


@dataclass(frozen=True)
class _Given(Method):
    """A policy that exists already, for whatever env."""

    given: Policy

    def policy(self, env: Any, seeds: Sequence[int]) -> Policy:
        return self.given


def evaluate(
    policy: Policy | Method | type[Controller] | str,
    env_id: str,
    seeds: int | Sequence[int] = 10,
    executor: Executor | None = None,
    twins: bool = True,
    **kwargs: Any,
) -> Evaluation:
    """Runs a policy once on each seed of an env, and computes its metrics.

    Args:
        policy: Anything with Stable-Baselines3's `predict` on batches of observations, a
            `Controller` class, a `Method`, or the name of either ("autotunenet",
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
        PolicyError: If the policy raises or breaks a rule of the benchmark.

    Example:
        >>> import atn_gym
        >>> evaluation = atn_gym.evaluate(
        ...     "cosine", "atn_gym/DigitsCnn-DataShift-v0", seeds=2, num_epochs=2
        ... )
        >>> len(evaluation.summaries)
        2
    """
    method = _as_method(policy)
    env = EnvConfig(id=env_id, **kwargs)
    env.params()
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
    return Evaluation(env_id, [run for batch in runs for run in batch])


def _as_method(policy: Any) -> Method:
    if isinstance(policy, str):
        return controller_method(policy)
    if isinstance(policy, Method):
        return policy
    if isinstance(policy, type) and issubclass(policy, Controller):
        return Controlled(policy)
    if callable(getattr(policy, "predict", None)):
        return _Given(policy)
    raise InvalidArgument(
        "a policy must have predict(observation, state, episode_start, deterministic), or be a "
        f"Controller class, a Method, or the name of one, got {policy!r}"
    )
