"""The figures of a report: which runs they show, and between which limits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.metrics.aggregate import shares_above
from atn_gym.eval.metrics.bootstrap import performance_profile
from atn_gym.eval.metrics.formatting import count, seed_count
from atn_gym.eval.metrics.strata import has_spread
from atn_gym.eval.report.block_statistics import ANYTIME, Standing, num_epochs
from atn_gym.eval.report.cells import interval_note
from atn_gym.eval.report.document import Figure
from atn_gym.eval.report.index import Comparison
from atn_gym.eval.report.plots import Curve, Entry, Point, intervals, panels, strips, trade_off
from atn_gym.eval.report.svg import Axis
from atn_gym.eval.storage.runs import StoredRun

FloatArray = NDArray[np.float64]

_THRESHOLDS = 61


def headline_figure(standing: Standing) -> Figure:
    """Both performances of every controller with their intervals."""
    found = {
        "compute-adjusted performance": standing.adjusted,
        "anytime performance": standing.anytime,
    }
    groups = []
    for label, estimate in found.items():
        points = [
            _point(standing, c, 0, estimate.value[c], estimate.low[c], estimate.high[c])
            for c in standing.order
        ]
        groups.append((_axis(label, [(p.low, p.y, p.high) for p in points]), points))
    title = "Performance over all envs"
    return Figure(title, intervals(groups, title), interval_note(standing))


def profile_figure(standing: Standing) -> Figure:
    """Share of runs above each anytime performance."""
    scores = standing.stratified(standing.block.values(ANYTIME))
    axis = _axis("anytime performance τ", [scores.ravel()])
    thresholds = np.linspace(axis.low, axis.high, _THRESHOLDS)
    if has_spread(scores):
        profile = performance_profile(
            scores, thresholds, np.random.default_rng(0), num_resamples=500
        )
        curves = [
            Curve(thresholds, *of_one)
            for of_one in zip(profile.value, profile.low, profile.high, strict=True)
        ]
    else:
        shares = shares_above(scores, thresholds)
        curves = [Curve(thresholds, share) for share in shares]
    bands = ", with 95 % bootstrap bands" if has_spread(scores) else ""
    entries = [_entry(standing, c, curve) for c, curve in enumerate(curves)]
    legend = _legend(entries, _baseline(standing, entries))
    title = "Performance profiles"
    y = Axis("share of runs above τ", 0, 1)
    svg = panels(_shown(standing, entries), _baseline(standing, entries), axis, y, title)
    return Figure(
        title,
        svg,
        f"Share of all runs with an anytime performance above τ{bands}. {legend}.",
    )


def trade_off_figure(standing: Standing) -> Figure:
    """Performance against compute."""
    costs = standing.relative_cost()
    performance = standing.anytime.value
    points = [_point(standing, c, costs[c], performance[c]) for c in standing.order]
    x = Axis(
        "flops charged, in whole runs (log scale)",
        float(costs.min()) * 0.8,
        float(costs.max()) * 1.4,
        is_log=True,
    )
    title = "Performance against compute"
    purple = " Purple: the privileged reference." if standing.is_reference.any() else ""
    y = _axis("anytime performance", [performance])
    return Figure(
        title,
        trade_off(points, x, y, title),
        "Stratified mean of the anytime performance over all envs. The orange line is the "
        "Pareto front of the contenders: those on it, ringed, are beaten by none that costs as "
        f"little. A run that diverged counts as a whole one.{purple}",
    )


def recovery_figure(standing: Standing) -> Figure | None:
    """Share of runs that came back, over the epochs since the shock; None without a shock."""
    recovery = standing.recovery()
    if recovery is None:
        return None
    # Steps: a share holds from its epoch to the next.
    epochs = np.repeat(np.arange(recovery.horizon + 1, dtype=np.float64), 2)[1:-1]
    shares = np.repeat(recovery.shares(), 2, axis=-1)
    entries = [_entry(standing, c, Curve(epochs, share)) for c, share in enumerate(shares)]
    title = "Recovery after the shock"
    x = Axis("epochs since the shock", 0, recovery.horizon)
    y = Axis("share of runs recovered", 0, 1)
    svg = panels(_shown(standing, entries), _baseline(standing, entries), x, y, title)
    envs = count(recovery.times.shape[1], "env")
    return Figure(
        title, svg, f"Over {envs} with a shock. {_legend(entries, _baseline(standing, entries))}."
    )


def run_figure(comparison: Comparison, env: str, order: list[str]) -> Figure:
    """Validation loss and hyperparameters of all controllers on an env over the epochs.

    Args:
        comparison: All runs.
        env: Label of the env.
        order: Labels of the controllers, from the top.
    """
    runs = comparison.of_env(env)
    epochs = max(num_epochs(run) for run in runs)
    columns = ["val_loss", *_hyperparameters(runs)]
    by_controller = {c: comparison.of_pair(c, env) for c in order}
    curves = {
        controller: tuple(_over_seeds(of_one, column, epochs) for column in columns)
        for controller, of_one in by_controller.items()
        if of_one
    }
    entries = [Entry(c, of_one, c in comparison.references) for c, of_one in curves.items()]
    baseline = next((e for e in entries if e.label == comparison.baseline), None)
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
    seeds = {len(of_one) for of_one in by_controller.values() if of_one}
    extent = seed_count(seeds.pop()) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)} seeds"
    where = ". Orange: the shock" if np.isfinite(mark) else ""
    if shocks:
        where = ". The shock, which differs from run to run, is not marked"
    return Figure(
        f"{title}: {extent}",
        svg,
        "Median over seeds, of an even number the lower of the middle two, and the band between "
        "the quartiles; a run that diverged keeps the loss of divergence and has no "
        "hyperparameters any more. "
        f"{_legend(entries, baseline)}{where}.",
    )


_SHOWN = {
    "val_loss": "validation loss (nats)",
    "learning_rate": "learning rate",
    "momentum": "1 \N{MINUS SIGN} momentum",
    "weight_decay": "weight decay",
}


def _hyperparameters(runs: list[StoredRun]) -> list[str]:
    """Those that are controlled and traced in all runs."""
    named = runs[0].config["env"].get("hyperparameters")
    names = named if isinstance(named, list) else []
    return [name for name in names if all(name in run.trace for run in runs)]


def _over_seeds(runs: list[StoredRun], column: str, epochs: int) -> Curve:
    values = np.full((len(runs), epochs), np.nan)
    for filled, run in zip(values, runs, strict=True):
        trained = run.trace[column][:epochs]
        filled[: len(trained)] = trained
        if column == "val_loss" and run.metric("diverged") == 1:
            # The loss that the metrics give to every epoch from divergence on.
            lost = ~np.isfinite(filled)
            filled[lost] = run.metric("final_val_loss")
    values = np.where(np.isfinite(values), values, np.nan)
    if column == "momentum":
        values = 1 - values
    known = np.isfinite(values).any(axis=0)
    low, middle, high = np.full((3, epochs), np.nan)
    # Each is the value of a run: halfway between runs that began far apart, there is none.
    low[known], middle[known], high[known] = np.nanquantile(
        values[:, known], [0.25, 0.5, 0.75], axis=0, method="inverted_cdf"
    )
    x = np.arange(1, epochs + 1, dtype=np.float64)
    return Curve(x, middle, low, high) if len(runs) > 1 else Curve(x, middle)


def _entry(standing: Standing, c: int, curve: Curve) -> Entry:
    return Entry(standing.block.controllers[c], (curve,), bool(standing.is_reference[c]))


def _legend(entries: list[Entry], baseline: Entry | None) -> str:
    """What the colours of curves mean, of those that there are."""
    told = ["Blue: the controller named"]
    if baseline is not None:
        told.append("Grey: fixed")
    if any(entry.is_reference for entry in entries):
        told.append("Purple: the privileged reference")
    return ". ".join(told)


def _shown(standing: Standing, entries: list[Entry]) -> list[Entry]:
    """All but the baseline, which is drawn in every panel, in the order of the tables."""
    return [entries[c] for c in standing.order if c != standing.baseline] or entries


def _baseline(standing: Standing, entries: list[Entry]) -> Entry | None:
    return None if standing.baseline is None else entries[standing.baseline]


def _point(
    standing: Standing, c: int, x: float, y: float, low: float = np.nan, high: float = np.nan
) -> Point:
    label, is_reference = standing.block.controllers[c], bool(standing.is_reference[c])
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
