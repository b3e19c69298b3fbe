"""Stored runs, each a view on a row of a table, and runs that failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.run_table import RunTable


@dataclass(frozen=True, eq=False, slots=True)
class StoredRun:
    """A complete run.

    Args:
        table: The runs it is stored with.
        row: Which of them it is.
    """

    table: RunTable
    row: int

    @property
    def key(self) -> str:
        """Its key."""
        key: str = self.table.keys[self.row]
        return key

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.table.seeds[self.row])

    @property
    def config(self) -> dict[str, Any]:
        """Its resolved config."""
        return {**self.table.configs[self.table.config_of[self.row]], "seed": self.seed}

    @property
    def summary(self) -> dict[str, Any]:
        """Its metrics."""
        return self.table.summaries()[self.row]

    @property
    def trace(self) -> dict[str, FloatArray]:
        """Columns of its trace by name, each with an entry for every epoch trained."""
        return self.table.trace(self.row)

    @property
    def num_epochs(self) -> int:
        """Epochs trained."""
        return int(self.table.epochs[self.row])

    @property
    def has_twin(self) -> bool:
        """Whether its twin was to be run too."""
        return bool(self.table.configs[self.table.config_of[self.row]].get("twins", False))

    @property
    def gradient_steps(self) -> float:
        """Gradient steps of its epochs."""
        return float(self.table.gradient_steps[self.row])

    def metric(self, name: str) -> float:
        """A metric, truth as 0 or 1; NaN if the run has none or it is not finite.

        Args:
            name: Its field in the summary; "wall_clock_s.total" is field total of wall_clock_s.
        """
        return float(self.table.metric(name)[self.row])

    def text(self, name: str) -> Any:
        """A field of its summary."""
        return self.table.texts(name)[self.row]

    def variant(self, of: str) -> dict[str, Any]:
        """Config of its env or controller."""
        variant: dict[str, Any] = self.table.configs[self.table.config_of[self.row]][of]
        return variant

    def variant_key(self, of: str) -> str:
        """`run_key` of that."""
        return self.table.variant_key(of, self.row)


@dataclass(frozen=True)
class StoredFailure:
    """A run that failed.

    Args:
        key: Its key.
        config: Its resolved config.
        reason: Why it failed.
    """

    key: str
    config: dict[str, Any]
    reason: str

    @property
    def seed(self) -> int:
        """Its seed."""
        seed: int = self.config["seed"]
        return seed

    def variant(self, of: str) -> dict[str, Any]:
        """Config of its env or controller."""
        variant: dict[str, Any] = self.config[of]
        return variant

    def variant_key(self, of: str) -> str:
        """`run_key` of that."""
        return run_key(self.config[of])


def stored_runs(table: RunTable | None) -> list[StoredRun]:
    """The runs of a table, in its order; none if there is no table."""
    return [] if table is None else [StoredRun(table, row) for row in range(len(table))]


def trace_matrices(
    runs: Sequence[StoredRun], names: Sequence[str], epochs: int
) -> dict[str, FloatArray]:
    """Columns of the traces of runs of one table, NaN where there is no epoch: (runs, epochs).

    Args:
        runs: At least one.
        names: Columns.
        epochs: Number of epochs, at most.
    """
    return runs[0].table.trace_matrices(np.array([run.row for run in runs]), names, epochs)


def distinct_variants(runs: Iterable[StoredRun | StoredFailure], of: str) -> list[dict[str, Any]]:
    """The different configs of the envs or controllers of some runs."""
    return list({run.variant_key(of): run.variant(of) for run in runs}.values())
