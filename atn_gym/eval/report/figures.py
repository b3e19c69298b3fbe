"""The figures of a report: which runs they show, and between which limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import shares_above
from atn_gym.eval.metrics.bootstrap import performance_profile
from atn_gym.eval.metrics.formatting import count, seed_count
from atn_gym.eval.metrics.headings import HEADINGS
from atn_gym.eval.metrics.strata import has_spread
from atn_gym.eval.report.block_statistics import ANYTIME, HEADLINE, BlockStatistics
from atn_gym.eval.report.document import Figure
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.report.making import DEPLOYMENTS, making_runs
from atn_gym.eval.report.plots import Curve, Entry, Point, intervals, panels, strips, trade_off
from atn_gym.eval.report.run_budget import num_epochs
from atn_gym.eval.report.svg import Axis
from atn_gym.eval.storage.runs import StoredRun, trace_matrices

_THRESHOLDS = 61
_MOST_DRAWN = 200
"""Seeds of a controller in a figure over epochs: more move its quartiles by less than a line."""


def headline_figure(statistics: BlockStatistics) -> Figure:
    """Anytime performance of every controller, and the compute-adjusted one of contenders."""
    groups = []
    for metric, estimate in ((HEADLINE, statistics.adjusted), (ANYTIME, statistics.anytime)):
        points = [
            _point(statistics, c, 0, estimate.value[c], estimate.low[c], estimate.high[c])
            for c in statistics.order
        ]
        # What a reference spends would leave the contenders a sliver of the axis.
        contenders = [point for point in points if not point.is_reference] or points
        shown = contenders if metric == HEADLINE else points
        axis = _axis(HEADINGS[metric].text, [(p.low, p.y, p.high) for p in shown])
        groups.append((axis, [point if point in shown else None for point in points]))
    title = "Performance over all envs"
    note = "Dots are stratified means"
    if np.isfinite(statistics.anytime.low).any():
        note += ", bars are 95 % bootstrap intervals over seeds"
    references = ""
    if statistics.is_reference.any():
        references = " Purple: a privileged reference, without its compute-adjusted performance."
    labels = [statistics.block.controllers[c] for c in statistics.order]
    return Figure(title, intervals(labels, groups, title), f"{note}.{references}")


def profile_figure(statistics: BlockStatistics) -> Figure:
    """Share of runs above each anytime performance."""
    scores = statistics.anytime_scores
    axis = _axis("anytime performance τ", [scores.ravel()])
    thresholds = np.linspace(axis.low, axis.high, _THRESHOLDS)
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
    entries = [_entry(statistics, c, curve) for c, curve in enumerate(curves)]
    legend = _legend(entries, _baseline(statistics, entries))
    title = "Performance profiles"
    y = Axis("share of runs above τ", 0, 1)
    svg = panels(_shown(statistics, entries), _baseline(statistics, entries), axis, y, title)
    return Figure(
        title,
        svg,
        f"Share of all runs with an anytime performance above τ{bands}. {legend}.",
    )


def trade_off_figure(statistics: BlockStatistics) -> Figure:
    """Performance against compute."""
    costs = statistics.relative_cost()
    performance = statistics.anytime.value
    made = np.nan_to_num(making_runs(statistics))
    shared = {
        c: tuple((costs[c] + made[c] / np.array(DEPLOYMENTS)).tolist()) if made[c] > 0 else ()
        for c in statistics.order
    }
    points = [
        replace(_point(statistics, c, costs[c], performance[c]), more=shared[c])
        for c in statistics.order
    ]
    x = Axis(
        "total cost of a run, in whole runs (log scale)",
        float(costs.min()) * 0.8,
        float((costs + made).max()) * 1.4,
        is_log=True,
    )
    title = "Performance against compute"
    purple = " Purple: a privileged reference." if statistics.is_reference.any() else ""
    y = _axis("anytime performance", [performance])
    return Figure(
        title,
        trade_off(points, x, y, title),
        "Stratified mean of the anytime performance over all envs. The orange line is the Pareto "
        "front: no contender does better than one on it (ringed) at the same or a lower cost. A "
        "run that diverged is charged as a whole one. A dot is at what was charged in the run. "
        "Marks to its right add the making of a method, by tuning or training, shared by N "
        "runs: from the left, N = 1,000,000 to N = 1, a tenth from mark to mark. The front leaves "
        f"it out.{purple}",
    )


def recovery_figure(statistics: BlockStatistics) -> Figure | None:
    """Share of runs that recovered, over the epochs since the shock; None without a shock."""
    recovery = statistics.recovery
    if recovery is None:
        return None
    # Steps: a share holds from its epoch to the next.
    epochs = np.repeat(np.arange(recovery.horizon + 1, dtype=np.float64), 2)[1:-1]
    shares = np.repeat(recovery.shares(), 2, axis=-1)
    entries = [_entry(statistics, c, Curve(epochs, share)) for c, share in enumerate(shares)]
    title = "Recovery after the shock"
    x = Axis("epochs since the shock", 0, recovery.horizon)
    y = Axis("share of runs recovered", 0, 1)
    svg = panels(_shown(statistics, entries), _baseline(statistics, entries), x, y, title)
    envs = count(recovery.times.shape[1], "env")
    return Figure(
        title, svg, f"Over {envs} with a shock. {_legend(entries, _baseline(statistics, entries))}."
    )


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
    curves, first = {}, 0
    for controller, of_one in by_controller.items():
        seeds = of_one[:_MOST_DRAWN]
        rows = slice(first, first + len(seeds))
        first += len(seeds)
        if seeds:
            curves[controller] = tuple(_over_seeds(seeds, c, traces[c][rows]) for c in columns)
    entries = [Entry(c, drawn, c in index.references) for c, drawn in curves.items()]
    baseline = next((e for e in entries if e.label == index.baseline), None)
    shown = [entry for entry in entries if entry is not baseline] or entries
    axes = [
        _log_axis(_SHOWN.get(column, column), [entry.curves[i] for entry in entries])
        for i, column in enumerate(columns)
    ]
    shocks = {run.metric("shock_epoch") for run in runs}
    mark = shocks.pop() if len(shocks) == 1 else np.nan
    title = f"{env} over epochs"
    x = Axis("epoch", 0, epochs)
    svg = strips(shown, baseline, x, axes, mark if np.isfinite(mark) else None, title)
    counts = {len(seeds) for seeds in by_controller.values() if seeds}
    extent = f"{min(counts)} to {max(counts)} seeds"
    if len(counts) == 1:
        extent = seed_count(counts.pop())
    thinned = f" Drawn from the first {_MOST_DRAWN} seeds." if most > _MOST_DRAWN else ""
    where = ". Orange: the shock" if np.isfinite(mark) else ""
    if shocks:
        where = ". The shock is not marked: it differs between runs"
    return Figure(
        f"{title}: {extent}",
        svg,
        "Line: median over seeds (of an even number, the lower of the middle two). Band: between "
        "the quartiles. A run that diverged keeps the loss of divergence and has no "
        "hyperparameters from then on. "
        f"{_legend(entries, baseline)}{where}.{thinned}",
    )


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


def _entry(statistics: BlockStatistics, c: int, curve: Curve) -> Entry:
    return Entry(statistics.block.controllers[c], (curve,), bool(statistics.is_reference[c]))


def _legend(entries: list[Entry], baseline: Entry | None) -> str:
    """What the colours mean that are drawn."""
    colours = ["Blue: the controller named"]
    if baseline is not None:
        colours.append("Grey: fixed")
    if any(entry.is_reference for entry in entries):
        colours.append("Purple: a privileged reference")
    return ". ".join(colours)


def _shown(statistics: BlockStatistics, entries: list[Entry]) -> list[Entry]:
    """All but the baseline, which is drawn in every panel, in the order of the tables."""
    return [entries[c] for c in statistics.order if c != statistics.baseline] or entries


def _baseline(statistics: BlockStatistics, entries: list[Entry]) -> Entry | None:
    return None if statistics.baseline is None else entries[statistics.baseline]


def _point(
    statistics: BlockStatistics,
    c: int,
    x: float,
    y: float,
    low: float = np.nan,
    high: float = np.nan,
) -> Point:
    label, is_reference = statistics.block.controllers[c], bool(statistics.is_reference[c])
    return Point(label, float(x), float(y), is_reference, float(low), float(high))


def _axis(label: str, values: object) -> Axis:
    """An axis with room around all values that are known."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    margin = 0.06 * float(known.max() - known.min()) or 0.05
    return Axis(label, float(known.min()) - margin, float(known.max()) + margin)


def _log_axis(label: str, curves: list[Curve]) -> Axis:
    """A logarithmic axis that holds all curves with their bands."""
    parts = [part for c in curves for part in (c.low, c.middle, c.high) if part is not None]
    known = np.concatenate(parts)
    known = known[np.isfinite(known) & (known > 0)]
    if not known.size:
        return Axis(label, 0.1, 1, is_log=True)
    return Axis(label, float(known.min()) / 1.3, float(known.max()) * 1.3, is_log=True)
