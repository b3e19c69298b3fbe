"""Control against the optimizer: the same kinds of control of SGD and of AdamW."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from results_texts import PAGES
from stored_results import Results

from atn_gym.eval.metrics.bootstrap import Estimate, paired_difference
from atn_gym.eval.metrics.formatting import count
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.columns import estimate_cell
from atn_gym.eval.report.document import Table, row
from questions.answer import Answer, by_scale, said, seeds_of
from questions.drawing import whiskers

TITLE = "Control against the optimizer"
CONTROL = {
    "one rate": ("fixed", "adamw"),
    "a schedule": ("blind", "blind_adamw"),
    "a rule": ("hypergradient", "hypergradient_adamw"),
    "an agent": ("ppo_gradient", "ppo_gradient_adamw"),
}
"""Kinds of control, and their labels with SGD and with AdamW."""
_SCHEDULE, _AGENT = CONTROL["a schedule"], CONTROL["an agent"]
_OPTIMIZERS = ("SGD", "AdamW")


def read(folder: Path) -> Results:
    """The sweep, with the methods in question only and the seeds that all of them have."""
    results = Results.read(folder)
    labels = [label for pair in CONTROL.values() for label in pair]
    block = results.index.block(labels)
    return replace(results, all_envs=BlockStatistics(results.index, block))


def draw(folder: Path) -> Figure:
    """Anytime performance by kind of control, a panel for each scale."""
    scales = by_scale(read(folder))
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(scales), sharey=True))
    for axes, (scale, s) in zip(panels, scales.items(), strict=True):
        for x, (one, two) in enumerate(CONTROL.values()):
            for label, shift, face in ((one, -0.1, "white"), (two, 0.1, None)):
                style = {"marker": "o", "linestyle": "", "mfc": face}
                whiskers(axes, x + shift, _performance(s, label), one, **style)
        axes.set_xticks(range(len(CONTROL)), CONTROL)
        axes.set_title(scale)
    panels[0].set_ylabel("anytime performance")
    handles = [
        panels[0].plot([], [], "o", color="0.3", mfc=face, label=optimizer)[0]
        for optimizer, face in zip(_OPTIMIZERS, ("white", None), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure


def answer(folder: Path) -> Answer:
    """What the sweep says."""
    results = read(folder)
    scales = by_scale(results)
    seeds = len(results.all_envs.block.seeds)
    return Answer(
        question="Does control still pay where the optimizer adapts each weight by itself?",
        learned=tuple(_learned(scale, s) for scale, s in scales.items()),
        caption="The same kinds of control, of SGD (hollow) and of AdamW (filled). One rate: "
        "`fixed`, at the rate of the task, and `adamw`, at a calibrated one. A schedule: tuned "
        "for the optimizer by whole runs, and never looks. A rule: `hypergradient`, which "
        "observes one number of the gradients. An agent: `ppo_gradient`; one run in sixteen of "
        "its training had AdamW. Bars are 95 % bootstrap intervals over seeds.",
        tables=tuple(_table(scale, s) for scale, s in scales.items()),
        how=f"{seeds_of(results)} of {count(len(results.all_envs.block.envs), 'Digits env')}. "
        "Differences are paired by seed. Rate and schedule for AdamW were tuned on seeds from "
        "10000 on. That AdamW was tried follows from results of `nadamw` on seeds of this table. "
        "From a poor beginning the rate, the rule and the agent start at the poor rate with SGD, "
        "at the calibrated one with AdamW: there, only schedules show what the optimizer does. "
        "What AdamW gains does not carry over to MNIST, where the rate that was calibrated on "
        "Digits is too high for it: see [results on MNIST](results_mnist.md#what-was-learned).",
        commands=(f"atn-gym run --config {PAGES['digits'].configs[0]} --seeds {seeds}",),
    )


def _place(s: BlockStatistics, label: str) -> int:
    return s.block.controllers.index(label)


def _performance(s: BlockStatistics, label: str) -> Estimate:
    return Estimate(*(part[_place(s, label)] for part in s.anytime))


def _difference(s: BlockStatistics, label: str, other: str) -> Estimate:
    one, two = (s.anytime_scores[_place(s, name)] for name in (label, other))
    return paired_difference(one, two, np.random.default_rng(0))


def _learned(scale: str, s: BlockStatistics) -> str:
    """Who is best, and what control and the optimizer add to each other."""
    best = max(s.block.controllers, key=lambda label: float(_performance(s, label).value))
    control = [
        f"{said(_difference(s, agent, schedule), (), 3)} with {optimizer}"
        for agent, schedule, optimizer in zip(_AGENT, _SCHEDULE, _OPTIMIZERS, strict=True)
    ]
    optimizer = [
        f"{said(_difference(s, adamw, sgd), (), 3)} with the {kind}"
        for kind, (sgd, adamw) in (("schedule", _SCHEDULE), ("agent", _AGENT))
    ]
    return (
        f"**{scale.capitalize()}.** `{best}` is best, with "
        f"{said(_performance(s, best), (), 3)}. The agent less the schedule is "
        f"{' and '.join(control)}. AdamW less SGD is {' and '.join(optimizer)}."
    )


def _table(scale: str, s: BlockStatistics) -> Table:
    rates = s.collapse_rate()
    rows = [
        row(
            control,
            *(estimate_cell(_performance(s, label), ()) for label in pair),
            estimate_cell(_difference(s, *pair[::-1]), ()),
            *(
                estimate_cell(_difference(s, label, schedule), ())
                for label, schedule in zip(pair, _SCHEDULE, strict=True)
            ),
            *(estimate_cell(rates, _place(s, label), 1, 100) for label in pair),
        )
        for control, pair in CONTROL.items()
    ]
    headings = (
        "control",
        *_OPTIMIZERS,
        "AdamW less SGD",
        *(f"{optimizer}: less a schedule" for optimizer in _OPTIMIZERS),
        *(f"{optimizer}: collapsed (%)" for optimizer in _OPTIMIZERS),
    )
    return Table(f"Control of two optimizers, {scale}", headings, tuple(rows))
