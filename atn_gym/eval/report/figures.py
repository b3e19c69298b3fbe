"""The figures of a report: which runs they show, and between which limits."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import shares_above
from atn_gym.eval.metrics.bootstrap import performance_profile
from atn_gym.eval.metrics.formatting import count, join, seed_count
from atn_gym.eval.metrics.headings import HEADINGS
from atn_gym.eval.metrics.strata import has_spread
from atn_gym.eval.report.block_statistics import ANYTIME, HEADLINE, BlockStatistics
from atn_gym.eval.report.curve_plots import Curve, Entry, small_multiples, strips
from atn_gym.eval.report.document import Figure
from atn_gym.eval.report.dot_plots import Quantity, dots
from atn_gym.eval.report.drawing import WIDTH, limits
from atn_gym.eval.report.index import ResultIndex, beginning_of
from atn_gym.eval.report.making import DEPLOYMENTS, making_runs
from atn_gym.eval.report.run_budget import num_epochs
from atn_gym.eval.storage.runs import StoredRun, trace_matrices

_THRESHOLDS = 61
_MOST_DRAWN = 200
"""Seeds of a controller in a figure over epochs: more move its quartiles by less than a line."""
_FIRST_SCREEN = 4.7
"""Inches: beside the sentences of the answer, and on a phone."""


def headline_figure(statistics: BlockStatistics) -> Figure:
    """Compute-adjusted and anytime performance of every controller."""
    s = statistics
    quantities = [
        _quantity(s, HEADINGS[metric].text, *found)
        for metric, found in ((HEADLINE, s.adjusted), (ANYTIME, s.anytime))
    ]
    note = "Dots are stratified means"
    if np.isfinite(s.anytime.low).any():
        note += ", bars are 95 % bootstrap intervals over seeds"
    return Figure(
        "Performance over all envs", _dots(s, quantities, _FIRST_SCREEN), f"{note}.{_purple(s)}"
    )


def profile_figure(statistics: BlockStatistics) -> Figure:
    """Share of runs above each anytime performance."""
    scores = statistics.anytime_scores
    low, high = limits(scores[np.isfinite(scores)], is_log=False)
    thresholds = np.linspace(low, high, _THRESHOLDS)
    if has_spread(scores):
        profile = performance_profile(
            scores, thresholds, np.random.default_rng(0), num_resamples=500
        )
        curves = [
            Curve(thresholds, *parts)
            for parts in zip(profile.value, profile.low, profile.high, strict=True)
        ]
    else:
        shares = shares_above(scores, thresholds)
        curves = [Curve(thresholds, share) for share in shares]
    bands = ", with 95 % bootstrap bands" if has_spread(scores) else ""
    axes = ("anytime performance τ", low, high), ("share of runs above τ", 0.0, 1.0)
    return Figure(
        "Performance profiles",
        small_multiples(*_entries(statistics, curves), *axes),
        f"Share of all runs with an anytime performance above τ{bands}. {_legend(statistics)}.",
    )


def trade_off_figure(statistics: BlockStatistics) -> Figure:
    """Performance, what is charged for it, and how long it takes."""
    s = statistics
    costs, performance = s.relative_cost(), s.anytime.value
    made = np.nan_to_num(making_runs(s))
    shared = costs[:, None] + made[:, None] / np.array(DEPLOYMENTS)
    shared[made <= 0] = np.nan
    front = pareto_front(costs, performance, ~s.is_reference)
    seconds = s.mean_where_defined("wall_clock_s.total")
    quantities = [
        _quantity(s, HEADINGS[ANYTIME].text, *s.anytime, ringed=front),
        _quantity(s, "cost of a run, in whole runs (log)", costs, further=shared, ringed=front),
    ]
    if (np.nan_to_num(seconds) > 0).any():
        seconds = np.where(seconds > 0, seconds, np.nan)
        quantities.append(_quantity(s, "wall-clock seconds of a run (log)", seconds))
    names = join([s.block.controllers[c] for c in s.order if c in front])
    return Figure(
        "Performance against compute",
        _dots(s, quantities, WIDTH),
        f"Ringed in orange is the Pareto front, {names or 'empty'}: no contender does better than "
        "one on it at the same or a lower cost in the run. A run that diverged is charged as a "
        "whole one. A dot is at what was charged in the run. Marks to its right add the making "
        "of a method, by tuning or training, shared by N runs: from the left, N = 1,000,000 to "
        f"N = 1, a tenth from mark to mark. The front leaves it out.{_purple(s)}",
    )


def recovery_figure(statistics: BlockStatistics) -> Figure | None:
    """Share of runs that recovered, over the epochs since the shock; None without a shock."""
    recovery = statistics.recovery
    if recovery is None:
        return None
    # Steps: a share holds from its epoch to the next.
    epochs = np.repeat(np.arange(recovery.horizon + 1, dtype=np.float64), 2)[1:-1]
    shares = np.repeat(recovery.shares(), 2, axis=-1)
    axes = (
        ("epochs since the shock", 0.0, float(recovery.horizon)),
        ("share of runs recovered", 0.0, 1.0),
    )
    return Figure(
        "Recovery after the shock",
        small_multiples(*_entries(statistics, [Curve(epochs, share) for share in shares]), *axes),
        f"Over {count(recovery.times.shape[1], 'env')} with a shock. {_legend(statistics)}.",
    )


def pareto_front(
    costs: FloatArray, values: FloatArray, chosen: NDArray[np.bool_]
) -> frozenset[int]:
    """Indices of the chosen with more value than any other that costs no more."""
    front: list[int] = []
    for c in sorted(np.flatnonzero(chosen).tolist(), key=lambda c: (costs[c], -values[c])):
        if not front or values[c] > values[front[-1]]:
            front.append(c)
    return frozenset(front)


def run_figure(index: ResultIndex, env: str, order: list[str]) -> Figure:
    """Validation loss and hyperparameters of all controllers on an env over the epochs.

    Args:
        index: All runs.
        env: Label of the env.
        order: Labels of the controllers, from the top.
    """
    runs = index.of_env(env)
    epochs = max(num_epochs(run) for run in runs)
    by_controller = {c: index.of_pair(c, env) for c in order}
    most = max(map(len, by_controller.values()))
    drawn = [run for of_one in by_controller.values() for run in of_one[:_MOST_DRAWN]]
    controlled = _hyperparameters(runs)
    traces = trace_matrices(drawn, ["val_loss", *controlled], epochs)
    traced = [name for name in controlled if np.isfinite(traces[name]).any(axis=1).all()]
    columns = ["val_loss", *traced]
    begun = sorted({beginning_of(run) for run in drawn})
    entries, first = [], 0
    for controller, of_one in by_controller.items():
        seeds = of_one[:_MOST_DRAWN]
        rows = slice(first, first + len(seeds))
        first += len(seeds)
        if seeds:
            curves = [_by_beginning(seeds, begun, c, traces[c][rows]) for c in columns]
            entries.append(Entry(controller, tuple(curves), controller in index.references))
    baseline = next((e for e in entries if e.label == index.baseline), None)
    shown = [entry for entry in entries if entry is not baseline] or entries
    shocks = {run.metric("shock_epoch") for run in runs}
    mark = shocks.pop() if len(shocks) == 1 else np.nan
    drawing = strips(
        shown,
        baseline,
        ("epoch", 0.0, float(epochs)),
        [_SHOWN.get(column, column) for column in columns],
        mark if np.isfinite(mark) else None,
    )
    counts = {len(seeds) for seeds in by_controller.values() if seeds}
    extent = f"{min(counts)} to {max(counts)} seeds"
    if len(counts) == 1:
        extent = seed_count(counts.pop())
    thinned = f" Drawn from the first {_MOST_DRAWN} seeds." if most > _MOST_DRAWN else ""
    where = ". Orange: the shock" if np.isfinite(mark) else ""
    if shocks:
        where = ". The shock is not marked: it differs between runs"
    colours = ["Blue: the controller named"]
    if len(begun) > 1:
        starts = index.block(env=env).describe_beginnings(env)
        colours = [
            f"{colour}: from {start}" for colour, start in zip(_BEGINNINGS, starts, strict=False)
        ]
    if baseline is not None:
        colours.append("Grey: fixed")
    if any(entry.is_reference for entry in entries):
        colours.append("Purple: a reference or control")
    return Figure(
        f"{env} over epochs: {extent}",
        drawing,
        "Line: median over seeds (of an even number, the lower of the middle two). Band: between "
        "the quartiles. A run that diverged keeps the loss of divergence and has no "
        f"hyperparameters from then on. {'. '.join(colours)}{where}.{thinned}",
    )


_BEGINNINGS = ("Blue", "Green", "Brown")
_SHOWN = {
    "val_loss": "validation loss (nats)",
    "learning_rate": "learning rate",
    "momentum": "1 \N{MINUS SIGN} momentum",
    "weight_decay": "weight decay",
}


def _hyperparameters(runs: list[StoredRun]) -> list[str]:
    """Those that are controlled."""
    named = runs[0].variant("env").get("hyperparameters")
    return named if isinstance(named, list) else []


def _by_beginning(
    runs: list[StoredRun], begun: list[int], column: str, values: FloatArray
) -> tuple[Curve, ...]:
    """A curve for each set of initial values: between two that are far apart no run lies."""
    of_run = np.array([beginning_of(run) for run in runs])
    curves = []
    for beginning in begun:
        chosen = np.flatnonzero(of_run == beginning)
        curves.append(_over_seeds([runs[i] for i in chosen], column, values[chosen]))
    return tuple(curves)


def _over_seeds(runs: list[StoredRun], column: str, values: FloatArray) -> Curve:
    epochs = values.shape[1]
    if column == "val_loss":
        # The loss that the metrics give to every epoch from divergence on.
        diverged = np.array([run.metric("diverged") == 1 for run in runs])
        final = np.array([run.metric("final_val_loss") for run in runs])
        values = np.where(diverged[:, None] & ~np.isfinite(values), final[:, None], values)
    values = np.where(np.isfinite(values), values, np.nan)
    if column == "momentum":
        values = 1 - values
    known = np.isfinite(values).any(axis=0)
    low, middle, high = np.full((3, epochs), np.nan)
    # Each is the value of a run: no run lies halfway between two that began far apart.
    low[known], middle[known], high[known] = np.nanquantile(
        values[:, known], [0.25, 0.5, 0.75], axis=0, method="inverted_cdf"
    )
    x = np.arange(1, epochs + 1, dtype=np.float64)
    return Curve(x, middle, low, high) if len(runs) > 1 else Curve(x, middle)


def _entries(statistics: BlockStatistics, curves: list[Curve]) -> tuple[list[Entry], Entry | None]:
    """All but the baseline, which is drawn in every panel, in the order of the tables."""
    s = statistics
    entries = [
        Entry(s.block.controllers[c], ((curve,),), bool(s.is_reference[c]))
        for c, curve in enumerate(curves)
    ]
    shown = [entries[c] for c in s.order if c != s.baseline]
    return shown or entries, None if s.baseline is None else entries[s.baseline]


def _quantity(
    s: BlockStatistics,
    label: str,
    value: FloatArray,
    low: FloatArray | None = None,
    high: FloatArray | None = None,
    further: FloatArray | None = None,
    ringed: frozenset[int] = frozenset(),
) -> Quantity:
    """A panel with a row for each controller, in the order of the tables."""
    low, high, further = (None if part is None else part[s.order] for part in (low, high, further))
    at = frozenset(row for row, c in enumerate(s.order) if c in ringed)
    return Quantity(label, value[s.order], low, high, further, label.endswith("(log)"), at)


def _dots(s: BlockStatistics, quantities: list[Quantity], width: float) -> Drawing:
    labels = [s.block.controllers[c] for c in s.order]
    return dots(labels, s.is_reference[s.order], quantities, width)


def _purple(s: BlockStatistics) -> str:
    if not s.is_reference.any():
        return ""
    return (
        " Purple: a reference or control, which is not ranked; one far beyond the contenders is "
        "an arrow at the edge with its value."
    )


def _legend(s: BlockStatistics) -> str:
    """What the colours mean that are drawn."""
    colours = ["Blue: the controller named"]
    if s.baseline is not None:
        colours.append("Grey: fixed")
    if s.is_reference.any():
        colours.append("Purple: a reference or control")
    return ". ".join(colours)
