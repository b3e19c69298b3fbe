"""What is each env good for? How far it tells controllers apart, and what the blind lose in it.

    python benchmarks/separation.py controllers
    python benchmarks/separation.py blind

`controllers` runs controllers that act during the run. The share of variance is that between
controllers in the variance of all runs, by the components of a one-way layout; the rank
correlation is Spearman's of the means with those in the Stationary env of the same task.

`blind` chooses the best schedule that trains to the end and the best that freezes from a grid, on
some seeds, and sets both and `fixed` against `reactive_oracle` on others. The grid suits SGD on
Digits; `--rates` and `--decays` give that of another task, all but the lowest and highest rate to
the schedules that freeze.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from blind_schedules import (
    DECAYS,
    RATES,
    Schedule,
    anytime_performance,
    best,
    frozen,
    trained_to_the_end,
)
from numpy.typing import NDArray
from scipy import stats

import atn_gym
from atn_gym import registration
from atn_gym.envs import registry
from atn_gym.eval.metrics.bootstrap import paired_difference

CONTROLLERS = (
    "fixed",
    "cosine",
    "one_cycle",
    "reduce_lr_on_plateau",
    "random_online",
    "heuristic",
    "bandit",
    "pid",
    "spsa",
    "autotunenet",
)
_METRIC = "anytime_performance"
_TASKS = ("DigitsCnn", "DigitsCnnUnknownScale")

FloatArray = NDArray[np.float64]


def share_between(scores: FloatArray) -> float:
    """Share of the variance that is between controllers, of scores (controllers, seeds).

    With mean squares B between and W within controllers and n seeds, the component between is
    max(0, (B - W) / n), and the share is what it makes up of its sum with W.
    """
    num_seeds = scores.shape[1]
    within = scores.var(axis=1, ddof=1).mean()
    between = max(0.0, scores.mean(axis=1).var(ddof=1) - within / num_seeds)
    return float(between / (between + within)) if between + within > 0 else 0.0


def controllers_apart(tasks: Sequence[str], regimes: Sequence[str], seeds: Sequence[int]) -> None:
    """Prints a row for each env: both measures, and the mean of every controller."""
    print(f"| env | share of variance | rank correlation | {' | '.join(CONTROLLERS)} |")
    print("|" + "---|" * (3 + len(CONTROLLERS)))
    for task in tasks:
        reference = None
        for regime in ["Stationary", *(r for r in regimes if r != "Stationary")]:
            env_id = registration.env_id(task, regime)
            scores = np.array([_scores(name, env_id, seeds) for name in CONTROLLERS])
            means = scores.mean(axis=1)
            reference = means if reference is None else reference
            correlation = stats.spearmanr(means, reference).statistic
            print(
                f"| {task}-{regime} | {share_between(scores):.2f} | {correlation:.2f} | "
                + " | ".join(f"{mean:.3f}" for mean in means)
                + " |",
                flush=True,
            )


def blind_apart(
    tasks: Sequence[str],
    regimes: Sequence[str],
    values: tuple[Sequence[float], Sequence[float]],
    chosen_on: Sequence[int],
    seeds: Sequence[int],
) -> None:
    """Prints a row for each env: the oracle, and how far the best schedules are below it.

    Args:
        tasks: Names of tasks.
        regimes: Names of regimes.
        values: Learning rates and weight decays of the grid.
        chosen_on: Seeds on which schedules are chosen.
        seeds: Seeds on which they are measured.
    """
    rates, decays = values
    print("| env | reactive oracle | fixed | best schedule | below by | best freeze | below by |")
    print("|---|---|---|---|---|---|---|")
    for task in tasks:
        num_epochs = registry.get_task(task).num_epochs
        grids = (
            trained_to_the_end(num_epochs, rates, decays),
            frozen(num_epochs, rates[1:-1] or rates, decays),
        )
        for regime in regimes:
            env_id = registration.env_id(task, regime)
            oracle = _scores("reactive_oracle", env_id, seeds)
            left_alone = _scores("fixed", env_id, seeds)
            row = [f"{task}-{regime}", f"{oracle.mean():.3f}", f"{left_alone.mean():.3f}"]
            for grid in grids:
                schedule = best(env_id, grid, chosen_on)
                row += [schedule.name, _loss(env_id, schedule, oracle, seeds)]
            print(f"| {' | '.join(row)} |", flush=True)


def _loss(env_id: str, schedule: Schedule, oracle: FloatArray, seeds: Sequence[int]) -> str:
    scores = anytime_performance(env_id, [schedule], seeds)
    found = paired_difference(oracle[None], scores, np.random.default_rng(0))
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _scores(name: str, env_id: str, seeds: Sequence[int]) -> FloatArray:
    return atn_gym.evaluate(name, env_id, seeds=seeds, twins=False).values(_METRIC)


def main() -> None:
    """Prints one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("controllers", "blind"))
    parser.add_argument("--tasks", nargs="+", default=_TASKS, choices=registry.task_names())
    names = registry.regime_names()
    parser.add_argument("--regimes", nargs="+", default=names, choices=names)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="of the grid")
    parser.add_argument("--decays", type=float, nargs="+", default=DECAYS, help="of the grid")
    parser.add_argument("--seeds", type=int, default=32, help="seeds from 10100 on")
    parser.add_argument("--chosen-on", type=int, default=16, help="seeds from 10000 on")
    arguments = parser.parse_args()
    print(f"atn_gym {atn_gym.__version__}, {arguments}\n")
    seeds = range(10_100, 10_100 + arguments.seeds)
    if arguments.table == "controllers":
        controllers_apart(arguments.tasks, arguments.regimes, seeds)
    else:
        chosen_on = range(10_000, 10_000 + arguments.chosen_on)
        values = arguments.rates, arguments.decays
        blind_apart(arguments.tasks, arguments.regimes, values, chosen_on, seeds)


if __name__ == "__main__":
    main()
