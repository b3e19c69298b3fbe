"""The table at the end of a run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from atn_gym.eval.document import seed_count
from atn_gym.eval.runner import Outcome

_MEANS = {
    "compute_adjusted_performance": "adjusted",
    "anytime_performance": "anytime",
    "final_val_accuracy": "val acc",
}
_COUNTS = {"divergence_events": "div.", "rollback_count": "rollb.", "restarts": "rest."}


def outcome_tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """One table an env: mean ± standard deviation over the seeds of each controller.

    Divergences, rollbacks and restarts are means a run, seconds (s) are of all runs.
    """
    by_env = itertools.groupby(outcomes, key=lambda outcome: outcome.env)
    return [_table(env.id, env.kwargs, list(group)) for env, group in by_env]


def _table(env_id: str, kwargs: dict[str, object], outcomes: Sequence[Outcome]) -> Table:
    seeds = max(len(outcome.summaries) for outcome in outcomes)
    arguments = "".join(f", {name}={value}" for name, value in kwargs.items())
    title = f"{env_id}{arguments}, {seed_count(seeds)}"
    table = Table(
        title=title,
        title_justify="left",
        min_width=len(title),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("controller", no_wrap=True)
    for heading in [*_MEANS.values(), *_COUNTS.values(), "s"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(outcome.controller.shown, *_cells(outcome))
    return table


def _cells(outcome: Outcome) -> list[str]:
    if not outcome.summaries:
        return ["failed"]
    seconds = sum(summary["wall_clock_s"]["total"] for summary in outcome.summaries)
    means = [_mean_and_deviation(outcome, name) for name in _MEANS]
    counts = [f"{_mean(outcome, name):.1f}" for name in _COUNTS]
    return [*means, *counts, f"{seconds:.0f}"]


def _mean(outcome: Outcome, name: str) -> float:
    return float(np.mean([summary[name] for summary in outcome.summaries]))


def _mean_and_deviation(outcome: Outcome, name: str) -> str:
    values = np.array([summary[name] for summary in outcome.summaries])
    deviation = f"±{values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"
