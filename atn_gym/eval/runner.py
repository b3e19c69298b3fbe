"""Runs policies on envs: the seeds of a (env, controller) pair in one vector env."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from atn_gym.agents.policy import ControllerPolicy, Policy
from atn_gym.agents.registry import source_digest
from atn_gym.config import ControllerConfig, EnvConfig, ExperimentConfig
from atn_gym.envs.rewards import DIVERGED, log_score
from atn_gym.eval import metrics
from atn_gym.eval.manifest import make_manifest
from atn_gym.eval.store import ResultStore

Row = dict[str, Any]
OnEpoch = Callable[[int], None]

_MOST_TOGETHER = 32
"""Runs in one vector env: bounds the memory, and what an interruption loses."""


@dataclass(eq=False)
class RunRecord:
    """One run as it was made.

    Args:
        seed: Its seed.
        trace: A row for each epoch.
        training_s: Wall-clock spent in the env; runs trained together share it evenly.
        controller_s: Wall-clock spent in the policy, shared likewise.
        test: Loss and accuracy on the test split.
    """

    seed: int
    trace: list[Row] = field(default_factory=list)
    training_s: float = 0.0
    controller_s: float = 0.0
    test: dict[str, float] = field(default_factory=dict)


def run_seeds(
    policy: Policy, env: Any, seeds: Sequence[int], on_epoch: OnEpoch | None = None
) -> list[RunRecord]:
    """Runs a policy once on each seed, without a single restart.

    Args:
        policy: Decides the actions of all runs.
        env: A vector env in DISABLED autoreset mode with one slot a seed, wrapped or not.
        seeds: Seeds of the runs.
        on_epoch: Called with the number of runs that trained an epoch.

    Returns:
        A record for each seed.
    """
    records = [RunRecord(seed) for seed in seeds]
    observation, _ = env.reset(seed=list(seeds))
    running = np.ones(len(records), dtype=np.bool_)
    start, state = np.ones(len(records), dtype=np.bool_), None
    while running.any():
        began = time.perf_counter()
        actions, state = policy.predict(
            observation, state=state, episode_start=start, deterministic=True
        )
        decided = time.perf_counter()
        observation, rewards, terminations, _, infos = env.step(actions)
        trained = time.perf_counter()
        for i in np.flatnonzero(running).tolist():
            records[i].trace.append(_row(infos, i, float(rewards[i]), env.unwrapped.episodes))
            records[i].controller_s += (decided - began) / running.sum()
            records[i].training_s += (trained - decided) / running.sum()
        if on_epoch is not None:
            on_epoch(int(running.sum()))
        running &= ~terminations
        start = np.zeros_like(start)
    for record, test in zip(records, env.unwrapped.test_metrics(), strict=True):
        record.test = test
    return records


def _row(infos: dict[str, Any], i: int, reward: float, episodes: Any) -> Row:
    privileged = infos["privileged"]
    diverged = bool(infos["diverged"][i])
    val_loss = float(privileged["val_loss"][i])
    score = DIVERGED if diverged else float(log_score(np.array(val_loss), episodes.num_classes))
    return {
        "epoch": int(infos["epoch"][i]),
        "observed_train_loss": float(infos["train_loss"][i]),
        "observed_val_loss": float(infos["val_loss"][i]),
        "train_loss": float(privileged["train_loss"][i]),
        "train_accuracy": float(infos["train_accuracy"][i]),
        "val_loss": val_loss,
        "val_accuracy": float(infos["val_accuracy"][i]),
        "score": score,
        "reward": reward,
        **{n: float(infos["hyperparameters"][n][i]) for n in episodes.hyperparameters.names},
        "strength": float(privileged["strength"][i]),
        "diverged": diverged,
        "flops": int(infos["flops"][i]),
        "gradient_steps": int(infos["gradient_steps"][i]),
    }


def summarise(record: RunRecord, num_epochs: int, num_classes: int) -> dict[str, Any]:
    """Metrics of a run as plain values.

    Args:
        record: The run.
        num_epochs: Epoch budget T.
        num_classes: Number of classes C.
    """
    fills = {
        "val_loss": 5 * np.log(num_classes),
        "val_accuracy": 1 / num_classes,
        "score": DIVERGED,
    }
    loss, accuracy, scores = (
        metrics.pad_diverged(np.array([row[name] for row in record.trace]), num_epochs, fill)
        for name, fill in fills.items()
    )
    return {
        "seed": record.seed,
        "final_val_accuracy": metrics.final(accuracy),
        "final_val_loss": metrics.final(loss),
        **record.test,
        "anytime_performance": metrics.anytime_performance(scores),
        "mean_val_loss": metrics.mean_val_loss(loss),
        "diverged": record.trace[-1]["diverged"],
        "gradient_steps": sum(row["gradient_steps"] for row in record.trace),
        "flops": sum(row["flops"] for row in record.trace),
        "wall_clock_s": {
            "training": record.training_s,
            "controller": record.controller_s,
            "total": record.training_s + record.controller_s,
        },
    }


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
    """Summaries of all seeds of one (env, controller) pair, in the order of the seeds."""

    env: EnvConfig
    controller: ControllerConfig
    summaries: list[dict[str, Any]]


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
        An outcome for each (env, controller) pair.
    """
    pairs = list(itertools.product(config.envs, config.controllers))
    missing = [missing_seeds(env, controller, config, store) for env, controller in pairs]
    if any(missing):
        store.write_manifest(make_manifest(config.seeds))
    outcomes = []
    for (env, controller), seeds in zip(pairs, missing, strict=True):
        for first in range(0, len(seeds), _MOST_TOGETHER):
            _run_pair(env, controller, seeds[first : first + _MOST_TOGETHER], store, on_epoch)
        stored = [store.read(run_config(env, controller, s)) for s in config.seeds]
        outcomes.append(Outcome(env, controller, [s for s in stored if s is not None]))
    return outcomes


def _run_pair(
    env: EnvConfig,
    controller: ControllerConfig,
    seeds: list[int],
    store: ResultStore,
    on_epoch: OnEpoch | None,
) -> None:
    vector: Any = gymnasium.make_vec(
        env.id, num_envs=len(seeds), autoreset_mode=AutoresetMode.DISABLED, **env.kwargs
    )
    policy = ControllerPolicy.for_env(controller.factory(), vector, seeds)
    records = run_seeds(policy, vector, seeds, on_epoch)
    episodes = vector.unwrapped.episodes
    for record in records:
        store.write(
            run_config(env, controller, record.seed),
            record.trace,
            summarise(record, episodes.num_epochs, episodes.num_classes),
        )
    vector.close()
