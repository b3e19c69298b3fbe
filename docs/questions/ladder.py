"""The least complex controller that adapts safely: a ladder, with real and scrambled signals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from stored_results import Results

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap, exact_rate
from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Cell, Table, row
from atn_gym.eval.report.index import ResultIndex
from questions.answer import SCALES, Answer, names
from questions.drawing import rank, whiskers

TITLE = "The least complex controller that adapts safely"
BLIND = "blind"


@dataclass(frozen=True)
class Ladder:
    """The controllers of one scale, each with the seeds that it has.

    Args:
        index: All runs.
        envs: Labels of the envs of the scale.
    """

    index: ResultIndex
    envs: tuple[str, ...]

    @property
    def rungs(self) -> list[str]:
        """Labels, simplest first: a constant, a schedule, rules, a search in the run, agents."""
        labels = [c.label for c in self.index.controllers if c.label not in self.index.references]
        return sorted((label for label in labels if self.seeds(label)), key=rank)

    def scrambled(self, label: str) -> str | None:
        """Label of the yoked control of a controller; None for what never looks."""
        control = self.index.yoked_to(label, [c.label for c in self.index.controllers])
        return control if control is not None and self.seeds(control) else None

    def seeds(self, *labels: str) -> list[int]:
        """Seeds that some controllers all have on all envs."""
        places = [(label, env) for label in labels for env in self.envs]
        runs = self.index.runs
        return [s for s in self.index.seeds if all((*place, s) in runs for place in places)]

    def values(self, metric: str, label: str, beside: str | None = None) -> FloatArray:
        """A metric, (envs, seeds), with the seeds that another controller has as well."""
        seeds = self.seeds(label, beside or label)
        return np.array(
            [[self.index.runs[label, e, s].metric(metric) for s in seeds] for e in self.envs]
        )

    def performance(self, label: str) -> Estimate:
        """Mean anytime performance."""
        return _mean(self.values("anytime_performance", label))

    def difference(self, label: str, other: str) -> Estimate:
        """Anytime performance less that of another, paired by seed."""
        one, two = (
            self.values("anytime_performance", *pair) for pair in ((label, other), (other, label))
        )
        return _mean(one - two)

    def collapsed(self, label: str, beside: str | None = None) -> Estimate:
        """Share of runs that collapse."""
        return exact_rate(self.values("collapsed", label, beside))


def _mean(values: FloatArray) -> Estimate:
    return bootstrap(values, mean, np.random.default_rng(0))


def ladders(folder: Path) -> dict[str, Ladder]:
    """The ladder of each scale."""
    results = Results.read(folder)
    envs: dict[str, list[str]] = {}
    for env in results.index.envs:
        envs.setdefault(str(env.arguments["task"]), []).append(env.label)
    return {
        scale: Ladder(results.index, tuple(envs[task]))
        for task, scale in SCALES.items()
        if task in envs
    }


def draw(folder: Path) -> Figure:
    """Performance and collapse up the ladder, a column for each scale."""
    scales = ladders(folder)
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, len(scales), squeeze=False, sharey="row", sharex="col")
    for (top, bottom), (scale, ladder) in zip(panels.T, scales.items(), strict=True):
        rungs = ladder.rungs
        for x, label in enumerate(rungs):
            control = ladder.scrambled(label)
            for of, shift, face in ((label, -0.1, None), (control, 0.1, "white")):
                if of is not None:
                    style = {"marker": "o", "linestyle": "", "mfc": face}
                    whiskers(top, x + shift, ladder.performance(of), label, **style)
                    rate = Estimate(*(100 * part for part in ladder.collapsed(of)))
                    whiskers(bottom, x + shift, rate, label, **style)
        if BLIND in rungs:
            blind = float(ladder.performance(BLIND).value)
            top.axhline(blind, color="0.8", linewidth=1, zorder=0)
        top.set_title(scale)
        bottom.set_xticks(range(len(rungs)), rungs, rotation=30, ha="right")
    panels[0, 0].set_ylabel("anytime performance")
    panels[1, 0].set_ylabel("collapsed (%)")
    handles = [
        panels[0, 0].plot([], [], "o", color="0.3", label="signals of its own run")[0],
        panels[0, 0].plot([], [], "o", color="0.3", mfc="white", label="scrambled: of another")[0],
        panels[0, 0].plot([], [], color="0.8", label="blind")[0],
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def answer(folder: Path) -> Answer:
    """What the sweep says."""
    scales = ladders(folder)
    return Answer(
        question="Which is the least complex controller that adapts safely: that is better than a "
        "schedule which never looks, because of what it observes, and collapses no more often?",
        learned=tuple(_learned(scale, ladder) for scale, ladder in scales.items()),
        caption="Filled: each controller observes its own run. Hollow: it gets what it chose by "
        "the signals of another run (`yoked`). What lies between is the value of its feedback. "
        "Bars are 95 % intervals: bootstrap over seeds, exact for collapse. The line is `blind`.",
        tables=tuple(_table(scale, ladder) for scale, ladder in scales.items()),
        how="DigitsCnn with and without a hidden gain on the learning rate, under DataShift and "
        "OptimizerSensitivityShift. A rung adapts if both differences, to `blind` and to its yoked "
        "control, are above 0 by their paired 95 % intervals; it is safe if no more of its runs "
        "collapse than of `blind` on the same seeds. Each number takes all seeds that there are "
        "for it; the tables say how many.",
        commands=("atn-gym run --config ladder_digits",),
    )


@dataclass(frozen=True)
class Judged:
    """A rung against what never looks and against itself with scrambled signals."""

    label: str
    over_blind: Estimate | None
    feedback: Estimate | None
    safe: bool

    @property
    def adapts(self) -> bool:
        """Whether both differences are above 0 by their intervals."""
        return _above(self.over_blind) and _above(self.feedback)


def _above(found: Estimate | None) -> bool:
    return found is not None and float(found.low) > 0


def judged(ladder: Ladder) -> list[Judged]:
    """Every rung, judged."""
    found = []
    for label in ladder.rungs:
        control = ladder.scrambled(label)
        rates = ladder.collapsed(label, BLIND).value, ladder.collapsed(BLIND, label).value
        found.append(
            Judged(
                label,
                None if label == BLIND else ladder.difference(label, BLIND),
                None if control is None else ladder.difference(label, control),
                bool(rates[0] <= rates[1]),
            )
        )
    return found


def _learned(scale: str, ladder: Ladder) -> str:
    """The lowest rung that adapts safely, and what the others lack."""
    looking = [each for each in judged(ladder) if each.feedback is not None]
    winners = [each.label for each in looking if each.adapts and each.safe]
    first = f"`{winners[0]}` is the least complex that does" if winners else "None of them does"
    above = [each.label for each in looking if _above(each.over_blind)]
    below = [e.label for e in looking if e.over_blind and float(e.over_blind.high) < 0]
    useful = [each.label for each in looking if _above(each.feedback)]
    harmful = [e.label for e in looking if e.feedback and float(e.feedback.high) < 0]
    return (
        f"**{scale.capitalize()}.** {first}. Of those that look, above `blind`: {names(above)}; "
        f"below it: {names(below)}. Feedback helps: {names(useful)}; it harms: {names(harmful)}. "
        "What is named in neither list cannot be told from no difference."
    )


def _table(scale: str, ladder: Ladder) -> Table:
    rows = []
    for each in judged(ladder):
        control, looks = ladder.scrambled(each.label), each.feedback is not None
        rows.append(
            row(
                each.label,
                estimate_cell(ladder.performance(each.label), ()),
                Cell(NONE) if each.over_blind is None else estimate_cell(each.over_blind, ()),
                f"{len(ladder.seeds(each.label, BLIND))}",
                Cell(NONE) if each.feedback is None else estimate_cell(each.feedback, ()),
                f"{len(ladder.seeds(each.label, control))}" if control else NONE,
                estimate_cell(ladder.collapsed(each.label), (), 0, 100),
                ("yes" if each.adapts else "no") if looks else NONE,
                "yes" if each.safe else "no",
            )
        )
    headings = (
        "controller",
        "anytime performance",
        "less blind",
        "seeds",
        "value of feedback",
        "seeds of both",
        "collapsed (%)",
        "adapts",
        "safe",
    )
    return Table(f"The ladder, {scale}", headings, tuple(rows))
