"""What does a guard cost where nothing happens, and what does it save where something does?

For every method, anytime performance and collapsed runs without a guard and with it, on the same
seeds, which are training seeds.

    python benchmarks/guard.py --seeds 30
    python benchmarks/guard.py --seeds 10 --set tolerance=0.5 --set radius=1.0
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import atn_gym
from atn_gym.agents.guarded import Guarded

METHODS = ("heuristic", "pid", "bandit", "one_cycle", "random_online", "greedy_lr")
ENVS = (
    "DigitsCnn-Stationary",
    "DigitsCnn-DataShift",
    "DigitsCnn-OptimizerSensitivityShift",
    "DigitsCnn-LossPerturbation",
    "DigitsCnnUnknownScale-DataShift",
)
_FIRST_SEED = 10000


def row(env: str, method: str, seeds: range, guard: dict[str, Any]) -> str:
    """One row of the table."""
    plain, guarded = (
        atn_gym.evaluate(each, f"atn_gym/{env}-v0", seeds, twins=False)
        for each in (method, Guarded(method, **guard))
    )
    before, after = (
        np.array([summary["anytime_performance"] for summary in evaluation.summaries])
        for evaluation in (plain, guarded)
    )
    difference = after - before
    error = 1.96 * difference.std(ddof=1) / len(difference) ** 0.5
    collapsed = [int(sum(s["collapsed"] for s in e.summaries)) for e in (plain, guarded)]
    counts = [guarded.mean(name) for name in ("rollback_count", "overrides")]
    return (
        f"| `{env}` | `{method}` | {before.mean():.3f} | {after.mean():.3f} | "
        f"{difference.mean():+.3f} ± {error:.3f} | {collapsed[0]} | {collapsed[1]} | "
        f"{counts[0]:.1f} | {counts[1]:.1f} |"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--envs", nargs="+", default=ENVS)
    options = parser.parse_args()
    pairs = (each.split("=") for each in options.set)
    guard = {name: int(value) if name == "hold" else float(value) for name, value in pairs}
    seeds = range(_FIRST_SEED, _FIRST_SEED + options.seeds)
    print(
        "| env | method | without | guarded | difference | collapsed | guarded | rollbacks | "
        "overrides |\n|---|---|---|---|---|---|---|---|---|"
    )
    for env in options.envs:
        for method in options.methods:
            print(row(env, method, seeds, guard), flush=True)


if __name__ == "__main__":
    main()
