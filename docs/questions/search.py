"""How offline search fails: the winner's curse, the cliff, and what hindsight would have chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap, exact_rate
from atn_gym.eval.metrics.formatting import NONE, seed_count
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Cell, Table, row
from questions.answer import Answer, said
from questions.drawing import rank, whiskers

TITLE = "How offline search fails"
FILE = "searches.json"
GAINS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, eq=False)
class Searches:
    """The searches of one method.

    Args:
        method: Its name.
        records: One a seed.
    """

    method: str
    records: list[dict[str, Any]]

    def values(self, name: str) -> FloatArray:
        """A number of each search, (seeds,)."""
        return np.array([record[name] for record in self.records], dtype=np.float64)

    def mean(self, name: str, less: str | None = None) -> Estimate:
        """Mean of a number, perhaps less another, with its interval."""
        values = self.values(name) - (0 if less is None else self.values(less))
        return bootstrap(values[None], mean, np.random.default_rng(0))

    def broken(self) -> Estimate:
        """Share of runs that break down by each gain, shape (gains,)."""
        cliffs = np.array([np.inf if r["cliff"] is None else r["cliff"] for r in self.records])
        return exact_rate((cliffs[None] <= np.array(GAINS)[:, None]).astype(float)[:, None, :])


def read(folder: Path) -> list[Searches]:
    """The searches of every method; "fixed" has only how far its cliff is."""
    records = json.loads((folder / FILE).read_text(encoding="utf-8"))
    methods = sorted({record["method"] for record in records}, key=rank)
    return [Searches(m, [r for r in records if r["method"] == m]) for m in methods]


def _searching(found: list[Searches]) -> list[Searches]:
    return [each for each in found if each.method != "fixed"]


def draw(folder: Path) -> Figure:
    """Three panels: winner's curse, cliff, regret."""
    found = read(folder)
    figure = Figure(figsize=(11, 4), layout="constrained")
    curse, cliff, regret = figure.subplots(1, 3)
    searching = _searching(found)
    for x, each in enumerate(searching):
        for name, shift, style in (("selected", -0.12, {}), ("held_out", 0.12, {"mfc": "white"})):
            whiskers(curse, x + shift, each.mean(name), each.method, marker="o", **style)
        whiskers(regret, x, each.mean("hindsight", "shifted"), each.method, marker="o")
    for axes in (curse, regret):
        axes.set_xticks(
            range(len(searching)), [e.method for e in searching], rotation=20, ha="right"
        )
        axes.set_xlim(-0.5, len(searching) - 0.5)
    for turn, each in enumerate(found):
        x = np.array(GAINS) + 0.02 * (turn - (len(found) - 1) / 2)
        broken = Estimate(*(100 * part for part in each.broken()))
        whiskers(cliff, x, broken, each.method, marker="o", markersize=4, label=each.method)
    handles = [
        curse.plot([], [], "o", color="0.3", label="at selection")[0],
        curse.plot([], [], "o", color="0.3", mfc="white", label="held out")[0],
    ]
    curse.legend(handles=handles, frameon=False)
    curse.set_ylabel("score of the chosen values")
    curse.set_title("winner's curse")
    cliff.set_xticks(GAINS)
    cliff.set_xlabel("learning rate raised by (decades)")
    cliff.set_ylabel("runs that break down (%)")
    cliff.set_title("distance to the cliff")
    legend = cliff.get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=4, frameon=False)
    regret.axhline(0, color="0.8", linewidth=1, zorder=0)
    regret.set_ylabel("regret (anytime performance)")
    regret.set_title("regret to hindsight under DataShift")
    return figure


def answer(folder: Path) -> Answer:
    """What the searches say."""
    found = read(folder)
    searching = _searching(found)
    seeds = len(searching[0].records)
    return Answer(
        question="How does a search before the run fail?",
        learned=(_learned(searching), _cliff(found)),
        caption="Left: the score by which the best trial was chosen, and the same score of a "
        "fresh run with the same values. Middle: share of fresh runs that break down as the "
        "learning rate is raised; `fixed` has the initial values of the task. Right: anytime "
        "performance under a shift of the one of its five best trials that turns out to be best, "
        "less that of the one that was chosen. Bars are 95 % intervals: bootstrap over searches, "
        "exact for shares.",
        tables=(_table(searching),),
        how=f"{seed_count(seeds)}, each with a search of its own. Trials train on "
        "DigitsCnn-Stationary; what they find is used on DigitsCnn-DataShift. The score at "
        "selection is that of the method: anytime performance of a whole run "
        "(`offline_bayesian`), the mean score of the first tenth (`early_bayesian`), the score at "
        "a third of the budget (`successive_halving`). A run breaks down if it collapses or has "
        "a divergence event.",
        commands=(
            f"python benchmarks/offline_search.py --seeds {seeds} --methods "
            f"{' '.join(each.method for each in searching)} --out results/offline_search",
        ),
    )


def _learned(searching: list[Searches]) -> str:
    lines = ["**What is lost.**"]
    for each in searching:
        curse, regret = each.mean("selected", "held_out"), each.mean("hindsight", "shifted")
        verdict = "promises" if float(curse.low) > 0 else "promises, within chance,"
        lines.append(
            f"`{each.method}` {verdict} {said(curse, ())} more than a fresh run gives; of its "
            f"five best trials one would have won {said(regret, ())} more under the shift."
        )
    return " ".join(lines)


def _cliff(found: list[Searches]) -> str:
    at = GAINS.index(0.5)
    shares = [f"{100 * each.broken().value[at]:.0f} % of `{each.method}`" for each in found]
    return (
        f"**How near the cliff is.** A learning rate {10 ** GAINS[at]:.1f} times as high breaks "
        f"{', '.join(shares)}. Trials say who was fast, not who had room."
    )


def _table(searching: list[Searches]) -> Table:
    rows = [
        row(
            each.method,
            estimate_cell(each.mean("selected"), ()),
            estimate_cell(each.mean("held_out"), ()),
            estimate_cell(each.mean("selected", "held_out"), ()),
            estimate_cell(each.mean("stationary"), ()),
            estimate_cell(each.mean("shifted"), ()),
            estimate_cell(each.mean("hindsight", "shifted"), ()),
            Cell(f"{np.nanmedian(each.values('learning_rate')):.2g}" if each.records else NONE),
        )
        for each in searching
    ]
    headings = (
        "search",
        "score at selection",
        "held out",
        "winner's curse",
        "anytime performance, Stationary",
        "DataShift",
        "regret to hindsight",
        "median learning rate",
    )
    return Table("What searches find, and what it is worth", headings, tuple(rows))
