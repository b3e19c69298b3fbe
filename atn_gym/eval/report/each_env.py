"""The tables of each env, with the controllers that cannot be paired with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.formatting import NONE, number, seed_count
from atn_gym.eval.report.block_statistics import ANYTIME, HEADLINE, BlockStatistics
from atn_gym.eval.report.columns import (
    controller_table,
    count_column,
    estimate_cell,
    estimate_column,
    spread_column,
)
from atn_gym.eval.report.document import Cell, Fold, Row, Section, Table, row
from atn_gym.eval.report.figures import run_figure
from atn_gym.eval.report.index import Block, ResultIndex
from atn_gym.eval.report.tables import adaptation_score_column, adaptation_table, safety_table


def env_section(index: ResultIndex, statistics: BlockStatistics, order: list[str]) -> Section:
    """What can be won in each env and who wins it, then each env by itself.

    Args:
        index: All runs.
        statistics: Of the runs over all envs.
        order: Labels of all controllers, from the top.
    """
    of_env = {env: of_envs(index, statistics.block, [env]) for env in statistics.block.envs}
    section = Section("Envs", [won_table(of_env, statistics)])
    if len(of_env) > 1:
        section.parts.append(grid_table(of_env, statistics))
    for env in index.envs:
        figure = run_figure(index, env.label, order)
        section.parts.append(Fold(env.label, (*_tables(index, env.label), figure)))
    return section


def of_envs(index: ResultIndex, block: Block, envs: Sequence[str]) -> BlockStatistics:
    """Statistics of the controllers and seeds of a block on some of its envs."""
    return BlockStatistics(index, replace(block, envs=tuple(envs)))


def won_table(of_env: Mapping[str, BlockStatistics], statistics: BlockStatistics) -> Table:
    """Fixed, blind, the best contender and the oracle on every env.

    Args:
        of_env: Statistics of each env by itself.
        statistics: Of all of them.
    """
    s = statistics
    others = [c for c in s.order if not s.is_reference[c] and c not in (s.baseline, s.blind)]
    rows = []
    for env, one in of_env.items():
        found = one.anytime
        best = max(others, key=lambda c: float(found.value[c])) if others else None
        cells = [_performance(found, c) for c in (s.baseline, s.blind, best, s.oracle)]
        if best is not None:
            detail = f"{cells[2].detail} {s.block.controllers[best]}".strip()
            cells[2] = replace(cells[2], detail=detail)
        rows.append(row(env, *cells))
    return Table(
        "Anytime performance on each env",
        ("env", "fixed", "blind", "best contender", "reactive oracle"),
        tuple(rows),
        "The best contender is the one with the highest mean on that env, blind and fixed "
        "left out. Chosen by these runs, its mean is a little too high. Brackets are 95 % "
        "bootstrap intervals over seeds.",
    )


def grid_table(of_env: Mapping[str, BlockStatistics], statistics: BlockStatistics) -> Table:
    """Mean anytime performance of every controller on every env, darker where it is higher."""
    s = statistics
    values = np.stack([one.anytime.value for one in of_env.values()])
    # References are no measure of what is much.
    ranked = values[:, ~s.is_reference] if not s.is_reference.all() else values
    low, high = ranked.min(axis=1, keepdims=True), ranked.max(axis=1, keepdims=True)
    shades = np.clip((values - low) / np.where(high > low, high - low, 1), 0, 1)
    rows = [
        row(
            s.block.controllers[c],
            *(
                Cell(number(value, 2), shade=shade)
                for value, shade in zip(values[:, c].tolist(), shades[:, c].tolist(), strict=True)
            ),
            is_reference=bool(s.is_reference[c]),
        )
        for c in s.order
    ]
    return Table(
        f"Anytime performance of each controller on each env: {seed_count(len(s.block.seeds))}",
        ("controller", *of_env),
        tuple(rows),
        "Means over seeds. Within an env, the darker the better. Rows are in the order of the "
        "compute-adjusted performance over all envs.",
    )


def _performance(found: Estimate, c: int | None) -> Cell:
    return Cell(NONE) if c is None else estimate_cell(found, c)


def beginnings_table(statistics: BlockStatistics, env: str, beginnings: list[str]) -> Table:
    """The beginnings of an env apart.

    Args:
        statistics: Of the runs on the env.
        env: Its label.
        beginnings: What each beginning is, in the order of the strata.
    """
    s = statistics
    columns = []
    for stratum, beginning in enumerate(beginnings):
        mean, collapsed = s.of_stratum(stratum)
        seeds = seed_count(s.seeds_of_stratum(stratum))
        columns += [
            estimate_column(f"{beginning}: anytime performance ({seeds})", mean),
            estimate_column(f"{beginning}: collapse rate (%)", collapsed, digits=0, scale=100),
        ]
    return controller_table(
        f"{env}, by initial values: {seed_count(len(s.block.seeds))}",
        s,
        columns,
        "Each set of initial values is a stratum of its own.",
    )


def env_table(statistics: BlockStatistics, env: str) -> Table:
    """Performance on one env: mean and standard deviation over the seeds."""
    s = statistics
    return controller_table(
        f"{env}: {seed_count(len(s.block.seeds))}",
        s,
        [
            spread_column(s, HEADLINE, "Rows are sorted by compute-adjusted performance."),
            spread_column(s, ANYTIME),
            estimate_column(
                "anytime performance less that of fixed",
                s.against_baseline(),
                "The difference to fixed is paired by seed.",
            ),
            adaptation_score_column(s),
            *(
                spread_column(s, metric)
                for metric in (
                    "mean_val_loss",
                    "final_val_loss",
                    "final_val_accuracy",
                    "test_loss",
                    "test_accuracy",
                )
            ),
            count_column(s, "collapsed"),
        ],
        "Mean ± standard deviation over seeds; of several initial values each counts the same. "
        "Brackets are 95 % intervals.",
    )


def _tables(index: ResultIndex, env: str) -> list[Table]:
    """Tables of the runs with the same seeds; below them, controllers without these seeds."""
    block = index.block(env=env)
    unpaired = index.unpaired(block)
    note = _seed_note(index, block, unpaired)
    paired, *others = [BlockStatistics(index, part) for part in (block, *unpaired)]
    tables = []
    for make in (env_table, safety_table, adaptation_table):
        table = make(paired, env)
        width = len(table.headings)
        rows = (*table.rows, *(_unpaired(make(other, env).rows[0], width) for other in others))
        note_of_table = " ".join(filter(None, [table.note, note]))
        tables.append(replace(table, rows=rows, note=note_of_table))
    beginnings = block.describe_beginnings(env)
    if len(beginnings) > 1:
        tables.insert(1, beginnings_table(paired, env, beginnings))
    return tables


def _seed_note(index: ResultIndex, block: Block, unpaired: list[Block]) -> str:
    """Says which seeds are left out, and which controllers have seeds of their own."""
    (env,) = block.envs
    runs = [run for c in block.controllers for run in index.of_pair(c, env)]
    lost = sorted({run.seed for run in runs} - set(block.seeds))
    notes = [f"Left out, because not all controllers have them: {_seeds(lost)}."] if lost else []
    notes += [
        f"{other.controllers[0]} is not paired with the others: its row is of "
        f"{_seeds(other.seeds)}."
        for other in unpaired
    ]
    return " ".join(notes)


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _unpaired(alone: Row, width: int) -> Row:
    """The row of a controller with its own seeds, without what needs its yoked control."""
    first, *others = alone.cells
    missing = [Cell(NONE)] * (width - len(alone.cells))
    return replace(alone, cells=(replace(first, detail="unpaired"), *others, *missing))
