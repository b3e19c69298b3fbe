"""The table at the end of a run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from atn_gym.eval.runner import Outcome

_COLUMNS = {
    "final_val_accuracy": ("val acc", "{:.3f}"),
    "final_val_loss": ("val loss", "{:.3f}"),
    "anytime_performance": ("anytime", "{:.3f}"),
}


def outcome_tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """One table an env: mean ± standard deviation over the seeds of each controller."""
    by_env = itertools.groupby(outcomes, key=lambda outcome: outcome.env)
    return [_table(env.id, env.kwargs, list(group)) for env, group in by_env]


def _table(env_id: str, kwargs: dict[str, object], outcomes: Sequence[Outcome]) -> Table:
    seeds = len(outcomes[0].summaries)
    count = "a SINGLE seed: no evidence" if seeds == 1 else f"{seeds} seeds"
    arguments = "".join(f", {name}={value}" for name, value in kwargs.items())
    title = f"{env_id}{arguments}, {count}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("controller", no_wrap=True)
    for heading, _ in _COLUMNS.values():
        table.add_column(heading, justify="right")
    table.add_column("diverged", justify="right")
    table.add_column("seconds", justify="right")
    for outcome in outcomes:
        cells = [_mean_and_deviation(outcome, name, form) for name, (_, form) in _COLUMNS.items()]
        diverged = sum(summary["diverged"] for summary in outcome.summaries)
        seconds = sum(summary["wall_clock_s"]["total"] for summary in outcome.summaries)
        table.add_row(outcome.controller.shown, *cells, f"{diverged}/{seeds}", f"{seconds:.1f}")
    return table


def _mean_and_deviation(outcome: Outcome, name: str, form: str) -> str:
    values = np.array([summary[name] for summary in outcome.summaries])
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(values.mean())}±{form.format(values.std(ddof=1))}"
