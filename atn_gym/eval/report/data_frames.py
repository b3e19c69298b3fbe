"""Results as data frames of pandas, which is imported here only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from atn_gym.arrays import IntArray
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.storage import arrow, parts
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.runs import StoredRun
from atn_gym.eval.storage.selection import Selection, select

_LABELS = ("run", "env", "controller", "seed")
_RUNS_AT_ONCE = 10_000


def load_results(
    folder: str | Path,
    *,
    controllers: Sequence[str] = (),
    envs: Sequence[str] = (),
    seeds: Sequence[int] = (),
    earlier_sources: bool = False,
) -> LoadedResults:
    """Loads the complete runs of an experiment as data frames.

    Args:
        folder: Folder of the experiment, such as `results/digits_data_shift`.
        controllers: Only these controllers, by label or name; all if empty.
        envs: Only these envs, by id or the name that a report shows; all if empty.
        seeds: Only these seeds; all if empty.
        earlier_sources: Whether runs of controllers whose files have changed since are kept.

    Returns:
        The runs, a row for each, and their epochs, which are read once they are asked for.

    Raises:
        StoreError: If there is no experiment, or it holds no complete run.
        InvalidArgument: If there is no such controller, env or seed.

    Example::

        results = atn_gym.load_results("results/digits_data_shift")
        results.runs.groupby("controller")["anytime_performance"].mean()
        results.epochs.query("controller == 'fixed' and seed == 0").plot("epoch", "val_loss")
    """
    selection = Selection(controllers, envs, seeds, earlier_sources)
    stored = select(read_experiment(Path(folder)), selection)
    return LoadedResults(ResultIndex(stored.runs, stored.labels))


class LoadedResults:
    """Runs of an experiment, sorted by env, controller and seed.

    Args:
        index: The runs.
    """

    def __init__(self, index: ResultIndex) -> None:
        placed = sorted((env, controller, seed) for controller, env, seed in index.runs)
        self._env, self._controller = ([place[i] for place in placed] for i in range(2))
        self._runs: list[StoredRun] = [index.runs[c, e, s] for e, c, s in placed]
        self._table = self._runs[0].table
        self._rows = np.array([run.row for run in self._runs])

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        """One line: how much there is."""
        return f"LoadedResults({len(self)} runs, {self._table.epochs[self._rows].sum()} epochs)"

    def run(self, place: int) -> StoredRun:
        """The run in a row of `runs`."""
        return self._runs[place]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row for each run: labels, every metric of its summary, and its config.

        `run` is the key, `env` and `controller` what a report calls them. Metrics have the names
        and units of docs/metrics.md, nested ones with dots, such as `wall_clock_s.total` (seconds).
        A number that some runs do not have is a float there, NaN where it is undefined. Arguments
        are columns `config.env.<name>` and `config.controller.<name>`; lists and mappings are JSON.
        """
        labels = {
            "run": [run.key for run in self._runs],
            "env": pd.Categorical(self._env),
            "controller": pd.Categorical(self._controller),
            "seed": self._table.seeds[self._rows],
        }
        metrics = {
            name: values[self._rows]
            for name, values in self._table.columns().items()
            if name not in labels
        }
        shared = [_flat_config(config) for config in self._table.configs]
        of_run = self._table.config_of[self._rows]
        config = {
            name: np.array([of.get(name) for of in shared], dtype=np.object_)[of_run]
            for name in dict.fromkeys(name for of in shared for name in of)
        }
        frame = pd.DataFrame({**labels, **metrics, **config})
        return frame.infer_objects()

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """A row for each epoch of each run: labels, and the columns of a trace in docs/metrics.md.

        All of them are in memory: `scan` gives them in pieces.
        """
        return self._epochs(np.arange(len(self)), None)

    def scan(
        self, columns: Sequence[str] | None = None, runs_at_once: int = _RUNS_AT_ONCE
    ) -> Iterator[pd.DataFrame]:
        """Yields the epochs of some runs after others, for what does not fit into memory.

        Args:
            columns: Columns of the traces besides `run`, `env`, `controller`, `seed`, `epoch`; all
                if None.
            runs_at_once: Number of runs in a piece.
        """
        for first in range(0, len(self), runs_at_once):
            yield self._epochs(np.arange(first, min(first + runs_at_once, len(self))), columns)

    def _epochs(self, chosen: IntArray, columns: Sequence[str] | None) -> pd.DataFrame:
        wanted = None if columns is None else list(dict.fromkeys(["epoch", *columns]))
        traces = self._table.traces(self._rows[chosen], wanted)
        trained = self._table.epochs[self._rows[chosen]]
        of_run = np.repeat(chosen, trained)
        frame: dict[str, Any] = {
            "run": pd.Categorical.from_codes(
                of_run - chosen[0], [self._runs[i].key for i in chosen.tolist()]
            ),
            "env": pd.Categorical(self._env)[of_run],
            "controller": pd.Categorical(self._controller)[of_run],
            "seed": self._table.seeds[self._rows][of_run],
        }
        for name in arrow.names(traces, parts.TRACE):
            lengths, values = arrow.flattened(traces, f"{parts.TRACE}{name}")
            if not np.array_equal(lengths, trained):
                # Some runs do not have this column, such as one of a hyperparameter.
                known = np.repeat(lengths > 0, trained)
                filled = np.full(len(of_run), np.nan)
                filled[known] = values
                values = filled
            frame[name] = values
        return pd.DataFrame(frame)


def _flat_config(config: dict[str, Any]) -> dict[str, Any]:
    return {
        f"config.{of}.{name}": json.dumps(value) if isinstance(value, (list, dict)) else value
        for of in ("env", "controller")
        for name, value in config[of].items()
    }
