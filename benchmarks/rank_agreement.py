"""Do ranks on one task predict ranks on another? Over the online controllers.

Printed are the rank correlations of mean anytime performance between tasks, over all regimes and
under each, and the means. Runs are kept in a file, so that an interrupted command goes on where it
was.

    python -m benchmarks.rank_agreement --seeds 6
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

import atn_gym
from atn_gym.agents import CONTROLLERS, Controller
from atn_gym.agents.registry import controller_arguments
from atn_gym.errors import InvalidArgument

TASKS = ("DigitsCnn", "DigitsResidual", "DigitsMlp", "ModularAddition", "NoisyQuadratic")
REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
)
_ENGINES = {"DigitsResidual": "batched"}
"""Engines in place of that which "auto" takes."""
_FIRST_SEED = 10_000
_DRAWS = 2_000


def controllers() -> list[str]:
    """Names of the controllers that see one run and need no argument."""
    names = []
    for name, found in CONTROLLERS.items():
        if issubclass(found, Controller):
            with contextlib.suppress(InvalidArgument):
                controller_arguments(name, {})
                names.append(name)
    return names


def performances(
    names: Sequence[str], envs: Sequence[tuple[str, str]], seeds: int, kept: Path
) -> dict[tuple[str, str], np.ndarray]:
    """Anytime performance by task and regime, (controllers, seeds)."""
    found: dict[str, list[float]] = json.loads(kept.read_text()) if kept.exists() else {}
    chosen = list(range(_FIRST_SEED, _FIRST_SEED + seeds))
    scores = {}
    for task, regime in envs:
        keys = [f"{task} {regime} {name} {seeds}" for name in names]
        for name, key in zip(names, keys, strict=True):
            if key not in found:
                env = f"atn_gym/{task}-{regime}-v0"
                engine = _ENGINES.get(task, "auto")
                made = atn_gym.evaluate(name, env, seeds=chosen, twins=False, engine=engine)
                found[key] = made.values("anytime_performance").tolist()
                kept.write_text(json.dumps(found))
        scores[task, regime] = np.array([found[key] for key in keys])
    return scores


def agreement(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Rank correlation of mean performances, with its 95 % bootstrap interval.

    Args:
        first: Performances on one task, (controllers, seeds).
        second: The same on the other.
    """
    draws = np.random.default_rng(0)
    values = []
    for _ in range(_DRAWS):
        chosen = draws.integers(len(first), size=len(first))
        seeds = draws.integers(first.shape[1], size=(2, first.shape[1]))
        pair = first[chosen][:, seeds[0]].mean(1), second[chosen][:, seeds[1]].mean(1)
        values.append(stats.spearmanr(*pair).statistic)
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return stats.spearmanr(first.mean(1), second.mean(1)).statistic, low, high


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--regimes", nargs="+", default=REGIMES)
    parser.add_argument("--controllers", nargs="+", help="those that need no argument by default")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--kept", type=Path, default=Path("rank_agreement.json"))
    arguments = parser.parse_args()
    tasks, regimes = arguments.tasks, arguments.regimes
    names = arguments.controllers or controllers()
    envs = list(itertools.product(tasks, regimes))
    scores = performances(names, envs, arguments.seeds, arguments.kept)
    last = _FIRST_SEED + arguments.seeds - 1
    print(f"{len(names)} controllers, seeds {_FIRST_SEED} to {last}.\n")
    print(f"| tasks | all regimes | 95 % interval | {' | '.join(regimes)} |")
    print("|" + "---|" * (3 + len(regimes)))
    means = {task: np.mean([scores[task, regime] for regime in regimes], axis=0) for task in tasks}
    for pair in itertools.combinations(tasks, 2):
        value, low, high = agreement(*(means[task] for task in pair))
        each = [
            stats.spearmanr(*(scores[task, regime].mean(1) for task in pair)).statistic
            for regime in regimes
        ]
        row = [", ".join(pair), f"{value:.2f}", f"{low:.2f} to {high:.2f}"]
        print(f"| {' | '.join([*row, *(f'{v:.2f}' for v in each)])} |")
    print(f"\n| controller | {' | '.join(tasks)} |\n|{'---|' * (1 + len(tasks))}")
    for i in np.argsort(-means[tasks[0]].mean(1)).tolist():
        print(f"| `{names[i]}` | {' | '.join(f'{means[task][i].mean():.3f}' for task in tasks)} |")


if __name__ == "__main__":
    main()
