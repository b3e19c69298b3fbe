"""The table at the end of a run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from atn_gym.eval.metrics.formatting import number, seed_count
from atn_gym.eval.running.experiment import Outcome
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.storage.names import name_variants
from atn_gym.eval.storage.runs import run_key

_MEANS = {
    "compute_adjusted_performance": "adjusted",
    "anytime_performance": "anytime",
    "final_val_accuracy": "val acc",
}
_COUNTS = {"divergence_events": "div.", "rollback_count": "rollb.", "restarts": "rest."}


def shown_names(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """What env and controller of each outcome are called: as in a report, so that all differ."""
    configs = [run_configs(o.env, o.controller, [0], twins=False)[0] for o in outcomes]
    pairs = [(config["env"], config["controller"]) for config in configs]
    labels = {
        run_key(controller): outcome.controller.label
        for (_, controller), outcome in zip(pairs, outcomes, strict=True)
        if outcome.controller.label
    }
    envs = name_variants([env for env, _ in pairs], "id", {})
    controllers = name_variants([controller for _, controller in pairs], "name", labels)
    return [(envs[run_key(e)].label, controllers[run_key(c)].label) for e, c in pairs]


def outcome_tables(outcomes: Sequence[Outcome]) -> list[Table]:
    """One table an env: mean ± standard deviation over the seeds of each controller.

    Divergences, rollbacks and restarts are means a run, seconds (s) are of all runs. A
    controller of which runs failed says how many its means are of.
    """
    named = zip(shown_names(outcomes), outcomes, strict=True)
    by_env = itertools.groupby(named, key=lambda one: one[0][0])
    return [_table(env, [(name, o) for (_, name), o in group]) for env, group in by_env]


def _table(env: str, outcomes: Sequence[tuple[str, Outcome]]) -> Table:
    seeds = max(_num_seeds(outcome) for _, outcome in outcomes)
    title = f"{env}, {seed_count(seeds)}"
    table = Table(
        title=Text(title),
        title_justify="left",
        min_width=len(title),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("controller", no_wrap=True)
    for heading in [*_MEANS.values(), *_COUNTS.values(), "s"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, outcome in outcomes:
        table.add_row(Text(_name(name, outcome)), *_cells(outcome))
    return table


def _num_seeds(outcome: Outcome) -> int:
    return len(outcome.summaries) + len(outcome.failures)


def _name(name: str, outcome: Outcome) -> str:
    complete, seeds = len(outcome.summaries), _num_seeds(outcome)
    return f"{name} ({complete} of {seeds} seeds)" if 0 < complete < seeds else name


def _cells(outcome: Outcome) -> list[str]:
    if not outcome.summaries:
        return ["failed"]
    seconds = sum(_values(outcome, "wall_clock_s.total"))
    means = [_mean_and_deviation(outcome, name) for name in _MEANS]
    counts = [number(float(np.mean(_values(outcome, name))), 1) for name in _COUNTS]
    return [*means, *counts, number(seconds, 0)]


def _mean_and_deviation(outcome: Outcome, name: str) -> str:
    values = _values(outcome, name)
    deviation = f"±{number(float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return f"{number(float(np.mean(values)))}{deviation}"


def _values(outcome: Outcome, name: str) -> list[float]:
    """A metric of every complete run, NaN where an older version stored none."""
    first, _, rest = name.partition(".")
    found = [summary.get(first, {} if rest else np.nan) for summary in outcome.summaries]
    return [value.get(rest, np.nan) if rest else value for value in found]
