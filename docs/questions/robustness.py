"""Robustness: whether runs recover, by kind, severity and time of the shock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from stored_results import Results

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap, exact_rate
from atn_gym.eval.metrics.formatting import count, number
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Cell, Table, row
from questions.answer import Answer, seeds_of
from questions.drawing import ONE_RUN, rank, whiskers

TITLE = "Robustness"
EARLY = 1 / 3
"""Share of the budget before which a shock whose time a run draws is early."""
_DRAWN = ("benchmark_digits", "benchmark_digits_references")
"""Configs of one folder, whose runs draw the time of the shock."""
_WITHOUT = ("Stationary", "Mixture")
"""Regimes without a shock, or without one kind of it."""
NEVER = 2.0
"""Threshold where the share never falls below one half, beyond any severity."""


@dataclass(frozen=True, eq=False)
class Shocks:
    """Whether the runs recovered from shocks of one kind at one time.

    Args:
        kind: What changed.
        time: "epoch" and when it comes; "early" or "late" if each run draws its own.
        recovered: By severity, mildest first: 1 where a run did, else 0, (controllers, seeds).
    """

    kind: str
    time: str
    recovered: dict[float, FloatArray]

    def share(self, severity: float) -> Estimate:
        """Share recovered, shape (controllers,), with its exact interval."""
        return exact_rate(self.recovered[severity][:, None, :])

    def thresholds(self) -> Estimate:
        """The severity at which the share falls below one half, shape (controllers,)."""
        severities = tuple(self.recovered)
        return bootstrap(
            np.stack(list(self.recovered.values()), axis=1),
            lambda drawn: threshold(drawn.mean(-1), severities),
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
    """All shocks of the task at its known scale, by kind and then by time."""
    block, found = results.all_envs.block, {}
    recovered, shock = np.nan_to_num(block.values("recovered")), block.values("shock_epoch")[0]
    for env in results.index.envs:
        of = env.arguments
        if env.label not in block.envs or of["task"] != "DigitsCnn" or of["regime"] in _WITHOUT:
            continue
        place, trigger = block.envs.index(env.label), of["trigger"]
        if isinstance(trigger, (list, tuple)):
            early = shock[place] < EARLY * float(of["num_epochs"])
            times = {"early": early, "late": ~early}
        else:
            times = {f"epoch {float(trigger):g}": np.ones(len(block.seeds), np.bool_)}
        for time, seeds in times.items():
            if seeds.sum() > 1:
                runs = found.setdefault((str(of["kind"]), time), {})
                runs[float(of["severity"])] = recovered[:, place][:, seeds]
    # By kind, and the earlier shock first: "early" before "late", epochs as numbers.
    order = sorted(
        found, key=lambda key: (key[0], [int(n) for n in re.findall(r"\d+", key[1])], key)
    )
    return [Shocks(*key, dict(sorted(found[key].items()))) for key in order]


def draw(folder: Path) -> Figure:
    """Share recovered early and late, a column for each kind and a row for each severity."""
    results = Results.read(folder)
    found, labels = shocks(results), results.all_envs.block.controllers
    kinds = sorted({each.kind for each in found})
    rows = max(len(each.recovered) for each in found)
    figure = Figure(figsize=(11, 2.6 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, len(kinds), squeeze=False, sharey=True)
    shown = _shown(labels)
    for line, kind in zip(panels.T, kinds, strict=True):
        times = [each for each in found if each.kind == kind]
        for axes, severity in zip(line, times[0].recovered, strict=False):
            for turn, c in enumerate(shown):
                shift = 0.11 * (turn - (len(shown) - 1) / 2)
                shares = [each.share(severity) for each in times]
                estimate = Estimate(
                    *(
                        100 * np.array([part[c] for part in parts])
                        for parts in zip(*shares, strict=True)
                    )
                )
                x = np.arange(len(times)) + shift
                whiskers(axes, x, estimate, labels[c], marker="o", linestyle="", label=labels[c])
            axes.axhline(50, color="0.8", linewidth=1, zorder=0)
            axes.set_xticks(range(len(times)), [each.time for each in times])
            axes.set_xlim(-0.5, 1.5)
            axes.set_title(f"{kind}, severity {severity:g}", fontsize="medium")
    for axes in panels[:, 0]:
        axes.set_ylabel("recovered (%)")
    for axes in panels[-1]:
        axes.set_xlabel("time of the shock")
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(shown), frameon=False)
    return figure


def _shown(labels: Sequence[str]) -> list[int]:
    """Places of the controllers that are shown, in the order of legends."""
    names_shown = (name for name in ONE_RUN if name in labels)
    return sorted((labels.index(name) for name in names_shown), key=lambda c: rank(labels[c]))


def answer(folder: Path) -> Answer:
    """What the sweep says."""
    results = Results.read(folder)
    found, severe = shocks(results), _thresholds(results)
    drawn = any(each.time == "early" for each in found)
    seeds = len(results.all_envs.block.seeds)
    more = f"early and late parted at a third of the budget, of {count(seeds, 'seed')}"
    return Answer(
        question="From which shocks do controllers recover, by kind, severity and time?",
        learned=(_learned(results),),
        caption="Share of runs whose validation accuracy comes back to within 0.02 of what it was "
        "before the shock, with exact 95 % intervals. A run that had learned nothing before the "
        "shock counts as not recovered.",
        tables=(_table(results), *severe),
        how=(
            "DigitsCnn, each regime with its default kind and severity, whose runs draw the "
            f"time; {more}. The runs of `robustness_digits` vary the severity, and give the one at "
            "which recovery falls below one half."
            if drawn
            else f"{seeds_of(results)} of DigitsCnn for each kind, severity and time."
        ),
        commands=tuple(
            f"atn-gym run --config {config} --seeds {seeds}"
            for config in (_DRAWN if drawn else ("robustness_digits",))
        ),
    )


def _table(results: Results) -> Table:
    labels, found = results.all_envs.block.controllers, shocks(results)
    columns = [(each, severity) for each in found for severity in each.recovered]
    rows = [
        row(
            labels[c],
            *(estimate_cell(each.share(severity), c, 0, 100) for each, severity in columns),
        )
        for c in _shown(labels)
    ]
    runs = [each.recovered[severity].shape[1] for each, severity in columns]
    every = len(results.all_envs.block.seeds)
    headings = (
        f"{each.kind} {severity:g}, {each.time}" + ("" if n == every else f" ({n} runs)")
        for (each, severity), n in zip(columns, runs, strict=True)
    )
    return Table("Recovered runs (%)", ("controller", *headings), tuple(rows))


def _thresholds(results: Results) -> tuple[Table, ...]:
    """The severity at which recovery falls below one half, where several were run."""
    labels = results.all_envs.block.controllers
    found = [each for each in shocks(results) if len(each.recovered) > 1]
    if not found:
        return ()
    thresholds = [each.thresholds() for each in found]
    rows = []
    for c in _shown(labels):
        cells = []
        for each in thresholds:
            value, low, high = (_severity(float(part[c])) for part in each)
            cells.append(Cell(value, "" if low == high else f"[{low}, {high}]"))
        rows.append(row(labels[c], *cells))
    headings = ("controller", *(f"{each.kind}, shock at {each.time}" for each in found))
    note = (
        "Interpolated between severities; > 1 if it never falls below. Brackets are 95 % "
        "bootstrap intervals over seeds."
    )
    return (Table("Severity at which recovery falls below one half", headings, tuple(rows), note),)


def _severity(value: float) -> str:
    return "> 1" if value > 1 else number(value, 2)


def _learned(results: Results) -> str:
    """How often runs recover by kind and time, and who does least."""
    labels, found = results.all_envs.block.controllers, shocks(results)
    shown, lines = _shown(labels), []
    for each in found:
        severity = max(each.recovered)
        share = each.share(severity).value
        least = min(shown, key=lambda c: share[c])
        rest = (
            ""
            if share[least] > 0.5
            else (f", of `{labels[least]}` only {100 * share[least]:.0f} %")
        )
        mean = 100 * float(np.mean(share[shown]))
        lines.append(f"`{each.kind}` of severity {severity:g}, {each.time}: {mean:.0f} %{rest}.")
    return "Runs that recover, mean over the controllers shown. " + " ".join(lines)
