"""Runs experiments: every controller on every env, here or by an executor."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig
from atn_gym.eval.running.batch import MOST_TOGETHER, has_twin
from atn_gym.eval.running.jobs import Job, JobResult, run_job
from atn_gym.eval.running.origin import Origin, sending_jobs
from atn_gym.eval.running.run_config import controller_config, run_configs
from atn_gym.eval.running.threads import thread_count
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.labels import contender_key, set_labels
from atn_gym.eval.storage.provenance import make_manifest
from atn_gym.eval.storage.store import ResultStore

Pair = tuple[EnvConfig, ControllerConfig]

_POLL_SECONDS = 2.0
_SEEN_WITHIN_S = 5.0
"""Seconds within which a network file system shows what another machine has written."""


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
    summaries: list[dict[str, Any]]
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
        executor: Runs the jobs; None runs them here, one after the other. Its workers must
            reach the folder of the store.
        workers: Number of processes of the executor that share one machine.

    Returns:
        An outcome for each (env, controller) pair. A controller that fails loses its own
        runs alone.

    Raises:
        WorkerLost: If worker processes died or are gone. What is complete is kept.
        WorkerRefused: If a worker has other code or another folder.
    """
    controllers = [(controller_config(c), c.label) for c in config.controllers]
    set_labels(
        store.root,
        {run_key(resolved): label for resolved, label in controllers},
        {contender_key(resolved): run_key(resolved) for resolved, _ in controllers},
    )
    configs = {
        pair: run_configs(*pair, config.seeds, config.twins)
        for pair in itertools.product(config.envs, config.controllers)
    }
    runs = [run for of_pair in configs.values() for run in of_pair]
    complete = _read(runs, store)
    jobs = []
    for pair, of_pair in configs.items():
        missing = [run for run in of_pair if run_key(run) not in complete]
        jobs += _jobs(pair, missing, config, store, workers)
    if jobs:
        engines = {job.env.params().resolved().engine for job in jobs}
        threads = {engine: thread_count(engine, workers) for engine in sorted(engines)}
        store.write_manifest(make_manifest(config.seeds, workers, threads))
    progress = Progress(
        runs=sum(len(job.seeds) for job in jobs), epochs=sum(_epochs(job) for job in jobs)
    )
    on_progress(progress)
    failures: dict[Pair, dict[int, str]] = {pair: {} for pair in configs}
    with sending_jobs(store.root) as origin:
        while jobs:
            elsewhere = []
            for job, result in _run_all(jobs, executor, origin, progress, on_progress):
                progress.runs_done += len(result.done)
                progress.runs_failed += len(result.failures)
                on_progress(progress)
                failures[job.env, job.controller] |= result.failures
                if result.elsewhere:
                    elsewhere.append(job.part(result.elsewhere))
            jobs = elsewhere
            if jobs:
                # Another process makes these runs, or dies: then they fall to this one.
                time.sleep(_POLL_SECONDS)
    complete |= _read_made(configs, complete, failures, store)
    summaries = {
        pair: [complete[key] for key in map(run_key, of_pair) if key in complete]
        for pair, of_pair in configs.items()
    }
    return [Outcome(*pair, summaries[pair], failures.get(pair, {})) for pair in configs]


def _read(runs: Sequence[dict[str, Any]], store: ResultStore) -> dict[str, dict[str, Any]]:
    """Summaries of the runs that are complete, by their keys."""
    found = {run_key(run): store.read(run) for run in runs}
    return {key: summary for key, summary in found.items() if summary is not None}


def _read_made(
    configs: dict[Pair, list[dict[str, Any]]],
    complete: Container[str],
    failures: dict[Pair, dict[int, str]],
    store: ResultStore,
) -> dict[str, dict[str, Any]]:
    """Summaries of runs that were made; those that cannot be read are added to the failures."""
    deadline = time.monotonic() + _SEEN_WITHIN_S
    made: dict[str, dict[str, Any]] = {}
    for pair, of_pair in configs.items():
        for run in of_pair:
            key, seed = run_key(run), run["seed"]
            if key in complete or seed in failures[pair]:
                continue
            while (summary := store.read(run)) is None and time.monotonic() < deadline:
                time.sleep(0.1)
            if summary is None:
                failures[pair][seed] = (
                    f"a worker reported it done, but {store.root / key} holds no complete run: "
                    "the folder must be one that all workers share"
                )
            else:
                made[key] = summary
    return made


def _jobs(
    pair: Pair,
    runs: Sequence[dict[str, Any]],
    config: ExperimentConfig,
    store: ResultStore,
    workers: int,
) -> list[Job]:
    """Shares the runs of a pair that are missing among the workers."""
    together = max(min(MOST_TOGETHER, -(-len(runs) // workers)), 1)
    parts = [runs[first : first + together] for first in range(0, len(runs), together)]
    return [
        Job(
            *pair,
            tuple(run["seed"] for run in part),
            config.twins,
            store.root,
            workers,
            tuple(map(run_key, part)),
        )
        for part in parts
    ]


def _epochs(job: Job) -> int:
    twins = job.twins and has_twin(job.env)
    return len(job.seeds) * job.env.params().get_task().num_epochs * (2 if twins else 1)


def _run_all(
    jobs: list[Job],
    executor: Executor | None,
    origin: Origin,
    progress: Progress,
    on_progress: OnProgress,
) -> Iterator[tuple[Job, JobResult]]:
    """Runs jobs and yields each as it is done."""
    if executor is None:
        for job in jobs:
            before = progress.epochs_done

            def on_epoch(runs: int) -> None:
                progress.epochs_done += runs
                on_progress(progress)

            result = run_job(job, on_epoch)
            progress.epochs_done = before + _epochs(job)
            yield job, result
        return
    futures: dict[Future[JobResult], Job] = {
        executor.submit(run_job, replace(job, origin=origin)): job for job in jobs
    }
    for future in as_completed(futures):
        job = futures[future]
        result = future.result()
        progress.epochs_done += _epochs(job)
        yield job, result
