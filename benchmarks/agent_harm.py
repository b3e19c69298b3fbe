"""Where in a run does an agent lose to doing nothing, and what precedes the end of a lost run?

From the default beginning, on training seeds. The first table has what the agent's reward is above
that of `fixed` in each third of the budget, and the median rates. The second has a row for
each run that ended at chance: the shock, the first epoch from which accuracy stays at chance, and
how far learning_rate / (1 - momentum) was raised in the four epochs up to it.

    python benchmarks/agent_harm.py --seeds 100
    python benchmarks/agent_harm.py --agent my_agent.safetensors --guard tolerance=1 radius=1
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import atn_gym
from atn_gym.agents import Agent
from atn_gym.agents.guarded import Guarded
from atn_gym.arrays import FloatArray
from atn_gym.eval.running.evaluation import Evaluation

ENVS = (
    "DigitsCnn-Stationary",
    "DigitsCnn-CurriculumShift",
    "DigitsCnn-DataShift",
    "DigitsCnn-OptimizerSensitivityShift",
    "DigitsCnn-LossPerturbation",
)
_FIRST_SEED = 12000
_CHANCE = 0.2
"""Validation accuracy below which a run of ten classes counts as being at chance."""


def column(evaluation: Evaluation, name: str, epochs: int) -> FloatArray:
    """A column of all traces, (runs, epochs); NaN after a divergence."""
    found = np.full((len(evaluation.runs), epochs), np.nan)
    for i, run in enumerate(evaluation.runs):
        found[i, : len(run.trace)] = [row[name] for row in run.trace]
    return found


def thirds(env: str, agent: Evaluation, fixed: Evaluation, epochs: int) -> str:
    """A row of the first table."""
    less = column(agent, "score", epochs) - column(fixed, "score", epochs)
    rates = np.array_split(column(agent, "learning_rate", epochs), 3, axis=1)
    parts = np.array_split(less, 3, axis=1)
    j = agent.values("anytime_performance") - fixed.values("anytime_performance")
    error = 1.96 * j.std(ddof=1) / len(j) ** 0.5
    cells = [f"{np.nanmean(part):+.3f}" for part in parts]
    medians = [f"{np.nanmedian(rate):.4f}" for rate in rates]
    collapsed = int(agent.values("collapsed").sum())
    return (
        f"| `{env}` | {j.mean():+.3f} ± {error:.3f} | {' | '.join([*cells, *medians])} | "
        f"{collapsed} of {len(j)} |"
    )


def lost_runs(env: str, agent: Evaluation, epochs: int) -> list[str]:
    """Rows of the second table."""
    accuracy = column(agent, "val_accuracy", epochs)
    strength = column(agent, "learning_rate", epochs) / (1 - column(agent, "momentum", epochs))
    rows = []
    for i, run in enumerate(agent.runs):
        if run.summary is None or not run.summary["collapsed"]:
            continue
        above = np.flatnonzero(accuracy[i] >= _CHANCE)
        end = int(above[-1]) + 1 if len(above) else 0
        recent = strength[i, max(end - 3, 0) : end + 1]
        factor = np.nanmax(recent) / recent[0]
        shock = run.summary["shock_epoch"]
        rows.append(
            f"| `{env}` | {run.seed} | {shock} | {end + 1} | {factor:.0f} | "
            f"{np.nanmax(recent):.1f} |"
        )
    return rows


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--agent", default="ppo_adaptive", help="a shipped agent, or its file")
    parser.add_argument("--guard", nargs="+", metavar="NAME=VALUE", help="a guard around it")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--envs", nargs="+", default=ENVS)
    options = parser.parse_args()
    method: Any = Agent(options.agent)
    if options.guard is not None:
        chosen = (each.split("=") for each in options.guard)
        guard: dict[str, Any] = {name: float(value) for name, value in chosen}
        method = Guarded(method, **guard)
    seeds = range(_FIRST_SEED, _FIRST_SEED + options.seeds)
    print(
        "| env | less fixed | first third | second | last | rate, first | second | last | lost "
        "|\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    lost: list[str] = []
    for env in options.envs:
        agent, fixed = (
            atn_gym.evaluate(each, f"atn_gym/{env}-v0", seeds, twins=False)
            for each in (method, "fixed")
        )
        epochs = max(len(run.trace) for run in fixed.runs)
        print(thirds(env, agent, fixed, epochs), flush=True)
        lost += lost_runs(env, agent, epochs)
    print(
        "\n| env | seed | shock after epoch | at chance from | raised by | rate / (1 - m) |\n"
        "|---|--:|--:|--:|--:|--:|"
    )
    print("\n".join(lost) or "| none | | | | | |")


if __name__ == "__main__":
    main()
