"""Do ranks on NoisyQuadratic predict ranks on Digits? Over the online controllers.

Runs are kept in a file, so that an interrupted command goes on where it was.

    python -m benchmarks.rank_agreement --seeds 6
"""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

import numpy as np
from scipy import stats

import atn_gym
from atn_gym.agents import CONTROLLERS, Controller
from atn_gym.agents.registry import controller_arguments
from atn_gym.errors import InvalidArgument

TASKS = ("NoisyQuadratic", "DigitsCnn")
REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
)
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


def performances(names: list[str], seeds: int, kept: Path) -> dict[str, list[float]]:
    """Anytime performance of every seed, by task, regime and controller."""
    found: dict[str, list[float]] = json.loads(kept.read_text()) if kept.exists() else {}
    for name in names:
        for task in TASKS:
            for regime in REGIMES:
                key = f"{task} {regime} {name} {seeds}"
                if key not in found:
                    env = f"atn_gym/{task}-{regime}-v0"
                    chosen = range(_FIRST_SEED, _FIRST_SEED + seeds)
                    made = atn_gym.evaluate(name, env, seeds=list(chosen), twins=False)
                    found[key] = made.values("anytime_performance").tolist()
                    kept.write_text(json.dumps(found))
    return found


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
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--kept", type=Path, default=Path("rank_agreement.json"))
    arguments = parser.parse_args()
    names = controllers()
    found = performances(names, arguments.seeds, arguments.kept)
    scores = {
        (task, regime): np.array(
            [found[f"{task} {regime} {name} {arguments.seeds}"] for name in names]
        )
        for task in TASKS
        for regime in REGIMES
    }
    print(
        f"{len(names)} controllers, seeds {_FIRST_SEED} to {_FIRST_SEED + arguments.seeds - 1}.\n"
    )
    print("| regime | rank correlation | 95 % interval |\n|---|---|---|")
    quadratic, digits = (
        np.mean([scores[task, regime] for regime in REGIMES], axis=0) for task in TASKS
    )
    pairs = {r: (scores[TASKS[0], r], scores[TASKS[1], r]) for r in REGIMES}
    for title, pair in {**pairs, "mean of the five": (quadratic, digits)}.items():
        value, low, high = agreement(*pair)
        print(f"| {title} | {value:.2f} | {low:.2f} to {high:.2f} |")
    print("\n| controller | NoisyQuadratic | Digits |\n|---|---|---|")
    for i in np.argsort(-quadratic.mean(1)).tolist():
        print(f"| `{names[i]}` | {quadratic[i].mean():.3f} | {digits[i].mean():.3f} |")


if __name__ == "__main__":
    main()
