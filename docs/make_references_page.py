"""Writes the page on the references and its figure, from a stored sweep.

python docs/make_references_page.py results/gain_digits
python docs/make_references_page.py results/gain_digits --check
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure
from page_files import write_or_check
from stored_results import Results

from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.formatting import number, seed_count
from atn_gym.eval.report.document import Cell, Table, row
from atn_gym.eval.report.markdown import write_part

DOCS = Path(__file__).parent
FIGURE = "references.png"

_PAGE = """# References: what a score means

A score says little until you know what doing nothing gets, what a good guess gets, and what looking
can win. Each reference answers one of these questions. All of them are controllers by name, and run
in any experiment.

- **`fixed`** changes nothing. A method below it does harm: it should have kept still.
- **`blind`** knows the data set but never observes its run. It is one absolute schedule, tuned on
  seeds of its own, and shows what can be had without looking: 0 of the adaptation score.
- **`yoked`** plays what a method did in *another* run of the same env. What the method has above it
  is the value of feedback, which is 0 for any schedule.
- **`reactive_oracle`** tries actions on snapshots of its run, but cannot foresee the shock. It
  shows what looking can win: 1 of the adaptation score.
- **`lookahead_oracle`** foresees the shock as well. Figures show it as an upper reference.

The adaptation score of a method is Σ (J - J_blind) / Σ (J_reactive - J_blind), with J its anytime
performance and sums over strata of envs. It is negative for a method that loses to `blind`, and
undefined where looking wins nothing. Both references control the optimizer of the task, so that a
method which brings another one can be above 1. [Metrics](metrics.md) has the details.

## Why a schedule is not enough

A schedule is tuned for one learning rate. In the UnknownScale tasks the rate takes effect
multiplied by a hidden gain, as in real work, where nobody tells you the right learning rate of a
new network. The figure fixes that gain at one value after the other. Where the gain is what the
schedule was tuned for, looking wins little. Away from it the schedule falls, and a method that
looks need not. A schedule for AdamW (`blind_adamw`) is higher up to gain 0, and falls all the same.

![Anytime performance over the hidden gain]({figure})

{table}

Mean and 95 % bootstrap interval over {seeds} of DigitsCnn-Stationary. This page is written by the
last of these commands:

```console
atn-gym run --config gain_digits
python docs/make_references_page.py {folder}
```
"""


_COLORS = {
    "fixed": "0.55",
    "blind": "tab:orange",
    "range_test": "tab:blue",
    "ppo_digits": "tab:purple",
    "ppo_adaptive": "tab:green",
    "ppo_gradient": "tab:red",
    "blind_adamw": "goldenrod",
    "hypergradient_adamw": "tab:cyan",
    "reactive_oracle": "black",
}
"""Colours of the lines, in the order of the legend."""
_ORDER = list(_COLORS)


class Sweep:
    """Anytime performance of every controller at every gain.

    Args:
        folder: Results of `gain_digits`.
    """

    def __init__(self, folder: Path) -> None:
        results = Results.read(folder)
        block = results.all_envs.block
        gains = {env.label: float(env.arguments["gain"]) for env in results.index.envs}
        envs = sorted(block.envs, key=gains.__getitem__)
        self.gains = [gains[env] for env in envs]
        self.seeds = seed_count(len(block.seeds))
        self.controllers = sorted(block.controllers, key=_place)
        of_envs = [results.of_envs([env]) for env in envs]
        self.performance = {
            controller: [
                Estimate(*(part[block.controllers.index(controller)] for part in s.anytime))
                for s in of_envs
            ]
            for controller in self.controllers
        }


def _place(controller: str) -> int:
    return _ORDER.index(controller) if controller in _ORDER else len(_ORDER)


def make_page(folder: Path) -> str:
    """The text of the page."""
    sweep = Sweep(folder)
    rows = []
    for i, gain in enumerate(sweep.gains):
        cells = []
        for controller in sweep.controllers:
            value, low, high = (float(v) for v in sweep.performance[controller][i])
            cells.append(Cell(number(value), f"[{number(low)}, {number(high)}]"))
        rows.append(row(number(gain, 1), *cells))
    table = Table(
        "Anytime performance by gain (decades)", ("gain", *sweep.controllers), tuple(rows), ""
    )
    return _PAGE.format(
        figure=FIGURE,
        table=write_part(table).strip(),
        seeds=sweep.seeds,
        folder=folder.as_posix(),
    )


def draw(folder: Path, out: Path) -> None:
    """Draws anytime performance over the gain."""
    sweep = Sweep(folder)
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for controller in sweep.controllers:
        color = _COLORS.get(controller, "tab:brown")
        value, low, high = zip(*sweep.performance[controller], strict=True)
        axes.plot(sweep.gains, value, color=color, marker="o", markersize=4, label=controller)
        axes.fill_between(sweep.gains, low, high, color=color, alpha=0.15, linewidth=0)
    axes.axhline(0, color="0.8", linewidth=1, zorder=0)
    axes.set_xlabel("hidden gain on the learning rate (decades)")
    axes.set_ylabel("anytime performance")
    figure.legend(
        *axes.get_legend_handles_labels(), frameon=False, ncols=3, loc="outside upper center"
    )
    figure.savefig(out, dpi=110, metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page and its figure, or checks the page that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results folder of gain_digits")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder to write to")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        draw(chosen.results, chosen.out / FIGURE)
    text = make_page(chosen.results)
    return write_or_check(chosen.out / "references.md", text, chosen.results, chosen.check)


if __name__ == "__main__":
    sys.exit(main())
