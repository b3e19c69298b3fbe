"""A stored sweep as the pages read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from atn_gym.eval.metrics.bootstrap import FEW_SEEDS
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.each_env import of_envs
from atn_gym.eval.report.index import Block, ResultIndex
from atn_gym.eval.storage.experiment import StoredExperiment, read_experiment
from atn_gym.eval.storage.selection import select


@dataclass(frozen=True)
class Results:
    """A sweep: what is stored, its index, and the statistics over all envs."""

    stored: StoredExperiment
    index: ResultIndex
    all_envs: BlockStatistics

    @classmethod
    def read(cls, folder: Path) -> Results:
        """Reads the runs of the current source of every controller."""
        stored = select(read_experiment(folder))
        index = ResultIndex(stored.runs, stored.labels, stored.failures)
        return cls(stored, index, BlockStatistics(index, of_everybody(index) or index.block()))

    def of_envs(self, envs: Sequence[str]) -> BlockStatistics:
        """Statistics of the same controllers and seeds on some envs."""
        return of_envs(self.index, self.all_envs.block, envs)

    def tasks(self) -> dict[str, dict[str, str]]:
        """Labels of the envs by regime, for each task."""
        tasks: dict[str, dict[str, str]] = {}
        for env in self.index.envs:
            if env.label in self.all_envs.block.envs:
                regimes = tasks.setdefault(str(env.arguments["task"]), {})
                regimes[env.label.removeprefix(f"{env.arguments['task']}-")] = env.label
        return tasks


def of_everybody(index: ResultIndex) -> Block | None:
    """All controllers on all envs, with the seeds that all of them have; None if there are none.

    A controller that has fewer seeds than an interval needs, and than most have, is left out.
    """
    envs = [env.label for env in index.envs]
    complete = {
        c.label: {s for s in index.seeds if all((c.label, env, s) in index.runs for env in envs)}
        for c in index.controllers
    }
    enough = min(FEW_SEEDS, median_low(map(len, complete.values())) if complete else 0)
    complete = {c: seeds for c, seeds in complete.items() if len(seeds) >= enough}
    shared = set.intersection(*complete.values()) if complete else set()
    if len(shared) < enough or not enough:
        return None
    return Block(tuple(complete), tuple(envs), tuple(sorted(shared)), index.runs)
