"""How the page of an agent is written, with its figures, from stored sweeps and its training."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from page_files import write_or_check
from results_texts import PAGES
from stored_results import Results

from atn_gym.agents import pretrained
from atn_gym.eval.metrics.bootstrap import paired_difference
from atn_gym.eval.metrics.formatting import number, printable, seed_count
from atn_gym.eval.report.block_statistics import BlockStatistics
from atn_gym.eval.report.columns import Column, controller_table, estimate_cell, estimate_column
from atn_gym.eval.report.document import Cell, Table, row
from atn_gym.eval.report.markdown import write_part
from atn_gym.eval.report.tables import headline_columns
from atn_gym.eval.storage.runs import trace_matrices
from atn_gym.training.log import LOG, STEPS, read_log

DOCS = Path(__file__).parent / "agents"
_DRAWN = {"blind": "tab:orange", "range_test": "tab:blue"}
_AROUND = range(-6, 11)
"""Epochs drawn before and after the shock."""

SWEEPS = {
    "unknown": PAGES["unknown_scale"].configs,
    "digits": PAGES["digits"].configs,
    "safety": ("agent_safety_digits",),
    "mnist": PAGES["mnist"].configs,
    "mlp": ("agent_mlp",),
}
"""Configs that the page draws on, by what the page calls them; the first names their folder."""


def worth_table(results: Results, of: str) -> Table:
    """The agent on each env beside blind, the best other contender and the oracle."""
    s = results.all_envs
    agent = s.block.controllers.index(of)
    assert s.blind is not None
    assert s.oracle is not None
    others = [c for c in _others(s, of) if c != s.blind]
    rows = []
    groups = [*([env] for env in s.block.envs), list(s.block.envs)]
    for envs in groups:
        of_envs = results.of_envs(envs)
        anytime = of_envs.anytime
        best = max(others, key=lambda c: float(anytime.value[c]))
        name = s.block.controllers[best]
        best_cell = estimate_cell(anytime, best)
        rows.append(
            row(
                envs[0] if len(envs) == 1 else f"all {len(envs)}",
                estimate_cell(anytime, agent),
                estimate_cell(anytime, s.blind),
                Cell(f"{name} {best_cell.text}", best_cell.detail),
                estimate_cell(anytime, s.oracle),
                estimate_cell(of_envs.adaptation_score(), agent, 2),
                estimate_cell(of_envs.value_of_feedback(), agent),
            )
        )
    headings = (
        "env",
        of,
        "blind",
        "best other contender",
        "reactive oracle",
        "adaptation score",
        "value of feedback",
    )
    return Table(
        f"{len(s.block.envs)} envs, {seed_count(len(s.block.seeds))}", headings, tuple(rows), ""
    )


def _others(s: BlockStatistics, of: str) -> list[int]:
    """Contenders other than the agent, be it with the optimizer of the env or with another."""
    labels = s.block.controllers
    return [c for c in s.order if not s.is_reference[c] and not labels[c].startswith(of)]


def harm_table(results: Results, of: str) -> Table:
    """Difference to fixed on each env, and collapsed runs."""
    s = results.all_envs
    agent = s.block.controllers.index(of)
    rows = []
    for env in s.block.envs:
        of_env = results.of_envs([env])
        collapsed = of_env.block.values("collapsed")[agent]
        rows.append(
            row(
                env,
                estimate_cell(of_env.anytime, agent),
                estimate_cell(of_env.against_baseline(), agent),
                f"{int(collapsed.sum())} of {collapsed.size}",
            )
        )
    title = f"Against fixed, {seed_count(len(s.block.seeds))}"
    return Table(title, ("env", of, "less fixed", "collapsed"), tuple(rows), "")


def headline(results: Results) -> Table:
    """All controllers of a sweep."""
    s = results.all_envs
    columns: list[Column] = headline_columns(s)
    if s.baseline is not None:
        columns.append(estimate_column("less fixed", s.against_baseline()))
    title = f"{len(s.block.envs)} envs, {seed_count(len(s.block.seeds))}"
    return controller_table(title, s, columns)


def verdict_sentence(results: Results, of: str) -> str:
    """The agent against the best other contender over all envs of a sweep, paired by seed."""
    s: BlockStatistics = results.all_envs
    agent = s.block.controllers.index(of)
    best = max(_others(s, of), key=lambda c: float(s.anytime.value[c]))
    scores = s.anytime_scores
    found = paired_difference(scores[agent], scores[best], np.random.default_rng(0))
    score = estimate_cell(s.adaptation_score(), agent, 2)
    rate = s.collapse_rate()
    side, sign = ("above", 1) if found.value > 0 else ("below", -1)
    low, high = sorted((sign * float(found.low), sign * float(found.high)))
    return (
        f"Its adaptation score is **{score.text} {score.detail}**. It is {side} the best other "
        f"contender, `{s.block.controllers[best]}`, by {number(sign * float(found.value))} "
        f"[{number(low)}, {number(high)}], paired by seed. It ends at "
        f"chance in {100 * float(rate.value[agent]):.1f} % of its runs, "
        f"`{s.block.controllers[best]}` in {100 * float(rate.value[best]):.1f} %."
    )


def draw_training(folder: Path, out: Path) -> None:
    """Draws anytime performance on validation seeds against epochs trained on."""
    rows = read_log(folder / LOG)
    suffix = "/anytime_performance"
    keys = sorted({key for row in rows for key in row if key.endswith(suffix)})
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    for key in keys:
        found = [(row[STEPS] / 1000, row[key]) for row in rows if key in row]
        label = (
            key.removeprefix("eval/")
            .removesuffix(suffix)
            .partition(",initial")[0]
            .replace("-v0", "")
        )
        axes.plot(*np.array(found).T, marker="o", markersize=3, label=label)
    axes.set_xlabel("thousand epochs of all networks")
    axes.set_ylabel("anytime performance")
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    figure.savefig(out, dpi=110, metadata={"Software": None})


def draw_shock(results: Results, of: str, out: Path) -> None:
    """Draws the median loss and learning rate around the shock, aligned to it."""
    envs = [
        env
        for env in results.all_envs.block.envs
        if env.endswith(("DataShift", "CurriculumShift", "OptimizerSensitivityShift"))
    ]
    figure = Figure(figsize=(3.6 * len(envs), 5.2), layout="constrained")
    grid = figure.subplots(2, len(envs), sharex=True, sharey="row", squeeze=False)
    index = results.index
    for column, env in enumerate(envs):
        for name, color in {**_DRAWN, of: "tab:green"}.items():
            runs = index.of_pair(name, env)
            budget = max(run.num_epochs for run in runs)
            values = trace_matrices(runs, ["val_loss", "learning_rate"], budget)
            shocks = np.array([int(run.metric("shock_epoch")) for run in runs])
            where = shocks[:, None] + np.array(_AROUND)
            inside = (where >= 0) & (where < budget)
            rows = np.arange(len(runs))[:, None]
            for axes, quantity in zip(grid[:, column], values, strict=True):
                lines = values[quantity][rows, where.clip(0, budget - 1)]
                aligned = np.where(inside, lines, np.nan)
                low, median, high = np.nanquantile(aligned, [0.25, 0.5, 0.75], axis=0)
                axes.plot(_AROUND, median, color=color, label=name)
                axes.fill_between(_AROUND, low, high, color=color, alpha=0.12, linewidth=0)
        for axes in grid[:, column]:
            axes.axvline(0, color="0.4", linestyle=":", linewidth=1)
            axes.set_yscale("log")
            axes.grid(alpha=0.3)
        grid[0, column].set_title(env.removeprefix("DigitsCnnUnknownScale-"), fontsize=10)
        grid[1, column].set_xlabel("epochs since the shock")
    grid[0, 0].set_ylabel("validation loss (nats)")
    grid[1, 0].set_ylabel("learning rate, as set")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), ncols=3, loc="outside upper center")
    figure.savefig(out, dpi=100, metadata={"Software": None})


MNIST = (
    "Larger images, a larger network, 843 gradient steps an epoch in place of 17, and 20 "
    "epochs in place of 30:"
)
"""What introduces the results on MNIST, which no agent has seen."""


@dataclass(frozen=True)
class AgentPage:
    """The page of an agent that comes with the package.

    Args:
        agent: Its name.
        text: The page, with fields for what is measured.
        elsewhere: What introduces the results on what it has never seen, by sweep.
    """

    agent: str
    text: str
    elsewhere: Mapping[str, str]

    @property
    def training_figure(self) -> str:
        """File of the figure of its training."""
        return f"{self.agent}_training.png"

    @property
    def shock_figure(self) -> str:
        """File of the figure of what it does at a shock."""
        return f"{self.agent}_shock.png"


def make_page(page: AgentPage, sweeps: dict[str, Results]) -> str:
    """The text of a page."""
    card = pretrained(page.agent).read().card
    commands = [f"atn-gym train --config train_{page.agent}"]
    for name, found in sweeps.items():
        seeds = len(found.all_envs.block.seeds)
        commands += [f"atn-gym run --config {config} --seeds {seeds}" for config in SWEEPS[name]]
    elsewhere = [
        f"{said}\n\n{write_part(headline(sweeps[name])).strip()}"
        for name, said in page.elsewhere.items()
    ]
    text = page.text.format(
        epochs=card.num_timesteps,
        runs=card.making_runs,
        training=page.training_figure,
        shock=page.shock_figure,
        unknown_verdict=verdict_sentence(sweeps["unknown"], page.agent),
        unknown=write_part(worth_table(sweeps["unknown"], page.agent)).strip(),
        digits_verdict=verdict_sentence(sweeps["digits"], page.agent),
        digits=write_part(worth_table(sweeps["digits"], page.agent)).strip(),
        safety=write_part(harm_table(sweeps["safety"], page.agent)).strip(),
        elsewhere="\n\n".join(elsewhere),
        commands="\n".join(commands),
    )
    return printable(text)


def write_page(page: AgentPage, arguments: Sequence[str] | None = None) -> int:
    """Writes a page and its figures, or checks the page that is there, as a command is told."""
    parser = argparse.ArgumentParser(description=f"Writes the page of the agent {page.agent}.")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of all sweeps"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="folder to write to")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    chosen = parser.parse_args(arguments)
    sweeps = {name: Results.read(chosen.results / of[0]) for name, of in SWEEPS.items()}
    if not chosen.check:
        training = chosen.results / f"train_{page.agent}"
        draw_training(training, chosen.out / page.training_figure)
        draw_shock(sweeps["unknown"], page.agent, chosen.out / page.shock_figure)
    text = make_page(page, sweeps)
    return write_or_check(chosen.out / f"{page.agent}.md", text, chosen.results, chosen.check)
