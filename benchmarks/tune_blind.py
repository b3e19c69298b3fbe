"""Tunes the schedule of `blind` for a task, by CMA-ES over whole runs.

Every trial is scored by its mean anytime performance over the regimes of the task, on
the same seeds as the other trials of its generation; each generation has fresh ones. At last
the centre of the search and its best trials are scored on seeds of their own, and the best is
written. All seeds are >= 10000. Run again, it goes on from the trials in its log.

    python -m benchmarks.tune_blind DigitsCnn --out atn_gym/agents/shipped/blind_digits.json
    python -m benchmarks.tune_blind DigitsCnn --optimizer adamw --rate 0.01 --trials 70 \
        --results results/tune_blind_adamw --out atn_gym/agents/shipped/blind_digits_adamw.json
    python -m benchmarks.tune_blind MnistCnn --seeds 1 --scale digits \
        --out atn_gym/agents/shipped/blind_mnist.json
    python -m benchmarks.tune_blind NoisyQuadratic --seeds 8 --out docs/blind_noisy_quadratic.json

With `--scale`, the only trials are the schedule of that name and its multiples in the learning
rate, for a data set on which a run takes too long for a search.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from cmaes import CMA
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from atn_gym.agents.blind import SCHEDULES, Knots, KnotSchedule
from atn_gym.agents.controller_policy import ControllerPolicy
from atn_gym.envs.hyperparameters import HYPERPARAMETERS, HyperparameterSpace
from atn_gym.eval.storage.provenance import git_commit

REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
)
KNOTS = {
    "learning_rate": (0.0, 0.15, 0.4, 0.7, 1.0),
    "momentum": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
}
"""Shares of the run at which each hyperparameter has a knot."""
_START = {
    "learning_rate": (0.1, 0.1, 0.07, 0.03, 0.003),
    "momentum": (0.8, 0.8),
    "weight_decay": (1e-5, 1e-5),
}
"""Values from which the search begins: roughly a cosine. `--rate` scales those of the rate."""
_FIRST_SEED = 10_000
_FINAL_SEED = 20_000
_SIGMA = 0.25
"""Spread of the first generation, decades."""
_POPULATION = 10
_BEST = 3
"""Trials that are candidates, beside the centre and the start of the search."""
_REPEATS = 3
"""How many times the seeds of a trial a candidate is scored on."""
_FACTORS = (0.1, 0.3, 0.55, 1.0)
"""Multiples of the learning rate that `--scale` tries."""

Decades = NDArray[np.float64]


class Scorer:
    """Scores schedules on a task under every regime.

    Args:
        task: Name of the task.
        num_seeds: Seeds of a trial under each regime.
        arguments: Further arguments of the envs.
    """

    def __init__(self, task: str, num_seeds: int, arguments: Mapping[str, Any]) -> None:
        self.ids = [f"atn_gym/{task}-{regime}-v0" for regime in REGIMES]
        self.runs = 0
        self.num_seeds = num_seeds
        self._envs: list[Any] = [
            gymnasium.make_vec(
                env_id, num_envs=num_seeds, autoreset_mode=AutoresetMode.DISABLED, **arguments
            )
            for env_id in self.ids
        ]
        self.num_epochs = self._envs[0].unwrapped.episodes.num_epochs

    def __call__(self, knots: Knots, first_seed: int) -> list[float]:
        """Anytime performance of a schedule in each run, on consecutive seeds."""
        seeds = list(range(first_seed, first_seed + self.num_seeds))
        return [score for env in self._envs for score in self._scores(env, knots, seeds)]

    def _scores(self, env: Any, knots: Knots, seeds: list[int]) -> list[float]:
        policy = ControllerPolicy.for_env(lambda s: KnotSchedule(s, knots), env, seeds)
        observation, _ = env.reset(seed=seeds)
        running, sums, state = np.ones(len(seeds), dtype=np.bool_), np.zeros(len(seeds)), None
        while running.any():
            actions, state = policy.predict(observation, state)
            observation, rewards, ended, _, _ = env.step(actions)
            sums[running] += rewards[running]
            running &= ~ended
        self.runs += len(seeds)
        scores: list[float] = (sums / self.num_epochs).tolist()
        return scores


def tune(score: Scorer, log: Path, num_trials: int, rate: float) -> dict[str, Any]:
    """Searches for the best schedule.

    Args:
        score: Scores a schedule.
        log: Where the score of every trial is kept, one a line. The search draws from a seed, so
            that they are all that is needed to go on.
        num_trials: Trials in all, those in the log included.
        rate: First learning rate of the schedule from which the search begins.

    Returns:
        The knots, their scores on seeds of their own, and the number of runs spent.
    """
    low, high = _bounds()
    start = _start(rate)
    search = CMA(
        mean=start,
        sigma=_SIGMA,
        bounds=np.stack([low, high], axis=1),
        population_size=_POPULATION,
        seed=0,
    )
    log.touch()
    known = [float(line) for line in log.read_text(encoding="utf-8").split()]
    per_trial = len(score.ids) * score.num_seeds
    generations = []
    for generation in range(num_trials // _POPULATION):
        asked = [search.ask() for _ in range(_POPULATION)]
        for decades in asked[len(known) - generation * _POPULATION :] if known else asked:
            known.append(float(np.mean(score(_knots(decades), _FIRST_SEED + 32 * generation))))
            with log.open("a", encoding="utf-8") as lines:
                lines.write(f"{known[-1]!r}\n")
        told = known[generation * _POPULATION :][:_POPULATION]
        generations.append(list(zip(asked, told, strict=True)))
        search.tell([(decades, -value) for decades, value in generations[-1]])
        print(f"{(generation + 1) * _POPULATION} trials, mean {np.mean(told):.4f}", flush=True)
    score.runs = 0
    candidates = [_knots(decades) for decades in [search.mean, start, *_leading(generations)]]
    found = _best_of(candidates, score, _REPEATS)
    return {**found, "runs": len(known) * per_trial + score.runs}


def scale(score: Scorer, name: str) -> dict[str, Any]:
    """Chooses the multiple of a schedule in the learning rate that suits another data set.

    Args:
        score: Scores a schedule on that data set.
        name: Name of the schedule.

    Returns:
        As `tune`. The runs are those of both data sets.
    """
    text = (SCHEDULES / f"blind_{name}.json").read_text(encoding="utf-8")
    stored: dict[str, Any] = json.loads(text)
    knots: Knots = stored["knots"]
    low, high = HYPERPARAMETERS["learning_rate"].bounds
    candidates = [
        {
            **knots,
            "learning_rate": [
                (share, float(f"{min(max(factor * rate, low), high):.4g}"))
                for share, rate in knots["learning_rate"]
            ],
        }
        for factor in _FACTORS
    ]
    found = _best_of(candidates, score, 1)
    runs = stored["making"]["runs"] + score.runs
    return {**found, "factors": _FACTORS, "runs": runs}


def _best_of(candidates: Sequence[Knots], score: Scorer, repeats: int) -> dict[str, Any]:
    """The best of some schedules, by runs on seeds of their own."""
    scores = []
    for knots in candidates:
        scores.append([s for r in range(repeats) for s in score(knots, _FINAL_SEED + 32 * r)])
        print(f"{knots['learning_rate']}: {np.mean(scores[-1]):.4f}", flush=True)
    best = int(np.argmax([np.mean(s) for s in scores]))
    return {
        "knots": candidates[best],
        "anytime_performance": round(float(np.mean(scores[best])), 4),
        "standard_error": round(float(np.std(scores[best]) / len(scores[best]) ** 0.5), 4),
        "of_candidates": [round(float(np.mean(s)), 4) for s in scores],
    }


def _leading(generations: list[list[tuple[Decades, float]]]) -> list[Decades]:
    """The trials that were furthest above their generation, which had the same seeds."""
    latest = generations[-2 * _BEST :]
    leads = [
        (value - float(np.median([other for _, other in generation])), i, j)
        for i, generation in enumerate(latest)
        for j, (_, value) in enumerate(generation)
    ]
    return [latest[i][j][0] for _, i, j in sorted(leads, reverse=True)[:_BEST]]


def _start(rate: float) -> Decades:
    first = _START["learning_rate"][0]
    start = {**_START, "learning_rate": [rate / first * value for value in _START["learning_rate"]]}
    return np.concatenate([HyperparameterSpace([n]).log10(np.array(v)) for n, v in start.items()])


def _bounds() -> tuple[Decades, Decades]:
    ends = [
        HyperparameterSpace([name]).log10_bounds for name, shares in KNOTS.items() for _ in shares
    ]
    low, high = zip(*ends, strict=True)
    return np.concatenate(low), np.concatenate(high)


def _knots(decades: Decades) -> Knots:
    """A schedule from the decades of its knots, rounded to what a file holds."""
    left = iter(decades.tolist())
    return {
        name: [(share, _plain(name, next(left))) for share in shares]
        for name, shares in KNOTS.items()
    }


def _plain(name: str, decades: float) -> float:
    low, high = HYPERPARAMETERS[name].bounds
    (value,) = HyperparameterSpace([name]).from_log10(np.array([decades]))
    return min(max(float(f"{value:.4g}"), low), high)


def main() -> None:
    """Tunes, and writes the file of the schedule."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("task", help="name of a task, such as DigitsCnn")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=4, help="seeds of a trial under each regime")
    parser.add_argument(
        "--rate",
        type=float,
        default=_START["learning_rate"][0],
        help="learning rate from which the search begins",
    )
    parser.add_argument("--scale", help="name of a schedule to take multiples of")
    parser.add_argument("--train-size", type=int, help="training samples; all by default")
    parser.add_argument("--num-epochs", type=int, help="budget; that of the task by default")
    parser.add_argument("--optimizer", help="name of an optimizer in place of that of the task")
    parser.add_argument("--results", type=Path, default=Path("results/tune_blind"))
    parser.add_argument("--out", type=Path, help="by default a file in the folder of the results")
    args = parser.parse_args()
    names = ("train_size", "num_epochs", "optimizer")
    given = {name: getattr(args, name) for name in names}
    arguments = {name: value for name, value in given.items() if value is not None}
    args.results.mkdir(parents=True, exist_ok=True)
    score = Scorer(args.task, args.seeds, arguments)
    if args.scale:
        found = scale(score, args.scale)
    else:
        found = tune(score, args.results / f"{args.task}.log", args.trials, args.rate)
    making = {
        "runs": found.pop("runs"),
        "trials": len(found["of_candidates"]) if args.scale else args.trials,
        "multiples_of": args.scale,
        "seeds_of_a_trial": args.seeds,
        "first_seed": _FIRST_SEED,
        "first_seed_of_the_choice": _FINAL_SEED,
        "envs": score.ids,
        "env_arguments": arguments,
        "optimizer": "the best of the multiples"
        if args.scale
        else f"CMA-ES (cmaes {version('cmaes')}), population {_POPULATION}",
        "commit": git_commit(),
    }
    out = args.out or args.results / f"blind_{args.task}.json"
    out.write_text(json.dumps({**found, "making": making}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
