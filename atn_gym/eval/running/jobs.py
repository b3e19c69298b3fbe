"""Jobs: some seeds of one (env, controller) pair, made wherever there is room.

A job returns a part for the store of whoever sent it. It needs no folder of results.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.eval.running.batch import EvaluatedRun, evaluate_seeds
from atn_gym.eval.running.epoch_counts import count_epoch
from atn_gym.eval.running.failures import PolicyError
from atn_gym.eval.running.isolation import make_isolated
from atn_gym.eval.running.origin import Origin, check_keys
from atn_gym.eval.running.rollout import OnEpoch
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.running.threads import thread_count
from atn_gym.eval.storage.parts import RunResult, encode
from atn_gym.eval.storage.provenance import make_provenance


@dataclass(frozen=True)
class Job:
    """Seeds of one pair, to be run together; it can be pickled.

    Args:
        env: The env.
        controller: The controller.
        seeds: Its seeds.
        twins: Whether twins are run too.
        keys: Keys of the runs where the job was made.
        workers: Number of processes that share the cores of the machine.
        is_suspect: Whether a process died while it made these runs, perhaps because of one of
            them: they are made in a process of their own, see `isolation`.
        origin: What sent the job; None if it is for the same process.
    """

    env: EnvConfig
    controller: ControllerConfig
    seeds: tuple[int, ...]
    twins: bool
    keys: tuple[str, ...]
    workers: int = 1
    is_suspect: bool = False
    origin: Origin | None = None

    def part(self, keys: Sequence[str]) -> Job:
        """The job of some of its runs."""
        seeds = dict(zip(self.keys, self.seeds, strict=True))
        return replace(self, seeds=tuple(seeds[key] for key in keys), keys=tuple(keys))


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Args:
        part: Content of a part with all its runs, see `atn_gym.eval.storage.parts`.
        summaries: Metrics of the complete runs, by key.
        failures: Why a run failed, by key.
        deadly: Keys of the failed runs that ended their process.
    """

    part: bytes
    summaries: dict[str, Mapping[str, Any]]
    failures: dict[str, str]
    deadly: frozenset[str] = field(default_factory=frozenset)


def run_job(job: Job, on_epoch: OnEpoch = count_epoch) -> JobResult:
    """Makes the runs of a job.

    Args:
        job: What to run.
        on_epoch: Called with the number of runs that trained an epoch.

    Raises:
        WorkerRefused: If this process would make other runs than the one that sent the job.
    """
    if job.origin is not None:
        job.origin.check()
    configs = run_configs(job.env, job.controller, job.seeds, job.twins)
    check_keys(job.keys, configs)
    deadly: dict[int, str] = {}
    if job.is_suspect:
        runs, deadly = make_isolated(functools.partial(_make, job), job.seeds)
        runs += [EvaluatedRun(seed, [], None, reason) for seed, reason in deadly.items()]
    else:
        runs = _make(job, job.seeds, on_epoch)
    made = {run.seed: run for run in runs}
    engine = job.env.params().resolved().engine
    threads = {engine: thread_count(engine, job.workers)}
    results = [_result(config, made[config["seed"]]) for config in configs]
    keyed = list(zip(job.keys, job.seeds, results, strict=True))
    return JobResult(
        encode(results, make_provenance(job.workers, threads)),
        {key: result.summary for key, _, result in keyed if result.summary is not None},
        {key: result.error for key, _, result in keyed if result.error is not None},
        frozenset(key for key, seed, _ in keyed if seed in deadly),
    )


def _make(job: Job, seeds: Sequence[int], on_epoch: OnEpoch | None = None) -> list[EvaluatedRun]:
    try:
        return evaluate_seeds(
            job.controller.method(), job.env, seeds, job.twins, job.workers, on_epoch
        )
    except PolicyError as error:
        return [EvaluatedRun(seed, [], None, str(error)) for seed in seeds]


def _result(config: dict[str, Any], run: EvaluatedRun) -> RunResult:
    if run.summary is None:
        return RunResult(config, error=str(run.error))
    return RunResult(config, run.trace, run.summary)
