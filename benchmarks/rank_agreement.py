"""Do ranks on one task predict ranks on another? Over the online controllers.

Printed are the rank correlations of mean anytime performance between tasks, over all regimes that
both have and under each, with the number of controllers that both have; then the means. Tasks are
taken from stored results where a folder has them, and are run where none has. What is run is kept
in a file, so that an interrupted command goes on where it was.

    python -m benchmarks.rank_agreement --seeds 6
    python -m benchmarks.rank_agreement --tasks DigitsCnn MnistCnn NoisyQuadratic
        --results results/benchmark_digits results/benchmark_mnist
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

import atn_gym
from atn_gym.agents import CONTROLLERS, Controller
from atn_gym.agents.registry import controller_arguments
from atn_gym.errors import InvalidArgument
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.selection import select

Scores = dict[tuple[str, str], dict[str, np.ndarray]]
"""Anytime performances by task and regime, then by controller, each of shape (seeds,)."""

TASKS = ("DigitsCnn", "DigitsResidual", "DigitsMlp", "ModularAddition", "NoisyQuadratic")
REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
)
_ENGINES = {"DigitsResidual": "batched", "NoisyQuadratic": "sampled"}
"""Engines in place of that which "auto" takes. A sampled run is one of SGD, as on other tasks."""
_FEWEST = 3
"""Controllers below which there is no rank correlation."""
_FIRST_SEED = 10_000
_DRAWS = 2_000


def controllers() -> list[str]:
    """Names of the controllers that see the losses of one run and need no argument."""
    names = []
    for name, found in CONTROLLERS.items():
        if issubclass(found, Controller) and found.signals == "loss":
            with contextlib.suppress(InvalidArgument):
                controller_arguments(name, {})
                names.append(name)
    return names


def run_performances(
    names: Sequence[str], envs: Sequence[tuple[str, str]], seeds: int, kept: Path
) -> Scores:
    """Runs controllers, and returns their performances."""
    found: dict[str, list[float]] = json.loads(kept.read_text()) if kept.exists() else {}
    chosen = list(range(_FIRST_SEED, _FIRST_SEED + seeds))
    scores: Scores = {}
    for (task, regime), name in itertools.product(envs, names):
        key = f"{task} {regime} {name} {seeds}"
        if key not in found:
            env = f"atn_gym/{task}-{regime}-v0"
            engine = _ENGINES.get(task, "auto")
            made = atn_gym.evaluate(name, env, seeds=chosen, twins=False, engine=engine)
            found[key] = made.values("anytime_performance").tolist()
            kept.write_text(json.dumps(found))
        scores.setdefault((task, regime), {})[name] = np.array(found[key])
    return scores


def stored_performances(folder: Path) -> Scores:
    """Performances of the runs of an experiment."""
    stored = select(read_experiment(folder))
    index = ResultIndex(stored.runs, stored.labels, stored.failures)
    scores: Scores = {}
    for env, controller in itertools.product(index.envs, index.controllers):
        runs = index.of_pair(controller.label, env.label)
        if runs:
            values = np.array([run.metric("anytime_performance") for run in runs])
            place = str(env.arguments["task"]), str(env.arguments["regime"])
            scores.setdefault(place, {})[controller.label] = values
    return scores


def correlation(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> float:
    """Rank correlation of the means of controllers on two tasks."""
    means = ([values.mean() for values in task] for task in (first, second))
    with warnings.catch_warnings():
        # A draw may hold one controller only.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.spearmanr(*means).statistic)


def agreement(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> tuple[float, float, float]:
    """Rank correlation of mean performances, with its 95 % bootstrap interval.

    Args:
        first: Performances of the controllers on one task, one array of seeds each.
        second: The same on the other.
    """
    draws = np.random.default_rng(0)
    values = []
    for _ in range(_DRAWS):
        chosen = draws.integers(len(first), size=len(first))
        drawn = ([draws.choice(task[i], len(task[i])) for i in chosen] for task in (first, second))
        values.append(correlation(*drawn))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return correlation(first, second), low, high


def row_of(scores: Scores, pair: tuple[str, str], regimes: Sequence[str]) -> list[str]:
    """A row of the table: two tasks, their common controllers and the correlations."""
    both = [r for r in regimes if all((task, r) in scores for task in pair)]
    common = (
        [
            name
            for name in scores[pair[0], both[0]]
            if all(name in scores[task, r] for r in both for task in pair)
        ]
        if both
        else []
    )
    cells = [", ".join(pair), str(len(common))]
    if len(common) < _FEWEST:
        return cells + ["—"] * (2 + len(regimes))
    # The mean over regimes has as many seeds as the regime with the fewest.
    over_all = [
        [over_regimes([scores[task, r][name] for r in both]) for name in common] for task in pair
    ]
    value, low, high = agreement(*over_all)
    cells += [f"{value:.2f}", f"{low:.2f} to {high:.2f}"]
    for r in regimes:
        sides = ([scores[task, r][name] for name in common] for task in pair if r in both)
        cells.append(f"{correlation(*sides):.2f}" if r in both else "—")
    return cells


def over_regimes(values: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over regimes of the performances of each seed, (seeds,)."""
    seeds = min(map(len, values))
    mean: np.ndarray = np.mean([one[:seeds] for one in values], axis=0)
    return mean


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--regimes", nargs="+", default=REGIMES)
    parser.add_argument("--controllers", nargs="+", help="those that need no argument by default")
    parser.add_argument("--results", nargs="+", type=Path, default=[], help="stored experiments")
    parser.add_argument("--seeds", type=int, default=6, help="of what is run")
    parser.add_argument("--kept", type=Path, default=Path("rank_agreement.json"))
    arguments = parser.parse_args()
    tasks, regimes = arguments.tasks, arguments.regimes
    names = arguments.controllers or controllers()
    scores: Scores = {}
    for folder in arguments.results:
        for place, found in stored_performances(folder).items():
            scores.setdefault(place, {}).update(found)
    stored = sorted({task for task, _ in scores} & set(tasks))
    run = [task for task in tasks if task not in stored]
    scores |= run_performances(
        names, list(itertools.product(run, regimes)), arguments.seeds, arguments.kept
    )
    for task in tasks:
        has = {r: scores[task, r] for r in regimes if (task, r) in scores}
        seeds = {len(values) for found in has.values() for values in found.values()}
        print(
            f"- {task}, {'stored' if task in stored else 'run'}: "
            f"{len(set().union(*has.values()))} controllers, {min(seeds)} to {max(seeds)} seeds, "
            f"under {', '.join(has)}."
        )
    print(f"\n| tasks | controllers | all regimes | 95 % interval | {' | '.join(regimes)} |")
    print("|" + "---|" * (4 + len(regimes)))
    for pair in itertools.combinations(tasks, 2):
        print(f"| {' | '.join(row_of(scores, pair, regimes))} |", flush=True)
    print(f"\n| controller | {' | '.join(tasks)} |\n|{'---|' * (1 + len(tasks))}")
    means = {
        name: [
            [scores[task, r][name].mean() for r in regimes if name in scores.get((task, r), {})]
            for task in tasks
        ]
        for name in names
    }
    for name in sorted(names, key=lambda name: -np.mean(means[name][0] or [-np.inf])):
        cells = [f"{np.mean(one):.3f}" if one else "—" for one in means[name]]
        print(f"| `{name}` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
