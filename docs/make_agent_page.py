"""Writes the page of the agent `ppo_adaptive` and its figures, from stored sweeps and its training.

python docs/make_agent_page.py
python docs/make_agent_page.py --check
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from make_results_pages import Results, write_or_check
from matplotlib.figure import Figure

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

AGENT = "ppo_adaptive"
DOCS = Path(__file__).parent / "agents"
TRAINING_FIGURE, SHOCK_FIGURE = f"{AGENT}_training.png", f"{AGENT}_shock.png"
_DRAWN = {"blind": "tab:orange", "range_test": "tab:blue"}
_AROUND = range(-6, 11)
"""Epochs drawn before and after the shock."""

SWEEPS = {
    "unknown": "unknown_scale_digits",
    "digits": "benchmark_digits",
    "safety": "agent_safety_digits",
    "mnist": "benchmark_mnist",
    "mlp": "agent_mlp",
}
"""Configs that the page draws on, by what the page calls them."""


def worth_table(results: Results, of: str) -> Table:
    """The agent on each env beside blind, the best other contender and the oracle."""
    s = results.all_envs
    agent = s.block.controllers.index(of)
    assert s.blind is not None
    assert s.oracle is not None
    others = [c for c in s.order if not s.is_reference[c] and c not in (agent, s.blind)]
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
    others = [c for c in s.order if not s.is_reference[c] and c != agent]
    best = max(others, key=lambda c: float(s.anytime.value[c]))
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


_PAGE = """# `ppo_adaptive`

A controller that PPO of Stable-Baselines3 learned on Digits, in runs whose effective learning
rate is hidden and whose shock comes at any time. It comes with the package:

```python
from atn_gym.agents import pretrained

agent = pretrained("ppo_adaptive")
```

In a config it is `{{name: agent, label: ppo_adaptive, path: ppo_adaptive}}`. In your own loop it
is `HyperparameterScheduler(optimizer, agent, num_epochs=...)`: see [your own loop](../own_loop.md).

## What it is

- **Observes** what every controller may: ten epochs of training and validation loss and accuracy,
  the hyperparameters in force, the progress, and how far the losses fell from epoch to epoch
  (`FlatObservation(env, falls=True)`). The window is all it remembers.
- **Sets** learning rate, momentum and weight decay, by up to a decade (momentum half of one) an
  epoch, deterministically.
- **Network**: two hidden layers of 128 and 64 tanh units.
- **Trained** by `atn-gym train --config train_ppo_adaptive` for {epochs:,} epochs, which are
  {runs:,.0f} runs: gains, triggers, severities, kinds, batch sizes, budgets and sizes of the
  training set vary. The rate of PPO fell linearly to 0, until epoch 440,640 as for a training of
  1.8 million epochs, until 501,120 as for one of 1.1 million, then as for one of
  900,000: the command gives an agent like this one, not the same weights.
- The file holds safetensors, so that reading it runs no code, and the agent needs numpy only.

![Anytime performance on validation seeds while it was trained]({training})

The curves are deterministic runs of seeds 11000 to 11019, on which nothing below was measured.
The agent is the last one, not the best one of the curve.

## Where the learning rate is hidden

{unknown_verdict} All envs of the [results on UnknownScale](../results_unknown_scale.md); the
seeds were never trained on and nothing was chosen by them.

{unknown}

`blind` is a tuned schedule that never observes its run, and 0 of the adaptation score; the
reactive oracle is 1. The best other contender of each env is chosen by these runs, so its mean is
a little too high. The value of feedback is what the agent has above its yoked control, which does
in a run what the agent chose in another one.

## On all Digits envs

{digits_verdict} These are the envs of the [results on Digits](../results_digits.md).

{digits}

## Does it do harm?

From the default beginning, against `fixed`, which changes nothing:

{safety}

## Why it does harm, and what was tried

On training seeds, 12000 to 12199, `python benchmarks/agent_harm.py --seeds 200` shows where
runs from the default beginning lose to doing nothing, and how lost runs end:

- On Stationary it is ahead of `fixed` in the first third of the budget, by 0.014 in the reward
  of an epoch, and behind by 0.036 in the last: it lowers the rate tenfold too early, and stops
  learning.
- Under CurriculumShift it lowers the rate in the second epoch, when few classes make the loss
  fall fast, and is behind by 0.153 in the first third; later it is ahead by 0.062.
- Six of 1,000 runs are lost, all of them after the shock: there it raises learning_rate / (1 -
  momentum), in four of the six by 7 to 62 times within four epochs.

**A second training** went on from this agent for 201,600 epochs (`train_ppo_adaptive_careful`):
more runs of a known scale, AdamW, other nominal rates and batch sizes, and a reward that counts
low scores twice. Less `fixed`, by the same command with `--agent`, 200 seeds of each env from
the default beginning and 100 where the scale is hidden, ± 95 %:

| env | this agent | lost | second | lost |
| --- | --: | --: | --: | --: |
| DigitsCnn-Stationary | -0.009 ± 0.006 | 0 | 0.004 ± 0.006 | 0 |
| DigitsCnn-CurriculumShift | -0.025 ± 0.009 | 1 | 0.003 ± 0.009 | 0 |
| DigitsCnn-DataShift | 0.147 ± 0.013 | 3 | 0.114 ± 0.013 | 5 |
| DigitsCnn-OptimizerSensitivityShift | 0.096 ± 0.019 | 1 | 0.088 ± 0.018 | 1 |
| DigitsCnn-LossPerturbation | 0.067 ± 0.014 | 1 | 0.067 ± 0.016 | 3 |
| DigitsCnnUnknownScale-Stationary | 0.317 ± 0.045 | 3 | 0.319 ± 0.046 | 3 |
| DigitsCnnUnknownScale-CurriculumShift | 0.206 ± 0.039 | 7 | 0.214 ± 0.038 | 9 |
| DigitsCnnUnknownScale-DataShift | 0.247 ± 0.030 | 6 | 0.236 ± 0.036 | 8 |
| DigitsCnnUnknownScale-OptimizerSensitivityShift | 0.291 ± 0.044 | 3 | 0.272 ± 0.045 | 5 |
| DigitsCnnUnknownScale-LossPerturbation | 0.319 ± 0.041 | 4 | 0.305 ± 0.045 | 6 |

It does no harm where nothing happens, and on the perceptron with AdamW, 40 seeds of three envs,
it loses 3 of 120 runs in place of 13; but it loses more runs on Digits, and is lower in the
mean where the scale is hidden. So it is not shipped. What did help was to observe gradients: see
[`ppo_gradient`](ppo_gradient.md).

**A guard** (`{{name: guarded, method: agent, arguments: {{path: ppo_adaptive}}, tolerance: 1.0,
radius: 1.0}}`) loses 4 of the 1,000 runs in place of 6 on training seeds, at no cost in the
mean that can be told from 0 there; on the held-out runs of the table above it loses 3 in place
of 6. Where the scale is hidden it loses 28 of 500 in place of 23. It does not make the agent
safe. `python benchmarks/agent_harm.py --seeds 200 --guard tolerance=1 radius=1` prints it.

## On what it has never seen

{elsewhere}

## What it does at a shock

![Validation loss and learning rate of three controllers around the shock]({shock})

Medians over all runs of UnknownScale, aligned at the shock; bands hold the middle half. Gains
differ from run to run, so do the rates.

## Where it fails

- **Where the rate is right from the start, `blind` is better**, by the table of all envs: a
  schedule that was tuned for these very envs has little to learn from looking. The agent pays for
  finding out that the rate is right.
- **Doing nothing is better where nothing happens.** On Stationary, and under CurriculumShift, it is
  below `fixed` from the default beginning: it lowers the rate too early.
- **CurriculumShift is its weakest regime** where the rate is hidden.
- **It kills a run now and then.** At a gain of a whole decade, by
  [the figure of the references](../references.md), a good part of its runs is lost; the first
  epoch has the rate that the run begins with, times what the agent makes of it unseen.
- **It does not travel.** On MNIST the hand-written `heuristic` and `range_test` are above it. With
  AdamW on a perceptron it is no better than `fixed` and kills one run in ten, which those two do
  not: the rates that it has learned are those of SGD on one network.
- It is one training with one seed, on one network with SGD.

## Where these figures come from

```console
{commands}
python docs/make_agent_page.py
```

All brackets are 95 % bootstrap intervals over seeds.
"""

_ELSEWHERE = {
    "mnist": "Larger images, a larger network, 843 gradient steps an epoch in place of 17, and 20 "
    "epochs in place of 30:",
    "mlp": "A perceptron with AdamW on Digits, a network and an optimizer that were left out of "
    "the training:",
}
"""What the agent has never seen, by sweep."""


def make_page(sweeps: dict[str, Results]) -> str:
    """The text of the page."""
    card = pretrained(AGENT).read().card
    commands = [f"atn-gym train --config train_{AGENT}"]
    for name, found in sweeps.items():
        seeds = len(found.all_envs.block.seeds)
        commands.append(f"atn-gym run --config {SWEEPS[name]} --seeds {seeds}")
    elsewhere = [
        f"{said}\n\n{write_part(headline(sweeps[name])).strip()}"
        for name, said in _ELSEWHERE.items()
    ]
    text = _PAGE.format(
        epochs=card.num_timesteps,
        runs=card.making_runs,
        training=TRAINING_FIGURE,
        shock=SHOCK_FIGURE,
        unknown_verdict=verdict_sentence(sweeps["unknown"], AGENT),
        unknown=write_part(worth_table(sweeps["unknown"], AGENT)).strip(),
        digits_verdict=verdict_sentence(sweeps["digits"], AGENT),
        digits=write_part(worth_table(sweeps["digits"], AGENT)).strip(),
        safety=write_part(harm_table(sweeps["safety"], AGENT)).strip(),
        elsewhere="\n\n".join(elsewhere),
        commands="\n".join(commands),
    )
    return printable(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page and its figures, or checks the page that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of all sweeps"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="folder to write to")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    chosen = parser.parse_args(arguments)
    sweeps = {name: Results.read(chosen.results / config) for name, config in SWEEPS.items()}
    if not chosen.check:
        draw_training(chosen.results / f"train_{AGENT}", chosen.out / TRAINING_FIGURE)
        draw_shock(sweeps["unknown"], AGENT, chosen.out / SHOCK_FIGURE)
    text = make_page(sweeps)
    return write_or_check(chosen.out / f"{AGENT}.md", text, chosen.results, chosen.check)


if __name__ == "__main__":
    sys.exit(main())
