"""Jobs: some seeds of one (env, controller) pair, run and stored wherever there is room."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.eval.running.batch import evaluate_seeds
from atn_gym.eval.running.failures import PolicyError
from atn_gym.eval.running.isolation import Failures, make_isolated
from atn_gym.eval.running.origin import Origin, check_keys
from atn_gym.eval.running.rollout import OnEpoch
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.storage.marks import is_marked, marked, unmark
from atn_gym.eval.storage.store import ResultStore

_WRITERS = 8
"""Runs stored at once: a write waits for the disk, which syncs several files as fast as one."""


@dataclass(frozen=True)
class Job:
    """Seeds of one pair, to be run together; it can be pickled.

    Args:
        env: The env.
        controller: The controller.
        seeds: Its seeds.
        twins: Whether twins are run too.
        root: Folder of the results.
        workers: Number of processes that share the cores of the machine.
        keys: Keys of the runs where the job was made, if it is for another process.
        origin: What that process is, likewise.
    """

    env: EnvConfig
    controller: ControllerConfig
    seeds: tuple[int, ...]
    twins: bool
    root: Path
    workers: int = 1
    keys: tuple[str, ...] = ()
    origin: Origin | None = None

    def part(self, seeds: Sequence[int]) -> Job:
        """The job of some of its seeds."""
        keys = dict(zip(self.seeds, self.keys, strict=True)) if self.keys else {}
        return replace(self, seeds=tuple(seeds), keys=tuple(keys[s] for s in seeds if keys))

    def configs(self) -> dict[int, dict[str, Any]]:
        """The resolved config of the run with each seed."""
        found = run_configs(self.env, self.controller, self.seeds, self.twins)
        return dict(zip(self.seeds, found, strict=True))


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Args:
        done: Seeds whose runs are stored now.
        failures: Why a run failed, by seed.
        elsewhere: Seeds that another process is running at this moment.
    """

    done: tuple[int, ...] = ()
    failures: dict[int, str] = field(default_factory=dict)
    elsewhere: tuple[int, ...] = ()


def run_job(job: Job, on_epoch: OnEpoch | None = None) -> JobResult:
    """Runs what the store does not hold and no other process is running.

    A run that a process was making when it died is made in a process of its own, see `isolation`:
    it may be what ended that process.

    Args:
        job: What to run.
        on_epoch: Called with the number of runs that trained an epoch.

    Raises:
        WorkerRefused: If this process would make other runs than the one that sent the job, or
            store them elsewhere.
    """
    if job.origin is not None:
        job.origin.check(job.root)
    configs = job.configs()
    check_keys(job.keys, configs)
    store = ResultStore(job.root)
    with store.claims(list(configs.values())) as claimed:
        mine = [s for s, free in zip(job.seeds, claimed, strict=True) if free]
        # Another process may have completed a run since the job was made.
        missing = {seed: configs[seed] for seed in mine if not store.has(configs[seed])}
        elsewhere = tuple(seed for seed in job.seeds if seed not in mine)
        suspects = {s: config for s, config in missing.items() if is_marked(job.root, config)}
        others = tuple(seed for seed in missing if seed not in suspects)
        failures = _make(job.part(others), store, configs, on_epoch) if others else {}
        if suspects:
            failures |= _make_suspects(job, store, suspects)
        done = tuple(seed for seed in mine if seed not in failures)
        return JobResult(done, failures, elsewhere)


def _make(
    job: Job,
    store: ResultStore,
    configs: Mapping[int, dict[str, Any]],
    on_epoch: OnEpoch | None = None,
) -> Failures:
    """Makes and stores runs, which are marked meanwhile; says why those failed that did."""
    with marked(store.root, [configs[seed] for seed in job.seeds]):
        return _make_and_store(job, store, configs, on_epoch)


def _make_suspects(job: Job, store: ResultStore, configs: Mapping[int, dict[str, Any]]) -> Failures:
    failures, deadly = make_isolated(functools.partial(_make_seeds, job), list(configs))
    for seed, reason in deadly.items():
        store.write_failure(configs[seed], reason)
    for seed, config in configs.items():
        # What ends its process does so the next time as well: its mark stays.
        if seed not in deadly:
            unmark(store.root, config)
    return failures | deadly


def _make_seeds(job: Job, seeds: tuple[int, ...]) -> Failures:
    """Makes and stores some runs of a job that another process has claimed."""
    part = job.part(seeds)
    return _make_and_store(part, ResultStore(job.root), part.configs())


def _make_and_store(
    job: Job,
    store: ResultStore,
    configs: Mapping[int, dict[str, Any]],
    on_epoch: OnEpoch | None = None,
) -> Failures:
    failures: Failures = {}
    try:
        runs = evaluate_seeds(
            job.controller.method(), job.env, job.seeds, job.twins, job.workers, on_epoch
        )
    except PolicyError as error:
        runs, failures = [], dict.fromkeys(job.seeds, str(error))
    failures |= {run.seed: str(run.error) for run in runs if run.summary is None}
    with ThreadPoolExecutor(_WRITERS) as writers:
        stored = [
            writers.submit(store.write, configs[run.seed], run.trace, run.summary)
            for run in runs
            if run.summary is not None
        ]
        stored += [
            writers.submit(store.write_failure, configs[seed], reason)
            for seed, reason in failures.items()
        ]
    for write in stored:
        write.result()
    return failures
