"""The least complex controller that adapts safely: a ladder, with real and scrambled signals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_results_pages import Results
from matplotlib.figure import Figure

from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.formatting import NONE
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.document import Cell, Table, row
from questions.answer import Answer, by_scale, cell, names, seeds_of
from questions.drawing import rank, whiskers
from questions.stability import difference

TITLE = "The least complex controller that adapts safely"


@dataclass(frozen=True)
class Rung:
    """A controller of the ladder.

    Args:
        label: Its name.
        real: Its place among the controllers.
        scrambled: That of its yoked control; None for what never looks.
    """

    label: str
    real: int
    scrambled: int | None


def rungs(s: BlockStatistics) -> list[Rung]:
    """The ladder, simplest first: a constant, a schedule, rules, a search in the run, agents."""
    contenders = [c for c in range(len(s.block.controllers)) if not s.is_reference[c]]
    return sorted(
        (Rung(s.block.controllers[c], c, s.yoked[c]) for c in contenders),
        key=lambda rung: rank(rung.label),
    )


def draw(folder: Path) -> Figure:
    """Performance and collapse up the ladder, a column for each scale."""
    scales = by_scale(Results.read(folder))
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, len(scales), squeeze=False, sharey="row", sharex="col")
    for column, (scale, s) in enumerate(scales.items()):
        ladder = rungs(s)
        for axes, estimate, unit in (
            (panels[0, column], s.anytime, 1),
            (panels[1, column], s.collapse_rate(), 100),
        ):
            for x, rung in enumerate(ladder):
                for place, shift, style in (
                    (rung.real, -0.1, {"marker": "o"}),
                    (rung.scrambled, 0.1, {"marker": "o", "mfc": "white"}),
                ):
                    if place is not None:
                        found = Estimate(*(np.array([unit * part[place]]) for part in estimate))
                        whiskers(axes, [x + shift], found, rung.label, linestyle="", **style)
        panels[0, column].set_title(scale)
        labels = [rung.label for rung in ladder]
        panels[1, column].set_xticks(range(len(ladder)), labels, rotation=30, ha="right")
        blind = s.anytime.value[s.blind] if s.blind is not None else np.nan
        panels[0, column].axhline(float(blind), color="0.8", linewidth=1, zorder=0)
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
    results = Results.read(folder)
    scales = by_scale(results)
    return Answer(
        question="Which is the least complex controller that adapts safely: that is better than a "
        "schedule which never looks, because of what it observes, and collapses no more often?",
        learned=tuple(_learned(scale, s) for scale, s in scales.items()),
        caption="Filled: each controller observes its own run. Hollow: it gets what it chose by "
        "the signals of another run (`yoked`). What lies between is the value of its feedback. "
        "Bars are 95 % intervals: bootstrap over seeds, exact for collapse. The line is `blind`.",
        tables=tuple(_table(scale, s) for scale, s in scales.items()),
        how=f"{seeds_of(results)}, DigitsCnn with and without a hidden gain on the learning rate, "
        "under DataShift and OptimizerSensitivityShift. A rung adapts if both differences, to "
        "`blind` and to its yoked control, are above 0 by their paired 95 % intervals; it is safe "
        "if no more of its runs collapse than of `blind`.",
        commands=("atn-gym run --config ladder_digits",),
    )


@dataclass(frozen=True)
class Judged:
    """A rung against what never looks and against itself with scrambled signals."""

    rung: Rung
    over_blind: Estimate | None
    feedback: Estimate | None
    safe: bool

    @property
    def adapts(self) -> bool:
        """Whether both differences are above 0 by their intervals."""
        found = (self.over_blind, self.feedback)
        return all(each is not None and float(each.low) > 0 for each in found)


def judged(s: BlockStatistics) -> list[Judged]:
    """Every rung, judged."""
    rate = s.collapse_rate().value
    found = []
    for rung in rungs(s):
        beside_blind = s.blind is not None and rung.real != s.blind
        found.append(
            Judged(
                rung,
                difference(s, rung.real, s.blind) if beside_blind else None,
                None if rung.scrambled is None else difference(s, rung.real, rung.scrambled),
                s.blind is not None and bool(rate[rung.real] <= rate[s.blind]),
            )
        )
    return found


def _learned(scale: str, s: BlockStatistics) -> str:
    """The lowest rung that adapts safely, and what the others lack."""
    ladder = judged(s)
    looking = [each for each in ladder if each.feedback is not None]
    winners = [each.rung.label for each in looking if each.adapts and each.safe]
    useful = [e.rung.label for e in looking if e.feedback is not None and float(e.feedback.low) > 0]
    above = [e.rung.label for e in looking if e.over_blind and float(e.over_blind.low) > 0]
    below = [e.rung.label for e in looking if e.over_blind and float(e.over_blind.high) < 0]
    first = f"`{winners[0]}` is the least complex that does" if winners else "None of them does"
    return (
        f"**{scale.capitalize()}.** {first}. Feedback helps {names(useful)}, by more than chance "
        f"explains. Above `blind`: {names(above)}; below it: {names(below)}."
    )


def _table(scale: str, s: BlockStatistics) -> Table:
    rate, rows = s.collapse_rate(), []
    for each in judged(s):
        difference_cells = [
            Cell(NONE) if found is None else cell(found, ())
            for found in (each.over_blind, each.feedback)
        ]
        looks = each.feedback is not None
        rows.append(
            row(
                each.rung.label,
                cell(s.anytime, each.rung.real),
                *difference_cells,
                cell(rate, each.rung.real, 0, 100),
                ("yes" if each.adapts else "no") if looks else NONE,
                "yes" if each.safe else "no",
            )
        )
    headings = (
        "controller",
        "anytime performance",
        "less blind",
        "value of feedback",
        "collapsed (%)",
        "adapts",
        "safe",
    )
    return Table(f"The ladder, {scale}", headings, tuple(rows))
