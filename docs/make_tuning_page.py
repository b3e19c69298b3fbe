"""Writes the page on how the defaults were chosen, and its figure, from the trials of the tuner.

python docs/make_tuning_page.py
python docs/make_tuning_page.py --check
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import pandas as pd
from matplotlib.figure import Figure
from page_files import write_or_check

from atn_gym.eval.report.document import Table, row
from atn_gym.eval.report.markdown import write_part

DOCS = Path(__file__).parent
TRIALS = DOCS.parent / "benchmarks" / "tuning_trials.csv"
FIGURE = "tuning.png"
EPOCHS = {"screening": 18 * 2 * 30, "final": 18 * 4 * 30}
"""Training epochs of a trial: 18 envs of 30 epochs, with two seeds and with four."""

_PAGE = """# How the defaults were chosen

One tuner chose the defaults of {count} methods, with one budget and on training seeds only. It
tries eight points for each argument of a method, from a scrambled Sobol sequence over stated
ranges, next to the arguments that the method had before: those of its paper or library, or a
first guess. A trial is the mean anytime performance over the 18 Digits envs with seeds 10000 and
10001. The three best and the arguments of before are made again with seeds 10002 to 10005, and
the best of these four is the default. So a default stays where nothing better was found. The
intervals of `step` and `warm_restarts` stand in the code as shares of the budget of 30 epochs: a
sixth and a half.

Absolute learning rates are not tuned, since a default has to serve on other tasks too; `one_cycle`
and the methods with an optimizer of their own have no other kind. Not tuned are `random_online`,
which is a control, `autotunenet_original`, whose arguments are those of its publication, the
searches, whose budget is what they are about, and `linear_decay` and `hypergradient_sgd`, which
have nothing but an initial rate. `blind` and the agents state their own, larger cost.

## The defaults

{table}

Both columns of performance are of the final, on the same seeds. In all, {epochs} training epochs
were spent. This page is written by the last of these commands; `benchmarks/tuning_trials.csv` holds
every trial, and the first command makes those that are absent:

```console
python benchmarks/tune_defaults.py --trials benchmarks/tuning_trials.csv
python docs/make_tuning_page.py
```

## How much the arguments matter

![Anytime performance of every trial, by method]({figure})

Each dot is a trial of the screening. The wider a row, the more its method depends on its own
arguments, and the more a user who takes other defaults has to expect.

{spread}
"""


def trials() -> pd.DataFrame:
    """Every trial, with the arguments as a mapping."""
    found = pd.read_csv(TRIALS)
    found["arguments"] = found["arguments"].map(json.loads)
    return found


def chosen(of_method: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The trials of the final that were before and best."""
    final = of_method[of_method.stage == "final"]
    return final.iloc[0], final.loc[final.anytime_performance.idxmax()]


def shown(arguments: dict[str, Any]) -> str:
    """Arguments as they are written in Python."""
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def table(found: pd.DataFrame) -> Table:
    """What was chosen for each method."""
    rows = []
    for name, of_method in found.groupby("method", sort=False):
        before, best = chosen(of_method)
        epochs = of_method.stage.map(EPOCHS).sum()
        numbers = (before.anytime_performance, best.anytime_performance)
        rows.append(row(name, *(f"{n:.3f}" for n in numbers), f"{epochs:,}", shown(best.arguments)))
    headings = ("method", "before", "default", "epochs spent", "arguments of the default")
    return Table("What was chosen", headings, tuple(rows))


def spread(found: pd.DataFrame) -> str:
    """One sentence on the methods that depend most and least on their arguments."""
    screening = found[found.stage == "screening"].groupby("method").anytime_performance
    width = (screening.quantile(0.9) - screening.quantile(0.1)).sort_values()
    most, least = width.index[-3:][::-1], width.index[:3]

    def named(names) -> str:
        return ", ".join(f"`{name}` ({width[name]:.3f})" for name in names)

    return (
        "The distance between the first and the last decile of the trials is largest for "
        f"{named(most)}, and smallest for {named(least)}."
    )


def draw(found: pd.DataFrame, path: Path) -> None:
    """One row of dots for each method."""
    screening = found[found.stage == "screening"]
    by_best = screening.groupby("method").anytime_performance.max().sort_values()
    figure = Figure(figsize=(8, 0.32 * len(by_best) + 1.2), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(by_best.index):
        of_method = found[found.method == name]
        _, best = chosen(of_method)
        points = screening[screening.method == name]
        axes.plot(points.anytime_performance, [place] * len(points), ".", color="0.6", zorder=1)
        default = points[points.arguments == best.arguments].anytime_performance
        for values, style in ((points.iloc[:1].anytime_performance, "kx"), (default, "C0o")):
            axes.plot(values, [place] * len(values), style)
    handles = [
        axes.plot([], [], style, color=color, label=label)[0]
        for style, color, label in (
            (".", "0.6", "a trial"),
            ("x", "k", "before"),
            ("o", "C0", "default"),
        )
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    axes.set_yticks(range(len(by_best)), by_best.index)
    axes.set_xlabel("anytime performance, mean of 18 envs with two seeds each")
    axes.grid(axis="x", color="0.92")
    figure.savefig(path, dpi=130)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page and its figure, or checks the page.

    Args:
        argv: Command line; that of the process if None.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    check = parser.parse_args(argv).check
    found = trials()
    page = _PAGE.format(
        count=found.method.nunique(),
        table=write_part(table(found)),
        epochs=f"{found.stage.map(EPOCHS).sum():,}",
        figure=FIGURE,
        spread=spread(found),
    )
    if not check:
        draw(found, DOCS / FIGURE)
    return write_or_check(DOCS / "tuning.md", page, TRIALS, check)


if __name__ == "__main__":
    sys.exit(main())
