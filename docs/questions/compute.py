"""Compute efficiency: performance against total cost, by the number of runs that share it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from results_texts import PAGES
from stored_results import Results

from atn_gym.eval.metrics.formatting import NONE, number
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Cell, Table, row
from atn_gym.eval.report.making import (
    DEPLOYMENTS,
    break_even,
    cost_of_a_run,
    own_and_shared_cost,
)
from questions.answer import Answer, by_scale, names, seeds_of
from questions.drawing import ONE_RUN, color, rank

TITLE = "Compute efficiency"
METHODS = (
    *ONE_RUN,
    "nadamw",
    "blind_adamw",
    "hypergradient_adamw",
    "ppo_gradient_adamw",
    "early_bayesian",
    "successive_halving",
    "offline_bayesian",
)
"""What is shown, beside the best controller that nothing was spent on."""
_COUNTS = (1.0, 100.0, 10_000.0, 1_000_000.0)


def draw(folder: Path) -> Figure:
    """Compute-adjusted performance over the number of deployments, a panel for each scale."""
    scales = by_scale(Results.read(folder))
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(scales), sharey=True))
    for axes, (scale, s) in zip(panels, scales.items(), strict=True):
        costs = np.array([cost_of_a_run(s, n, keep_found=True) for n in DEPLOYMENTS])
        for c in _order(s):
            value, low, high = ((part[c] + 1) / 2 / costs[:, c] for part in s.anytime)
            name = s.block.controllers[c]
            other = name not in METHODS
            axes.plot(
                DEPLOYMENTS,
                value,
                color=color(name),
                linestyle=":" if other else "-",
                label="best at no cost before" if other else name,
            )
            axes.fill_between(DEPLOYMENTS, low, high, color=color(name), alpha=0.1, linewidth=0)
        axes.set_xscale("log")
        axes.set_title(scale)
        axes.set_xlabel("runs that the method is made for")
    panels[0].set_ylabel("compute-adjusted performance")
    named = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named, loc="outside lower center", ncols=5, frameon=False)
    return figure


def answer(folder: Path) -> Answer:
    """What the sweep says."""
    results = Results.read(folder)
    scales = by_scale(results)
    return Answer(
        question="What does performance cost, and for how many runs does it pay to search, to "
        "tune or to train before?",
        learned=tuple(_learned(scale, s) for scale, s in scales.items()),
        caption="Compute-adjusted performance (J + 1) / 2 / (c + M / N) of a method that is made "
        "for N runs: J is anytime performance, c what each run costs and M what was spent "
        "before, both in whole runs. Bands are 95 % bootstrap intervals of J over seeds. What a "
        "search finds is kept for all N runs here, so that M is the cost of the search. "
        "Dotted: the best controller that nothing was spent on, where it is none of the others.",
        tables=tuple(_table(scale, s) for scale, s in scales.items()),
        how=f"{seeds_of(results)} of the Digits envs, six regimes for each panel. The break-even "
        "is the least N from which a method is as good as the best one that nothing was spent on, "
        f"of {len(results.all_envs.block.controllers)} controllers.",
        commands=tuple(
            f"atn-gym run --config {config} --seeds {len(results.all_envs.block.seeds)}"
            for config in PAGES["digits"].configs
        ),
    )


def _order(s: BlockStatistics) -> list[int]:
    """Places of what is shown, in the order of legends."""
    labels = s.block.controllers
    shown = {labels.index(name) for name in METHODS if name in labels} | {_best_free(s)}
    return sorted(shown, key=lambda c: rank(labels[c]))


def _best_free(s: BlockStatistics) -> int:
    """Place of the best contender that nothing was spent on."""
    _, made = own_and_shared_cost(s, keep_found=True)
    return int(np.argmax(np.where(~s.is_reference & (made == 0), s.anytime.value, -np.inf)))


def _learned(scale: str, s: BlockStatistics) -> str:
    """Who is best for one run and for many, and what pays at all."""
    labels = s.block.controllers
    _, made = own_and_shared_cost(s, keep_found=True)
    worth = np.where(s.is_reference, -np.inf, (s.anytime.value + 1) / 2)
    at_once, in_time = (
        labels[int(np.argmax(worth / cost_of_a_run(s, n, keep_found=True)))]
        for n in (DEPLOYMENTS[0], DEPLOYMENTS[-1])
    )
    pays = dict(zip(labels, break_even(s, keep_found=True).tolist(), strict=True))
    paying = sorted((n, label) for label, n in pays.items() if np.isfinite(n))
    never = sorted(label for label, n in pays.items() if np.isinf(n))
    spent = [label for label, m in zip(labels, made, strict=True) if m > 0]
    lines = [
        f"**{scale.capitalize()}.** For a single run `{at_once}` is best, for a million "
        f"`{in_time}`."
    ]
    if spent:
        found = [f"`{label}` from {number(n, 0)} runs on" for n, label in paying]
        lines.append(f"Of what was spent on before, {'; '.join(found) or 'nothing'} pays.")
    if never:
        lines.append(f"Never: {names(never)}.")
    return " ".join(lines)


def _table(scale: str, s: BlockStatistics) -> Table:
    own, made = own_and_shared_cost(s, keep_found=True)
    pays = break_even(s, keep_found=True)
    rows = []
    for c in _order(s):
        worth = [(part + 1) / 2 for part in s.anytime]
        adjusted = [
            estimate_cell([part / cost_of_a_run(s, n, keep_found=True) for part in worth], c)
            for n in _COUNTS
        ]
        even = "never" if np.isinf(pays[c]) else number(float(pays[c]), 0)
        rows.append(
            row(
                s.block.controllers[c],
                estimate_cell(s.anytime, c),
                number(float(own[c]), 1),
                number(float(made[c]), 1),
                *adjusted,
                Cell(even if even else NONE),
            )
        )
    headings = (
        "controller",
        "anytime performance",
        "a run costs",
        "spent before",
        *(f"N = {number(n, 0)}" for n in _COUNTS),
        "break-even N",
    )
    return Table(f"By the number N of runs, {scale}", headings, tuple(rows))
