"""Stability against performance: one knob a controller, with a guard and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from stored_results import Results

from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap
from atn_gym.eval.metrics.formatting import NONE, count, join
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Table, row
from questions.answer import Answer, by_scale, said, seeds_of
from questions.drawing import rank, whiskers

TITLE = "Stability against performance"

KNOBS = {
    "heuristic": ("increase", "factor on the rate after progress"),
    "range_test": ("climb", "decades that the rate climbs in an epoch"),
    "bandit": ("factors", "largest factor on the rate"),
}
"""Which argument makes a controller bold, and what it is."""
AGENTS = ("ppo_digits", "ppo_adaptive", "ppo_gradient")
"""Trained as they are: they have no such knob."""


@dataclass(frozen=True)
class Level:
    """A controller at a level of its knob.

    Args:
        method: Its name.
        boldness: Value of its knob.
        plain: Its place among the controllers.
        guarded: That of the same with a guard.
    """

    method: str
    boldness: float
    plain: int
    guarded: int


def levels(results: Results) -> dict[str, list[Level]]:
    """Levels of each method that has both runs with a guard and without, mildest first."""
    place = {label: c for c, label in enumerate(results.all_envs.block.controllers)}
    found: dict[tuple[str, float], dict[bool, int]] = {}
    for variant in results.index.controllers:
        guarded = variant.name == "guarded"
        name = str(variant.arguments["method"]) if guarded else variant.name
        arguments = (variant.arguments.get("arguments") or {}) if guarded else variant.arguments
        if name in KNOBS and variant.label in place:
            key = name, _boldness(name, arguments)
            found.setdefault(key, {})[guarded] = place[variant.label]
    methods: dict[str, list[Level]] = {}
    for (name, boldness), of in sorted(found.items(), key=lambda each: (rank(each[0][0]), each[0])):
        if len(of) == 2:
            methods.setdefault(name, []).append(Level(name, boldness, of[False], of[True]))
    return methods


def _boldness(name: str, arguments: Mapping[str, Any]) -> float:
    value = arguments[KNOBS[name][0]]
    return float(max(value)) if isinstance(value, (list, tuple)) else float(value)


def draw(folder: Path) -> Figure:
    """Performance and collapse over the knob, a column for each method and a row for each scale."""
    results = Results.read(folder)
    methods, scales = levels(results), by_scale(results)
    figure = Figure(figsize=(11, 2.4 * 2 * len(scales)), layout="constrained")
    panels = figure.subplots(2 * len(scales), len(methods), squeeze=False, sharey="row")
    for i, (scale, s) in enumerate(scales.items()):
        measures = {
            "anytime performance": (s.anytime, 1),
            "collapsed (%)": (s.collapse_rate(), 100),
        }
        for j, (measure, (estimate, unit)) in enumerate(measures.items()):
            for axes, (name, of) in zip(panels[2 * i + j], methods.items(), strict=True):
                _curve(axes, of, estimate, unit, name)
                axes.set_xlim(-0.4, len(of) - 0.6)
            panels[2 * i + j, 0].set_ylabel(f"{measure}\n{scale}")
    for axes, name in zip(panels[0], methods, strict=True):
        axes.set_title(name)
    for axes, name in zip(panels[-1], methods, strict=True):
        axes.set_xlabel(f"{KNOBS[name][0]}:\n{KNOBS[name][1]}")
    for line in panels:
        for axes, of in zip(line, methods.values(), strict=True):
            axes.set_xticks(range(len(of)), [f"{level.boldness:g}" for level in of])
    legend = [
        figure.axes[0].plot([], [], color="0.3", marker="o", label="without a guard")[0],
        figure.axes[0].plot(
            [], [], color="0.3", marker="o", mfc="white", linestyle="--", label="guarded"
        )[0],
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _curve(axes: Any, of: list[Level], estimate: Estimate, unit: float, name: str) -> None:
    """A method with a guard and without, beside each other at each level."""
    for guarded in (False, True):
        places = [level.guarded if guarded else level.plain for level in of]
        x = np.arange(len(of)) + (0.08 if guarded else -0.08)
        style = {"marker": "o", "markersize": 4, "linestyle": "--" if guarded else "-"}
        style |= {"mfc": "white"} if guarded else {}
        whiskers(axes, x, Estimate(*(unit * part[places] for part in estimate)), name, **style)


def answer(folder: Path) -> Answer:
    """What the sweep says."""
    results = Results.read(folder)
    methods = levels(results)
    scales = by_scale(results)
    return Answer(
        question="Does a bolder controller win more, what does it risk, and does a guard take the "
        "risk away?",
        learned=tuple(_learned(scale, s, methods) for scale, s in scales.items()),
        caption="Each controller at levels of one knob, from mild to bold, with `guarded` around "
        "it and without. Bars are 95 % intervals: bootstrap over seeds for anytime performance, "
        "exact for the share of runs that collapse.",
        tables=tuple(_table(scale, s, methods) for scale, s in scales.items()),
        how=f"{seeds_of(results)} of DigitsCnn under DataShift, {join(list(scales))}. "
        "The difference is that of anytime performance, guarded less plain, paired by "
        "seed. Agents have no knob and are shown as they are.",
        commands=("atn-gym run --config stability_digits",),
    )


def difference(s: BlockStatistics, one: int, other: int) -> Estimate:
    """Paired difference of anytime performance of two controllers, with its interval."""
    values = s.anytime_scores
    return bootstrap(values[one] - values[other], mean, np.random.default_rng(0))


def _learned(scale: str, s: BlockStatistics, methods: Mapping[str, list[Level]]) -> str:
    """What boldness wins and risks, and what the guard changes."""
    lines = [f"**{scale.capitalize()}.**"]
    for name, of in methods.items():
        won = difference(s, of[-1].plain, of[0].plain)
        collapsed = s.collapse_rate().value
        lines.append(
            f"From {of[0].boldness:g} to {of[-1].boldness:g}, `{name}` "
            f"{_verdict(won, 'gains', 'loses', 'changes by')} {said(won, ())}; collapsed runs go "
            f"from {100 * collapsed[of[0].plain]:.0f} to {100 * collapsed[of[-1].plain]:.0f} %."
        )
    boldest = [difference(s, of[-1].plain, of[0].plain) for of in methods.values()]
    if all(float(each.high) < 0 for each in boldest):
        lines.insert(1, "Boldness wins nothing: every controller is worse at its boldest.")
    guards = [(difference(s, lv.guarded, lv.plain), lv) for of in methods.values() for lv in of]
    helped = sum(float(d.low) > 0 for d, _ in guards)
    harmed = sum(float(d.high) < 0 for d, _ in guards)
    rate = 100 * s.collapse_rate().value
    plain, guarded = (
        np.mean([rate[getattr(lv, which)] for _, lv in guards]) for which in ("plain", "guarded")
    )
    lines.append(
        f"The guard helps {helped} of {len(guards)} settings by more than chance explains and "
        f"harms {harmed}; it takes collapsed runs from {plain:.0f} to {guarded:.0f} %."
    )
    labels = s.block.controllers
    agents = [
        difference(s, labels.index(f"guarded_{agent}"), labels.index(agent))
        for agent in AGENTS
        if f"guarded_{agent}" in labels and agent in labels
    ]
    if agents:
        helped = sum(float(d.low) > 0 for d in agents)
        harmed = sum(float(d.high) < 0 for d in agents)
        lines.append(f"Of {count(len(agents), 'agent')} it helps {helped} and harms {harmed}.")
    return " ".join(lines)


def _verdict(found: Estimate, better: str, worse: str, undecided: str) -> str:
    if float(found.low) > 0:
        return better
    return worse if float(found.high) < 0 else undecided


def _table(scale: str, s: BlockStatistics, methods: Mapping[str, list[Level]]) -> Table:
    rate = s.collapse_rate()
    rows = []
    for name, of in methods.items():
        for level in of:
            rows.append(
                row(
                    f"{name}, {KNOBS[name][0]} {level.boldness:g}",
                    estimate_cell(s.anytime, level.plain),
                    estimate_cell(s.anytime, level.guarded),
                    estimate_cell(difference(s, level.guarded, level.plain), ()),
                    estimate_cell(rate, level.plain, 0, 100),
                    estimate_cell(rate, level.guarded, 0, 100),
                )
            )
    for label in ("fixed", *AGENTS):
        labels = s.block.controllers
        if label in labels:
            plain, guard = labels.index(label), f"guarded_{label}"
            both = [labels.index(guard)] if guard in labels else []
            rows.append(
                row(
                    label,
                    estimate_cell(s.anytime, plain),
                    *([estimate_cell(s.anytime, both[0])] if both else [NONE]),
                    *([estimate_cell(difference(s, both[0], plain), ())] if both else [NONE]),
                    estimate_cell(rate, plain, 0, 100),
                    *([estimate_cell(rate, both[0], 0, 100)] if both else [NONE]),
                )
            )
    headings = (
        "controller",
        "anytime performance",
        "guarded",
        "difference",
        "collapsed (%)",
        "guarded (%)",
    )
    return Table(f"With a guard and without, {scale}", headings, tuple(rows))
