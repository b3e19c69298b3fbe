"""Runs experiments: the seeds of a (env, controller) pair together in one vector env."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, field
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from atn_gym.agents.registry import source_digest
from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig
from atn_gym.eval.manifest import make_manifest
from atn_gym.eval.rollout import OnEpoch, PolicyError, run_seeds
from atn_gym.eval.store import ResultStore
from atn_gym.eval.summary import summarise

_MOST_TOGETHER = 32
"""Runs in one vector env: bounds the memory, and what an interruption loses."""


def run_config(env: EnvConfig, controller: ControllerConfig, seed: int) -> dict[str, Any]:
    """The resolved config of one run: all that its results depend on."""
    params = asdict(env.params().resolved())
    params.pop("data_dir")
    return {
        "env": {"id": env.id, **params},
        "controller": {
            "name": controller.name,
            "source": source_digest(controller.name),
            **controller.arguments,
        },
        "seed": seed,
    }


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


def missing_seeds(
    env: EnvConfig, controller: ControllerConfig, config: ExperimentConfig, store: ResultStore
) -> list[int]:
    """Seeds of a pair whose runs the store does not hold."""
    return [seed for seed in config.seeds if store.read(run_config(env, controller, seed)) is None]


def pending_epochs(config: ExperimentConfig, store: ResultStore) -> int:
    """Epochs that remain to be trained, at most: a run that diverges ends early."""
    return sum(
        len(missing_seeds(env, controller, config, store)) * env.params().get_task().num_epochs
        for env in config.envs
        for controller in config.controllers
    )


def run_experiment(
    config: ExperimentConfig, store: ResultStore, on_epoch: OnEpoch | None = None
) -> list[Outcome]:
    """Makes every run of an experiment that the store does not hold yet.

    Args:
        config: The experiment.
        store: Where results are read and written.
        on_epoch: Called with the number of runs that trained an epoch.

    Returns:
        An outcome for each (env, controller) pair. A controller that fails loses its own
        runs alone.
    """
    pairs = list(itertools.product(config.envs, config.controllers))
    missing = [missing_seeds(env, controller, config, store) for env, controller in pairs]
    if any(missing):
        store.write_manifest(make_manifest(config.seeds))
    outcomes = []
    for (env, controller), seeds in zip(pairs, missing, strict=True):
        failures: dict[int, str] = {}
        for first in range(0, len(seeds), _MOST_TOGETHER):
            batch = seeds[first : first + _MOST_TOGETHER]
            failures |= _run_pair(env, controller, batch, store, on_epoch)
        stored = [store.read(run_config(env, controller, s)) for s in config.seeds]
        complete = [summary for summary in stored if summary is not None]
        outcomes.append(Outcome(env, controller, complete, failures))
    return outcomes


def _run_pair(
    env: EnvConfig,
    controller: ControllerConfig,
    seeds: list[int],
    store: ResultStore,
    on_epoch: OnEpoch | None,
) -> dict[int, str]:
    """Makes and stores runs; returns why one failed, by seed."""
    vector: Any = gymnasium.make_vec(
        env.id, num_envs=len(seeds), autoreset_mode=AutoresetMode.DISABLED, **env.kwargs
    )
    try:
        policy = controller.method().policy(vector, seeds)
        records = run_seeds(policy, vector, seeds, on_epoch)
    except PolicyError as error:
        return dict.fromkeys(seeds, str(error))
    finally:
        vector.close()
    episodes = vector.unwrapped.episodes
    for record in records:
        if record.account.error is None:
            store.write(
                run_config(env, controller, record.seed),
                record.trace,
                summarise(record, episodes.num_epochs, episodes.num_classes),
            )
    return {r.seed: str(r.account.error) for r in records if r.account.error is not None}
