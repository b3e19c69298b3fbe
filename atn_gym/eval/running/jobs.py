"""Jobs: some seeds of one (env, controller) pair, run and stored wherever there is room."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from atn_gym.agents.registry import controller_class, controller_digests
from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.envs.params import TuningParams
from atn_gym.eval.running.batch import evaluate_seeds
from atn_gym.eval.running.failures import PolicyError
from atn_gym.eval.running.rollout import OnEpoch
from atn_gym.eval.storage.store import ResultStore

_WRITERS = 8
"""Runs stored at once: a write waits for the disk, which syncs several files as fast as one."""


def run_configs(
    env: EnvConfig, controller: ControllerConfig, seeds: Sequence[int], twins: bool
) -> list[dict[str, Any]]:
    """The resolved config of the run with each seed: all that its results depend on."""
    params = asdict(env.params().resolved())
    params.pop("data_dir")
    types = {field.name: str(field.type) for field in fields(TuningParams)}
    shared = {
        "env": {"id": env.id, **{k: _as_declared(v, types[k]) for k, v in params.items()}},
        "controller": controller_config(controller),
        "twins": twins,
    }
    return [{**shared, "seed": seed} for seed in seeds]


def controller_config(controller: ControllerConfig) -> dict[str, Any]:
    """The resolved config of a controller, without its label, on which nothing depends."""
    parameters = inspect.signature(controller_class(controller.name)).parameters
    types = {
        name: type(parameter.default).__name__
        if parameter.annotation is parameter.empty
        else inspect.formatannotation(parameter.annotation)
        for name, parameter in parameters.items()
    }
    return {
        "name": controller.name,
        **controller_digests(controller.name, controller.arguments),
        **{k: _as_declared(v, types.get(k, "")) for k, v in controller.arguments.items()},
    }


def _as_declared(value: Any, declared: str) -> Any:
    """Writes whole numbers as floats where floats are declared: 2 and 2.0 make the same run."""
    if not re.search(r"\bfloat\b", declared) or re.search(r"\bint\b", declared):
        return value
    if isinstance(value, dict):
        return {name: _as_declared(of_one, declared) for name, of_one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_declared(of_one, declared) for of_one in value]
    return float(value) if type(value) is int else value


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
    """

    env: EnvConfig
    controller: ControllerConfig
    seeds: tuple[int, ...]
    twins: bool
    root: Path
    workers: int = 1

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

    Args:
        job: What to run.
        on_epoch: Called with the number of runs that trained an epoch.
    """
    store = ResultStore(job.root)
    configs = job.configs()
    with store.claims(list(configs.values())) as claimed:
        mine = [s for s, free in zip(job.seeds, claimed, strict=True) if free]
        # Another process may have completed a run since the job was made.
        missing = [seed for seed in mine if not store.has(configs[seed])]
        elsewhere = tuple(seed for seed in job.seeds if seed not in mine)
        failures: dict[int, str] = {}
        if missing:
            failures = _run_missing(job, {s: configs[s] for s in missing}, store, on_epoch)
        done = tuple(seed for seed in mine if seed not in failures)
        return JobResult(done, failures, elsewhere)


def _run_missing(
    job: Job, configs: dict[int, dict[str, Any]], store: ResultStore, on_epoch: OnEpoch | None
) -> dict[int, str]:
    seeds, failures = list(configs), dict[int, str]()
    try:
        runs = evaluate_seeds(
            job.controller.method(), job.env, seeds, job.twins, job.workers, on_epoch
        )
    except PolicyError as error:
        runs, failures = [], dict.fromkeys(seeds, str(error))
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
