"""Runs experiments: every controller on every env, here or by an executor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig
from atn_gym.eval.running.batch import MOST_TOGETHER, has_twin
from atn_gym.eval.running.dispatch import dispatch
from atn_gym.eval.running.jobs import Job
from atn_gym.eval.running.run_config import controller_config, run_configs
from atn_gym.eval.running.threads import thread_count
from atn_gym.eval.storage.keys import keys_of_seeds, run_key
from atn_gym.eval.storage.labels import contender_key, set_labels
from atn_gym.eval.storage.provenance import make_manifest
from atn_gym.eval.storage.store import ResultStore

Pair = tuple[EnvConfig, ControllerConfig]


@dataclass
class Progress:
    """How far an experiment is; runs that were stored before are not counted.

    Args:
        runs: Runs to be made.
        epochs: Epochs to be trained for them, at most: a run that diverges ends early.
        runs_done: Runs made and stored.
        runs_failed: Runs that failed.
        epochs_done: Epochs trained, those that an early end saved included.
    """

    runs: int
    epochs: int
    runs_done: int = 0
    runs_failed: int = 0
    epochs_done: int = 0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one (env, controller) pair.

    Args:
        env: The env.
        controller: The controller.
        summaries: Summaries of its complete runs, in the order of the seeds.
        failures: Why a run failed, by seed.
    """

    env: EnvConfig
    controller: ControllerConfig
    summaries: list[Mapping[str, Any]]
    failures: dict[int, str] = field(default_factory=dict)


def run_experiment(
    config: ExperimentConfig,
    store: ResultStore,
    on_progress: OnProgress = lambda progress: None,
    executor: Executor | None = None,
    workers: int = 1,
) -> list[Outcome]:
    """Makes every run of an experiment that the store does not hold yet.

    Args:
        config: The experiment.
        store: Where results are read and written.
        on_progress: Called whenever there is progress.
        executor: Runs the jobs; None runs them here, one after the other. Its workers need not
            reach the folder of the store.
        workers: Number of processes of the executor that share one machine.

    Returns:
        An outcome for each (env, controller) pair. If a controller fails, only its
        runs are lost.

    Raises:
        WorkerLost: If worker processes died or are gone. What is complete is kept.
        WorkerRefused: If a worker has other code.
    """
    _store_labels(config, store)
    keys = {
        pair: _keys(*pair, config) for pair in itertools.product(config.envs, config.controllers)
    }
    store.refresh()
    jobs = [
        job
        for pair, of_pair in keys.items()
        for job in _jobs(pair, of_pair, config, store, workers)
    ]
    if jobs:
        _store_manifest(jobs, config, store, workers)
    failures = _make_runs(jobs, store, executor, workers, on_progress)
    return [
        Outcome(
            *pair,
            [s for s in map(store.summary, of_pair.values()) if s is not None],
            {seed: failures[key] for seed, key in of_pair.items() if key in failures},
        )
        for pair, of_pair in keys.items()
    ]


def _store_labels(config: ExperimentConfig, store: ResultStore) -> None:
    """Stores what tables call the controllers, and which version of each is current."""
    controllers = [(controller_config(c), c.label) for c in config.controllers]
    set_labels(
        store.root,
        {run_key(resolved): label for resolved, label in controllers},
        {contender_key(resolved): run_key(resolved) for resolved, _ in controllers},
    )


def _store_manifest(
    jobs: list[Job], config: ExperimentConfig, store: ResultStore, workers: int
) -> None:
    """Stores what makes the runs: versions, machine and threads."""
    engines = {job.env.params().resolved().engine for job in jobs}
    threads = {engine: thread_count(engine, workers) for engine in sorted(engines)}
    store.write_manifest(make_manifest(config.seeds, workers, threads))


def _make_runs(
    jobs: list[Job],
    store: ResultStore,
    executor: Executor | None,
    workers: int,
    on_progress: OnProgress,
) -> dict[str, str]:
    """Makes and stores the runs of all jobs; returns why a run failed, by its key."""
    progress = Progress(
        runs=sum(len(job.seeds) for job in jobs), epochs=sum(_epochs(job) for job in jobs)
    )
    on_progress(progress)
    done, failures = 0, dict[str, str]()

    def on_epoch(runs: int) -> None:
        progress.epochs_done = min(progress.epochs_done + runs, progress.epochs)
        on_progress(progress)

    for each in dispatch(jobs, store, executor, partial(_slots, executor, workers), on_epoch):
        progress.runs_done += len(each.job.keys) - len(each.failures)
        progress.runs_failed += len(each.failures)
        done += _epochs(each.job)
        progress.epochs_done = max(progress.epochs_done, done)
        on_progress(progress)
        failures |= each.failures
    return failures


def _keys(env: EnvConfig, controller: ControllerConfig, config: ExperimentConfig) -> dict[int, str]:
    """Keys of the runs of a pair, by seed."""
    (first,) = run_configs(env, controller, config.seeds[:1], config.twins)
    key = keys_of_seeds(first)
    return {seed: key(seed) for seed in config.seeds}


def _jobs(
    pair: Pair, keys: dict[int, str], config: ExperimentConfig, store: ResultStore, workers: int
) -> list[Job]:
    """Shares the runs of a pair that are missing among the workers."""
    missing = [seed for seed, key in keys.items() if not store.has(key)]
    together = max(min(MOST_TOGETHER, -(-len(missing) // workers)), 1)
    shares = [missing[first : first + together] for first in range(0, len(missing), together)]
    return [
        Job(*pair, tuple(seeds), config.twins, tuple(keys[s] for s in seeds), workers)
        for seeds in shares
    ]


def _epochs(job: Job) -> int:
    twins = job.twins and has_twin(job.env)
    return len(job.seeds) * job.env.params().get_task().num_epochs * (2 if twins else 1)


def _slots(executor: Executor | None, workers: int) -> int:
    """Jobs to submit at once: two for each worker, so that none waits."""
    return 1 if executor is None else 2 * getattr(executor, "num_workers", workers)
