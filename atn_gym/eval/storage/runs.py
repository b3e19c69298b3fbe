"""Stored runs: a table of them by column, and a view on each row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import BoolArray, FloatArray, IntArray
from atn_gym.eval.storage import parts
from atn_gym.eval.storage.keys import run_key
from atn_gym.files import StoreError, Unreadable

TOO_LARGE = 1e300
"""From here on, where nothing real is, numbers would overflow."""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the rows of a table are from.

    Args:
        folder: Folder of the parts.
        names: Names of the parts.
        part: Which of them each row is from.
        row: Its row there.
    """

    folder: Path
    names: Sequence[str]
    part: IntArray
    row: IntArray


class RunTable:
    """Runs by column, each column read once it is asked for.

    Args:
        table: An Arrow table with the columns of parts, but for traces.
        origin: Where its rows are from, for the traces.

    Attributes:
        keys: Key of each run.
        seeds: Seed of each run.
        configs: Configs that runs share, without the seed.
        config_of: Which of these each run has.
    """

    def __init__(self, table: parts.Table, origin: Origin) -> None:
        self._table, self.origin = table, origin
        self.keys: list[str] = table["key"].to_pylist()
        self.seeds = parts.integers(table, "seed")
        texts, of_row = parts.shared(table, "config")
        used, self.config_of = np.unique(of_row, return_inverse=True)
        self.configs: list[dict[str, Any]] = [json.loads(texts[i]) for i in used]
        self._metrics: dict[str, FloatArray] = {}
        self._texts: dict[str, list[Any]] = {}
        self._summaries: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[StoredRun]:
        return (StoredRun(self, row) for row in range(len(self)))

    def numbers(self, name: str) -> FloatArray:
        """A field of every summary as it is stored, truth as 0 or 1; NaN if it is not a number."""
        return parts.floats(self._table, f"{parts.SUMMARY}{name}")

    def known(self, name: str) -> BoolArray:
        """Which summaries have a field."""
        return parts.known(self._table, f"{parts.SUMMARY}{name}")

    def is_truth(self, name: str) -> bool:
        """Whether a field, where it is known, is true or false."""
        return parts.is_truth(self._table, f"{parts.SUMMARY}{name}")

    def counts_epochs(self) -> BoolArray:
        """Which traces have the epochs 1, 2, 3 and so on."""
        lengths, values = parts.lists(self._table, f"{parts.TRACE}epoch")
        counted = 1 + np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        wrong = np.repeat(np.arange(len(self)), lengths)[values != counted]
        return ~np.isin(np.arange(len(self)), wrong)

    def rows(self, chosen: IntArray) -> RunTable:
        """Some of the runs, in the order given."""
        o = self.origin
        origin = Origin(o.folder, o.names, o.part[chosen], o.row[chosen])
        return RunTable(parts.rows(self._table, chosen), origin)

    def stored_at(self) -> IntArray:
        """When each run was stored, nanoseconds since 1970."""
        return parts.integers(self._table, "stored_at")

    def errors(self) -> list[str | None]:
        """Why each run failed; None if it did not."""
        reasons: list[str | None] = self._table["error"].to_pylist()
        return reasons

    def metric(self, name: str) -> FloatArray:
        """A metric of every run, truth as 0 or 1; NaN if it has none or it is not finite."""
        if name not in self._metrics:
            values = self.numbers(name)
            with np.errstate(invalid="ignore"):
                self._metrics[name] = np.where(np.abs(values) < TOO_LARGE, values, np.nan)
        return self._metrics[name]

    def texts(self, name: str) -> list[Any]:
        """A field of every summary, as it is."""
        column = f"{parts.SUMMARY}{name}"
        has = column in self._table.column_names
        return self._table[column].to_pylist() if has else [None] * len(self)

    def summaries(self) -> list[dict[str, Any]]:
        """The summary of every run."""
        if self._summaries is None:
            self._summaries = list(parts.plain_rows(self._table, parts.SUMMARY))
        return self._summaries

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every field of the summaries, by name; nested ones have dots."""
        found = parts.names(self._table, parts.SUMMARY)
        return {name: parts.values(self._table, f"{parts.SUMMARY}{name}") for name in found}

    def provenance(self) -> list[dict[str, Any]]:
        """What made the runs: each different one, once."""
        return [json.loads(text) for text in parts.shared(self._table, "provenance")[0]]

    @cached_property
    def epochs(self) -> IntArray:
        """Number of epochs that each run trained."""
        return parts.lists(self._table, f"{parts.TRACE}epoch")[0]

    @cached_property
    def gradient_steps(self) -> FloatArray:
        """Gradient steps of each run in its epochs."""
        lengths, values = parts.lists(self._table, f"{parts.TRACE}gradient_steps")
        found = np.zeros(len(self))
        np.add.at(found, np.repeat(np.arange(len(self)), lengths), values)
        return found

    @cached_property
    def _variant_keys(self) -> dict[str, list[str]]:
        return {of: [run_key(c[of]) for c in self.configs] for of in ("env", "controller")}

    def variant_key(self, of: str, row: int) -> str:
        """`run_key` of the config of the env or controller of a run."""
        key: str = self._variant_keys[of][self.config_of[row]]
        return key

    def traces(self, chosen: IntArray, names: Sequence[str] | None = None) -> parts.Table:
        """Columns of the traces of some runs, in the order given.

        Args:
            chosen: Rows of the runs, at least one.
            names: Columns; all if None.

        Raises:
            StoreError: If a part was changed or removed since it was indexed.
        """
        origin = self.origin
        order = np.lexsort((origin.row[chosen], origin.part[chosen]))
        ordered = chosen[order]
        tables = {}
        for part in np.unique(origin.part[ordered]):
            name = origin.names[part]
            rows = origin.row[ordered[origin.part[ordered] == part]]
            try:
                tables[name] = parts.read_traces(origin.folder / name, rows, names)
            except (FileNotFoundError, Unreadable) as error:
                raise StoreError(
                    f"results in {origin.folder} changed while they were read ({error}): run the "
                    "same command again"
                ) from error
        return parts.rows(parts.concatenated(tables)[0], np.argsort(order))

    def cached_texts(self, name: str) -> list[Any]:
        """`texts`, kept for the next call."""
        if name not in self._texts:
            self._texts[name] = self.texts(name)
        return self._texts[name]

    def trace_matrix(self, traces: parts.Table, name: str, epochs: int) -> FloatArray:
        """A column of what `traces` gave, NaN where there is no epoch: (runs, epochs)."""
        lengths, values = parts.lists(traces, f"{parts.TRACE}{name}")
        run = np.repeat(np.arange(len(lengths)), lengths)
        epoch = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        found = np.full((len(lengths), epochs), np.nan)
        kept = epoch < epochs
        found[run[kept], epoch[kept]] = values[kept]
        return found


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
        return parts.one_trace(self.table.traces(np.array([self.row])))

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
        return self.table.cached_texts(name)[self.row]

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


def trace_matrices(
    runs: Sequence[StoredRun], names: Sequence[str], epochs: int
) -> dict[str, FloatArray]:
    """Columns of the traces of runs of one table, NaN where there is no epoch: (runs, epochs).

    Args:
        runs: At least one.
        names: Columns.
        epochs: Number of epochs, at most.
    """
    table = runs[0].table
    traces = table.traces(np.array([run.row for run in runs]), names)
    return {name: table.trace_matrix(traces, name, epochs) for name in names}


def distinct_variants(runs: Iterable[StoredRun | StoredFailure], of: str) -> list[dict[str, Any]]:
    """The different configs of the envs or controllers of some runs."""
    return list({run.variant_key(of): run.variant(of) for run in runs}.values())
