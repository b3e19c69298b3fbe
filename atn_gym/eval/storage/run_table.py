"""A table of stored runs by column, and their traces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import BoolArray, FloatArray, IntArray
from atn_gym.eval.storage import arrow, parts
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

    def __init__(self, table: arrow.Table, origin: Origin) -> None:
        self._table, self.origin = table, origin
        self.keys: list[str] = table["key"].to_pylist()
        self.seeds = arrow.integers(table, "seed")
        texts, of_row = arrow.shared(table, "config")
        used, self.config_of = np.unique(of_row, return_inverse=True)
        self.configs: list[dict[str, Any]] = [json.loads(texts[i]) for i in used]
        self._metrics: dict[str, FloatArray] = {}
        self._texts: dict[str, list[Any]] = {}
        self._summaries: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def numbers(self, name: str) -> FloatArray:
        """A field of every summary as it is stored, truth as 0 or 1; NaN if it is not a number."""
        return arrow.floats(self._table, f"{parts.SUMMARY}{name}")

    def known(self, name: str) -> BoolArray:
        """Which summaries have a field."""
        return arrow.known(self._table, f"{parts.SUMMARY}{name}")

    def is_truth(self, name: str) -> bool:
        """Whether a field, where it is known, is true or false."""
        return arrow.is_truth(self._table, f"{parts.SUMMARY}{name}")

    def counts_epochs(self) -> BoolArray:
        """Which traces have the epochs 1, 2, 3 and so on."""
        lengths, values = arrow.lists(self._table, f"{parts.TRACE}epoch")
        run, place = _places(lengths)
        return ~np.isin(np.arange(len(self)), run[values != place + 1])

    def rows(self, chosen: IntArray) -> RunTable:
        """Some of the runs, in the order given."""
        o = self.origin
        origin = Origin(o.folder, o.names, o.part[chosen], o.row[chosen])
        return RunTable(arrow.rows(self._table, chosen), origin)

    def stored_at(self) -> IntArray:
        """When each run was stored, nanoseconds since 1970."""
        return arrow.integers(self._table, "stored_at")

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
        if name not in self._texts:
            column = f"{parts.SUMMARY}{name}"
            has = column in self._table.column_names
            self._texts[name] = self._table[column].to_pylist() if has else [None] * len(self)
        return self._texts[name]

    def summaries(self) -> list[dict[str, Any]]:
        """The summary of every run."""
        if self._summaries is None:
            self._summaries = list(parts.plain_rows(self._table, parts.SUMMARY))
        return self._summaries

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every field of the summaries, by name; nested ones have dots."""
        found = arrow.names(self._table, parts.SUMMARY)
        return {name: arrow.values(self._table, f"{parts.SUMMARY}{name}") for name in found}

    def provenance(self) -> list[dict[str, Any]]:
        """What made the runs: each different one, once."""
        return [json.loads(text) for text in arrow.shared(self._table, "provenance")[0]]

    @cached_property
    def epochs(self) -> IntArray:
        """Number of epochs that each run trained."""
        return arrow.lists(self._table, f"{parts.TRACE}epoch")[0]

    @cached_property
    def gradient_steps(self) -> FloatArray:
        """Gradient steps of each run in its epochs."""
        lengths, values = arrow.lists(self._table, f"{parts.TRACE}gradient_steps")
        found = np.zeros(len(self))
        np.add.at(found, _places(lengths)[0], values)
        return found

    @cached_property
    def _variant_keys(self) -> dict[str, list[str]]:
        return {of: [run_key(c[of]) for c in self.configs] for of in ("env", "controller")}

    def variant_key(self, of: str, row: int) -> str:
        """`run_key` of the config of the env or controller of a run."""
        key: str = self._variant_keys[of][self.config_of[row]]
        return key

    def traces(self, chosen: IntArray, names: Sequence[str] | None = None) -> arrow.Table:
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
        return arrow.rows(arrow.concatenated(tables)[0], np.argsort(order))

    def trace(self, row: int) -> dict[str, FloatArray]:
        """Columns of the trace of a run by name, each with an entry for every epoch trained."""
        traces = self.traces(np.array([row]))
        names = arrow.names(traces, parts.TRACE)
        columns = {name: arrow.lists(traces, f"{parts.TRACE}{name}")[1] for name in names}
        return {name: values for name, values in columns.items() if len(values)}

    def trace_matrices(
        self, chosen: IntArray, names: Sequence[str], epochs: int
    ) -> dict[str, FloatArray]:
        """Columns of the traces of some runs, NaN where there is no epoch: (runs, epochs).

        Args:
            chosen: Rows of the runs, at least one.
            names: Columns.
            epochs: Number of epochs, at most.
        """
        traces = self.traces(chosen, names)
        found = {name: np.full((len(chosen), epochs), np.nan) for name in names}
        for name, matrix in found.items():
            lengths, values = arrow.lists(traces, f"{parts.TRACE}{name}")
            run, epoch = _places(lengths)
            kept = epoch < epochs
            matrix[run[kept], epoch[kept]] = values[kept]
        return found


def _places(lengths: IntArray) -> tuple[IntArray, IntArray]:
    """Of values that stand on end: the run of each, and its place in the trace, from 0."""
    run = np.repeat(np.arange(len(lengths)), lengths)
    return run, np.arange(len(run)) - (np.cumsum(lengths) - lengths)[run]
