"""The table at the end of a run, with the statistics and words of a report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.formatting import printable, seed_count
from atn_gym.eval.metrics.headings import HEADINGS, mean_and_deviation, runs_of
from atn_gym.eval.metrics.strata import stratify
from atn_gym.eval.running.experiment import Outcome
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.names import name_variants

_SORTED_BY = "compute_adjusted_performance"
_SPREAD = (_SORTED_BY, "anytime_performance", "final_val_accuracy")
_COUNT = "collapsed"
_MEANS = ("rollback_count", "wall_clock_s.total")
_MEANINGS = {
    "compute_adjusted_performance": "how low the validation loss was over the whole run, per "
    "compute, from 0 to 1; rows are sorted by it",
    "anytime_performance": "how low the validation loss was over the whole run, from -1 to 1; 0 is "
    "a network that guesses",
    "final_val_accuracy": "share of the validation data classified correctly after the last epoch",
    "collapsed": "runs that ended no better than guessing, of all",
    "rollback_count": "how often the controller went back to an earlier state",
    "wall_clock_s.total": "how long a run took, the time of the controller included",
}


def shown_names(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Labels of env and controller of each outcome: those of a report, so that all differ."""
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
    """One table per env, sorted by compute-adjusted performance.

    Performance is mean ± standard deviation over the seeds, as in the tables of an env in a
    report; rollbacks and seconds are means per run. A controller with failed runs shows how
    many runs its row is of.
    """
    named = zip(shown_names(outcomes), outcomes, strict=True)
    by_env = itertools.groupby(named, key=lambda pair: pair[0][0])
    return [_table(env, [(name, o) for (_, name), o in group]) for env, group in by_env]


def legend() -> list[str]:
    """A line for each column, and one for what stands behind ±."""
    lines = [f"{HEADINGS[metric].text}: {meaning}" for metric, meaning in _MEANINGS.items()]
    return [*lines, "\N{PLUS-MINUS SIGN}: standard deviation over seeds"]


def _table(env: str, outcomes: Sequence[tuple[str, Outcome]]) -> Table:
    seeds = max(_num_seeds(outcome) for _, outcome in outcomes)
    title = printable(f"{env}, {seed_count(seeds)}")
    table = Table(
        title=Text(title),
        title_justify="left",
        min_width=len(title),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    # Where there is little room, names are broken, so that numbers and headings are whole.
    table.add_column("controller", overflow="fold", vertical="bottom")
    for metric in _MEANINGS:
        # A word a line, so that the table is as narrow as its numbers.
        heading = HEADINGS[metric].text.replace(" / ", " /~").replace("-", "- ").split()
        table.add_column("\n".join(heading).replace("~", " "), justify="right", no_wrap=True)
    for name, outcome in sorted(outcomes, key=lambda pair: _sort_key(pair[1])):
        table.add_row(Text(printable(_name(name, outcome))), *_cells(outcome))
    return table


def _sort_key(outcome: Outcome) -> float:
    """Best first, by the mean that is shown; a controller without a complete run last."""
    if not outcome.summaries:
        return math.inf
    values, beginnings = _values(outcome, _SORTED_BY), _beginnings(outcome)
    return -float(mean(stratify(np.array(values)[None], np.array(beginnings)[None])))


def _num_seeds(outcome: Outcome) -> int:
    return len(outcome.summaries) + len(outcome.failures)


def _name(name: str, outcome: Outcome) -> str:
    complete, seeds = len(outcome.summaries), _num_seeds(outcome)
    return f"{name} ({complete} of {seeds} seeds)" if 0 < complete < seeds else name


def _cells(outcome: Outcome) -> list[str]:
    if not outcome.summaries:
        return ["failed"]
    beginnings = _beginnings(outcome)

    def shown(metric: str) -> tuple[str, str]:
        return mean_and_deviation(metric, _values(outcome, metric), beginnings)

    return [
        *("".join(shown(metric)).replace(" ", "") for metric in _SPREAD),
        runs_of(_values(outcome, _COUNT)),
        *(shown(metric)[0] for metric in _MEANS),
    ]


def _beginnings(outcome: Outcome) -> list[int]:
    return [summary.get("beginning", 0) for summary in outcome.summaries]


def _values(outcome: Outcome, name: str) -> list[float]:
    """A metric of every complete run, NaN where an older version stored none."""
    first, _, rest = name.partition(".")
    found = [summary.get(first, {} if rest else np.nan) for summary in outcome.summaries]
    return [value.get(rest, np.nan) if rest else value for value in found]
