"""Columns of the tables that compare controllers: heading, cells and meaning in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.formatting import number
from atn_gym.eval.metrics.headings import HEADINGS, mean_and_deviation, runs_of
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.document import Cell, Table, row


@dataclass(frozen=True)
class Column:
    """A column of a table with a row for each controller.

    Args:
        heading: Name with unit.
        cell: Makes the cell of a controller from its index in the block.
        meaning: Sentences on how to read it.
    """

    heading: str
    cell: Callable[[int], Cell | str]
    meaning: str = ""


def controller_table(
    title: str, statistics: BlockStatistics, columns: Sequence[Column], note: str = ""
) -> Table:
    """A table with a row for each controller; the meanings of its columns follow the note."""
    rows = tuple(
        row(
            statistics.block.controllers[c],
            *(column.cell(c) for column in columns),
            is_reference=bool(statistics.is_reference[c]),
        )
        for c in statistics.order
    )
    headings = ("controller", *(column.heading for column in columns))
    meanings = ("", *(column.meaning for column in columns))
    return Table(
        title, headings, rows, " ".join(filter(None, [note, *meanings])), meanings=meanings
    )


def estimate_column(
    heading: str, found: Estimate, meaning: str = "", digits: int = 3, scale: float = 1
) -> Column:
    """An estimate of each controller with its interval, which is left out where it is NaN."""
    return Column(heading, lambda c: estimate_cell(found, c, digits, scale), meaning)


def estimate_cell(found: Estimate, place: Any, digits: int = 3, scale: float = 1) -> Cell:
    """An entry of an estimate with its interval, which is left out where it is NaN."""
    value, *ends = (scale * float(part[place]) for part in found)
    known = np.isfinite(ends).all()
    detail = f"[{', '.join(number(end, digits) for end in ends)}]" if known else ""
    return Cell(number(value, digits), detail)


def mean_column(statistics: BlockStatistics, metric: str, meaning: str = "") -> Column:
    """Stratified mean of a metric over the runs in which it is defined."""
    heading, means = HEADINGS[metric], statistics.mean_where_defined(metric)
    return Column(heading.text, lambda c: heading.number(means[c]), meaning)


def spread_column(statistics: BlockStatistics, metric: str, meaning: str = "") -> Column:
    """Mean and standard deviation over the seeds of one env."""
    values = statistics.block.values(metric)[:, 0].tolist()
    beginnings = statistics.beginnings[0].tolist()
    return Column(
        HEADINGS[metric].text,
        lambda c: Cell(*mean_and_deviation(metric, values[c], beginnings)),
        meaning,
    )


def count_column(statistics: BlockStatistics, metric: str, meaning: str = "") -> Column:
    """In how many runs something happened."""
    values = statistics.block.values(metric)
    return Column(HEADINGS[metric].text, lambda c: runs_of(values[c].ravel().tolist()), meaning)
