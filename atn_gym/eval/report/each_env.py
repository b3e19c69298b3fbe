"""The tables of each env, with the controllers that cannot be paired with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from atn_gym.eval.metrics.formatting import seed_count
from atn_gym.eval.report.block_statistics import ANYTIME, HEADLINE, BlockStatistics
from atn_gym.eval.report.columns import (
    controller_table,
    count_column,
    estimate_column,
    spread_column,
)
from atn_gym.eval.report.document import Row, Section, Table
from atn_gym.eval.report.figures import run_figure
from atn_gym.eval.report.index import Block, ResultIndex
from atn_gym.eval.report.tables import adaptation_score_column, adaptation_table, safety_table


def env_section(index: ResultIndex, statistics: BlockStatistics) -> Section:
    """Each env: performance, safety and adaptation, and the runs over epochs."""
    section = Section("Envs")
    ranked = [statistics.block.controllers[c] for c in statistics.order]
    others = [c.label for c in index.controllers if c.label not in ranked]
    for env in index.envs:
        section.parts += _tables(index, env.label)
        section.parts.append(run_figure(index, env.label, ranked + others))
    return section


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
    block = index.block(env)
    unpaired = index.unpaired(block)
    note = _seed_note(index, block, unpaired)
    paired, *others = [BlockStatistics(index, part) for part in (block, *unpaired)]
    tables = []
    for make in (env_table, safety_table, adaptation_table):
        table = make(paired, env)
        rows = (*table.rows, *(_unpaired(make(other, env).rows[0]) for other in others))
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


def _unpaired(row: Row) -> Row:
    first, *others = row.cells
    return replace(row, cells=(replace(first, detail="unpaired"), *others))
