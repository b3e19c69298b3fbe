"""Robustness: whether runs recover, by kind, severity and time of the shock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_results_pages import Results
from matplotlib.figure import Figure

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap, exact_rate
from atn_gym.eval.metrics.formatting import number
from atn_gym.eval.report.document import Cell, Table, row
from questions.answer import Answer, names, seeds_of
from questions.drawing import rank, whiskers

TITLE = "Robustness"
NEVER = 2.0
"""Threshold where the share never falls below one half, beyond any severity."""


@dataclass(frozen=True, eq=False)
class Shocks:
    """Whether the runs recovered from shocks of one kind at one time.

    Args:
        kind: What changed.
        trigger: Share of the budget before the shock.
        severities: Mildest first.
        recovered: 1 where a run did, else 0, shape (controllers, severities, seeds).
    """

    kind: str
    trigger: float
    severities: tuple[float, ...]
    recovered: FloatArray

    def shares(self) -> Estimate:
        """Share recovered, shape (controllers, severities), with its exact interval."""
        return exact_rate(self.recovered[:, :, None, :])

    def thresholds(self) -> Estimate:
        """The severity at which the share falls below one half, shape (controllers,)."""
        return bootstrap(
            self.recovered,
            lambda drawn: threshold(drawn.mean(-1), self.severities),
            np.random.default_rng(0),
        )


def threshold(shares: FloatArray, severities: tuple[float, ...]) -> FloatArray:
    """The least severity at which shares of recovered runs fall below one half.

    Between two severities the share is interpolated; at 0 nothing changes, so that it is 1 there.

    Args:
        shares: Shape (..., severities).
        severities: Ascending.

    Returns:
        Shape (...), `NEVER` where no share is below one half.
    """
    x = np.array([0.0, *severities])
    y = np.concatenate([np.ones((*shares.shape[:-1], 1)), shares], -1)
    below = y < 0.5
    first = below.argmax(-1)[..., None]
    before = np.maximum(first - 1, 0)
    high, low = (np.take_along_axis(y, at, -1)[..., 0] for at in (before, first))
    left, right = x[before[..., 0]], x[first[..., 0]]
    step = (high - 0.5) / np.where(high > low, high - low, 1)
    return np.where(below.any(-1), left + (right - left) * step, NEVER)


def shocks(results: Results) -> list[Shocks]:
    """All shocks, by kind and then by time."""
    block = results.all_envs.block
    arguments = {env.label: env.arguments for env in results.index.envs}
    recovered = np.nan_to_num(block.values("recovered"))
    groups: dict[tuple[str, float], list[tuple[float, int]]] = {}
    for place, env in enumerate(block.envs):
        of = arguments[env]
        key = str(of["kind"]), float(of["trigger"])
        groups.setdefault(key, []).append((float(of["severity"]), place))
    return [
        Shocks(
            *key,
            tuple(severity for severity, _ in sorted(places)),
            recovered[:, [place for _, place in sorted(places)]],
        )
        for key, places in sorted(groups.items())
    ]


def draw(folder: Path) -> Figure:
    """Share recovered over severity, a column for each kind and a row for each time."""
    results = Results.read(folder)
    found = shocks(results)
    kinds = sorted({each.kind for each in found})
    triggers = sorted({each.trigger for each in found})
    labels = results.all_envs.block.controllers
    figure = Figure(figsize=(11, 2.6 * len(triggers) + 0.8), layout="constrained")
    panels = figure.subplots(len(triggers), len(kinds), squeeze=False, sharex=True, sharey=True)
    for each in found:
        axes = panels[triggers.index(each.trigger), kinds.index(each.kind)]
        shares = each.shares()
        order = sorted(range(len(labels)), key=lambda c: rank(labels[c]))
        for turn, c in enumerate(order):
            x = np.array(each.severities) + 0.022 * (turn - (len(order) - 1) / 2)
            estimate = Estimate(*(100 * part[c] for part in shares))
            whiskers(axes, x, estimate, labels[c], marker="o", markersize=4, label=labels[c])
        axes.axhline(50, color="0.8", linewidth=1, zorder=0)
        axes.set_xticks(each.severities)
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set_title(kind)
    for axes in panels[-1]:
        axes.set_xlabel("severity")
    for axes, trigger in zip(panels[:, 0], triggers, strict=True):
        axes.set_ylabel(f"recovered (%)\nshock at {trigger:g} of the budget")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(labels),
        frameon=False,
    )
    return figure


def answer(folder: Path) -> Answer:
    """What the sweep says."""
    results = Results.read(folder)
    return Answer(
        question="How severe a shock do controllers recover from, by its kind and its time?",
        learned=(_learned(results),),
        caption="Share of runs whose validation accuracy comes back to within 0.02 of what it was "
        "before the shock, with exact 95 % intervals. Points of one severity are drawn beside each "
        "other. A run that had learned nothing before the shock counts as not recovered.",
        tables=(_table(results),),
        how=f"{seeds_of(results)} of DigitsCnn for each kind, severity and time. The threshold is "
        "the least severity at which the share falls below one half, interpolated between the "
        "severities; > 1 if it never does. Brackets are 95 % bootstrap intervals over seeds.",
        commands=("atn-gym run --config robustness_digits",),
    )


def _severity(value: float) -> str:
    return "> 1" if value > 1 else number(value, 2)


def _table(results: Results) -> Table:
    labels, found = results.all_envs.block.controllers, shocks(results)
    thresholds = [each.thresholds() for each in found]
    rows = []
    for c in sorted(range(len(labels)), key=lambda c: rank(labels[c])):
        cells = []
        for each in thresholds:
            value, low, high = (_severity(float(part[c])) for part in each)
            cells.append(Cell(value, "" if low == high else f"[{low}, {high}]"))
        rows.append(row(labels[c], *cells))
    headings = ("controller", *(f"{each.kind}, shock at {each.trigger:g}" for each in found))
    return Table("Severity at which recovery falls below one half", headings, tuple(rows))


def _learned(results: Results) -> str:
    """Which kinds all survive, and whom the others break."""
    labels, found = results.all_envs.block.controllers, shocks(results)
    values = {(e.kind, e.trigger): e.thresholds().value for e in found}
    kinds = sorted({each.kind for each in found})
    lines = []
    for kind in kinds:
        of_kind = {trigger: v for (k, trigger), v in values.items() if k == kind}
        if all((v > 1).all() for v in of_kind.values()):
            lines.append(f"From `{kind}` most runs of every controller recover at any severity.")
            continue
        for trigger, v in sorted(of_kind.items()):
            if (v > 1).all():
                lines.append(f"From `{kind}` at {trigger:g} of the budget most runs recover.")
                continue
            survive = [labels[c] for c in np.flatnonzero(v > 1)]
            first, last = _severity(float(v.min())), _severity(float(v[v <= 1].max()))
            span = first if first == last else f"{first} to {last}"
            rest = f"; {names(survive)} recover at any severity" if survive else ""
            lines.append(
                f"From `{kind}` at {trigger:g} of the budget recovery falls below one half at "
                f"severities of {span}{rest}."
            )
    early, late = min(t for _, t in values), max(t for _, t in values)
    counted = sum(
        int((values[kind, late] < values[kind, early]).sum())
        for kind in kinds
        if (kind, late) in values and (kind, early) in values
    )
    lines.append(
        f"A late shock lowers the threshold of {counted} of {len(kinds) * len(labels)} pairs of a "
        "kind and a controller: what is learned late has further to fall and less time to return."
    )
    return " ".join(lines)
