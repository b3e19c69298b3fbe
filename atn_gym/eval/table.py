"""The table at the end of a run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from atn_gym.eval.document import seed_count
from atn_gym.eval.runner import Outcome

_MEANS = {
    "compute_adjusted_performance": ("adjusted", "{:.3f}"),
    "anytime_performance": ("anytime", "{:.3f}"),
    "final_val_accuracy": ("val acc", "{:.3f}"),
    "final_val_loss": ("val loss", "{:.3f}"),
}
_COUNTS = {
    "divergence_events": "divergences",
    "rollback_count": "rollbacks",
    "restarts": "restarts",
}


def outcome_tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """One table an env: mean ± standard deviation over the seeds of each controller.

    Divergences, rollbacks and restarts are means a run.
    """
    by_env = itertools.groupby(outcomes, key=lambda outcome: outcome.env)
    return [_table(env.id, env.kwargs, list(group)) for env, group in by_env]


def _table(env_id: str, kwargs: dict[str, object], outcomes: Sequence[Outcome]) -> Table:
    seeds = max(len(outcome.summaries) for outcome in outcomes)
    arguments = "".join(f", {name}={value}" for name, value in kwargs.items())
    title = f"{env_id}{arguments}, {seed_count(seeds)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("controller", no_wrap=True)
    headings = [heading for heading, _ in _MEANS.values()] + list(_COUNTS.values())
    for heading in [*headings, "seconds", "failed"]:
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        if not outcome.summaries:
            table.add_row(outcome.controller.shown, *[""] * (len(headings) + 1), _failed(outcome))
            continue
        means = [_mean_and_deviation(outcome, name, form) for name, (_, form) in _MEANS.items()]
        counts = [f"{_mean(outcome, name):.1f}" for name in _COUNTS]
        seconds = sum(summary["wall_clock_s"]["total"] for summary in outcome.summaries)
        table.add_row(outcome.controller.shown, *means, *counts, f"{seconds:.1f}", _failed(outcome))
    return table


def _failed(outcome: Outcome) -> str:
    return str(len(outcome.failures)) if outcome.failures else ""


def _mean(outcome: Outcome, name: str) -> float:
    return float(np.mean([summary[name] for summary in outcome.summaries]))


def _mean_and_deviation(outcome: Outcome, name: str, form: str) -> str:
    values = np.array([summary[name] for summary in outcome.summaries])
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(values.mean())}±{form.format(values.std(ddof=1))}"
