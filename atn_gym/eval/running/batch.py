"""Makes runs: some seeds of a method on an env, their twins, and the metrics of both."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from atn_gym.agents.controller import Params
from atn_gym.agents.method import Method
from atn_gym.config import EnvConfig
from atn_gym.envs.regimes import Mixture
from atn_gym.eval.running.failures import PolicyError, as_policy_error, runs_with
from atn_gym.eval.running.rollout import OnEpoch, RunRecord, run_seeds
from atn_gym.eval.running.rows import Row
from atn_gym.eval.running.single_run import Meter
from atn_gym.eval.running.summary import summarise
from atn_gym.eval.running.threads import thread_count, threads

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
        PolicyError: If the policy raises or breaks a rule in a way that all of these runs
            are lost.
    """
    env = env.made_for(method)
    params = env.params().resolved()
    with _ONE_AT_A_TIME, threads(thread_count(params.engine, workers)):
        records, num_classes = _make_runs(method, env, seeds, on_epoch)
        kept = [record for record in records if record.error is None]
        if twins and kept and has_twin(env):
            _add_twins(method, env, kept, on_epoch)
    assert params.num_epochs is not None
    return [_evaluated(record, params.num_epochs, num_classes) for record in records]


def _add_twins(
    method: Method, env: EnvConfig, records: list[RunRecord], on_epoch: OnEpoch | None
) -> None:
    """Runs the twins of some runs; a run whose twin is lost is lost too."""
    twin = EnvConfig(id=env.id, **{**env.kwargs, "twin": True})
    seeds, initial = [r.seed for r in records], [r.initial for r in records]
    twin_records, _ = _make_runs(method, twin, seeds, on_epoch, initial)
    for record, other in zip(records, twin_records, strict=True):
        record.twin_val_loss = [row["val_loss"] for row in other.trace]
        if other.error is not None:
            record.error = PolicyError(
                f"in the twin, the same run without the regime: {other.error}"
            )


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
        with as_policy_error(f"method {type(method).__name__}", f"before {runs_with(seeds)}"):
            meter = Meter()
            policy = method.policy(vector, seeds)
            making_runs = getattr(policy, "making_runs", method.making_runs)
        records = run_seeds(policy, vector, seeds, on_epoch, initial, meter)
        for record in records:
            record.making_runs = making_runs
        return records, vector.unwrapped.episodes.num_classes
    finally:
        vector.close()


def _evaluated(record: RunRecord, num_epochs: int, num_classes: int) -> EvaluatedRun:
    if record.error is not None:
        return EvaluatedRun(record.seed, record.trace, None, str(record.error))
    return EvaluatedRun(record.seed, record.trace, summarise(record, num_epochs, num_classes))
