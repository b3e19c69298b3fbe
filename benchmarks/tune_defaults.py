"""Chooses the defaults of the methods: one tuner, one budget, on training seeds only.

The arguments of a method are tried at `TRIALS` points per argument of a scrambled Sobol sequence
over its space, beside the arguments it had before, on two seeds of each Digits env. The three best
and those of before are made again on four other seeds of each; the best of these four is the
default.

Every trial is appended to a file as it ends, so that an interrupted command goes on where it was.

    python benchmarks/tune_defaults.py --trials benchmarks/tuning_trials.csv
    python benchmarks/tune_defaults.py --trials benchmarks/tuning_trials.csv pid bandit
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

import atn_gym
from atn_gym.agents import controller_method
from atn_gym.registration import env_ids

TRIALS = 8
"""Trials for each argument of a method."""
_FINALISTS = 3
_SCREENING, _FINAL = range(10_000, 10_002), range(10_002, 10_006)
_ENVS = [env for env in env_ids() if "/DigitsCnn" in env]

Axis = Callable[[float], Any]
"""Value of an argument at a share in [0, 1] of its range."""


def linear(low: float, high: float) -> Axis:
    """Evenly between two numbers."""
    return lambda share: round(low + (high - low) * share, 3)


def log(low: float, high: float) -> Axis:
    """Evenly in the logarithm between two numbers."""
    return lambda share: float(f"{low * (high / low) ** share:.2g}")


def one_of(*values: Any) -> Axis:
    """One of some values, each with the same share."""
    return lambda share: values[min(int(share * len(values)), len(values) - 1)]


@dataclass(frozen=True)
class Space:
    """What is tuned of a method.

    Args:
        before: Arguments before they were tuned: the published ones, or a first guess.
        axes: Range of each argument that is tuned.
        fixed: Arguments that are not.
    """

    before: Mapping[str, Any]
    axes: Mapping[str, Axis]
    fixed: Mapping[str, Any]

    def points(self) -> list[dict[str, Any]]:
        """The arguments of before, then the points of the sequence."""
        sequence = qmc.Sobol(len(self.axes), seed=0)
        shares = sequence.random(TRIALS * len(self.axes))
        return [dict(self.before)] + [
            {name: axis(share) for (name, axis), share in zip(self.axes.items(), row, strict=True)}
            for row in shares.tolist()
        ]


def space(fixed: Mapping[str, Any] | None = None, **axes: tuple[Any, Axis]) -> Space:
    """A space by the value of before and the range of each argument."""
    return Space(
        {name: before for name, (before, _) in axes.items()},
        {name: axis for name, (_, axis) in axes.items()},
        {} if fixed is None else fixed,
    )


SPACES = {
    "heuristic": space(
        increase=(1.1, linear(1, 1.5)),
        decrease=(0.5, linear(0.2, 0.9)),
        patience=(1, one_of(1, 2, 3)),
        tolerance=(0.05, linear(0, 0.2)),
    ),
    "range_test": space(
        start=(0.5, linear(0, 1.5)),
        climb=(0.5, linear(0.2, 0.8)),
        enough=(0.15, log(0.05, 0.4)),
        back_off=(0.5, linear(0.2, 0.8)),
        rise=(0.03, linear(0, 0.1)),
        decay=(0.1, linear(0, 0.2)),
        cut=(0.3, linear(0.1, 0.5)),
    ),
    "change_detector": space(
        response=("rewarm", one_of("rewarm", "reset", "search")),
        threshold=(0.3, log(0.1, 1)),
        slack=(0.1, linear(0, 0.3)),
        smoothing=(0.5, linear(0.2, 1)),
    ),
    "greedy_lr": space(
        factor=(0.95, linear(0.7, 0.98)),
        patience=(0, one_of(0, 1, 2, 3, 5)),
        smooth=(1, one_of(1, 2, 3)),
        reset_start=(3, one_of(1, 3, 6)),
    ),
    "pid": space(
        target=(-0.1, linear(-0.3, 0)),
        kp=(0.2, linear(0, 1)),
        kd=(0.4, linear(0, 1)),
        max_step=(0.3, linear(0.05, 0.5)),
    ),
    "bandit": space(
        factors=(
            (1.0, 0.7, 1.4),
            one_of((1.0, 0.7, 1.4), (1.0, 0.5, 2.0), (1.0, 0.8, 1.25), (1.0, 0.3, 3.0)),
        ),
        window=(10, one_of(5, 10, 20)),
        discount=(0.9, linear(0.7, 1)),
        exploration=(0.1, linear(0, 0.4)),
    ),
    "spsa": space(
        a=(0.2, log(0.02, 1)), c=(0.05, log(0.01, 0.2)), max_step=(0.2, linear(0.05, 0.4))
    ),
    "autotunenet": space(
        smoothing_window=(3, one_of(1, 2, 3)),
        max_regression=(0.2, linear(0.05, 0.5)),
        patience=(2, one_of(1, 2, 3)),
        cooldown=(3, one_of(0, 1, 3, 5)),
        max_delta=(0.5, linear(0.1, 0.8)),
        startup_trials=(4, one_of(2, 4, 8)),
    ),
    "reduce_lr_on_plateau": space(
        factor=(0.3, linear(0.1, 0.8)),
        patience=(3, one_of(0, 1, 2, 3, 5)),
        threshold=(1e-4, log(1e-4, 0.1)),
    ),
    "cosine": space(eta_min=(1e-5, log(1e-5, 1e-2))),
    "step": space(step_size=(None, one_of(3, 5, 8, 10, 15)), gamma=(0.3, linear(0.1, 0.9))),
    "one_cycle": space(
        max_lr=(0.1, log(0.03, 0.5)),
        pct_start=(0.3, linear(0.05, 0.5)),
        div_factor=(10.0, log(1, 30)),
    ),
    "warm_restarts": space(
        period=(None, one_of(5, 8, 10, 15)),
        growth=(1, one_of(1, 2)),
        eta_min=(1e-5, log(1e-5, 1e-2)),
    ),
    "warmup_cosine": space(warmup=(0.1, linear(0, 0.4))),
    "warmup_stable_decay": space(warmup=(0.1, linear(0, 0.3)), decay=(0.2, linear(0, 0.5))),
    "guarded": space(
        {"method": "heuristic"},
        tolerance=(0.2, linear(0.05, 0.6)),
        radius=(0.5, linear(0.1, 1)),
        hold=(1, one_of(0, 1, 2, 3)),
    ),
    "dog": space(factor=(1.0, log(0.1, 30))),
    "hypergradient": space(beta=(2.0, log(0.1, 10)), start=(0.0, linear(0, 1))),
    "schedule_free_sgd": space(learning_rate=(0.5, log(0.03, 1))),
    "schedule_free_adamw": space(learning_rate=(0.03, log(1e-3, 0.1))),
    "prodigy": space(learning_rate=(1.0, log(0.1, 1))),
    "dadapt_sgd": space(learning_rate=(1.0, log(0.1, 1))),
    "nadamw": space(learning_rate=(0.005, log(3e-4, 0.03))),
    "with_optimizer": space({"method": "fixed"}, learning_rate=(0.01, log(3e-4, 0.03))),
}
"""What is tuned. Absolute learning rates are not, where a method can do without: a default has to
serve on other tasks too."""


def score(name: str, arguments: Mapping[str, Any], seeds: range) -> float:
    """Mean anytime performance over the envs."""
    method = controller_method(name, **SPACES[name].fixed, **arguments)
    return float(
        np.mean(
            [
                atn_gym.evaluate(method, env, seeds, twins=False).mean("anytime_performance")
                for env in _ENVS
            ]
        )
    )


class Trials:
    """Scores by method, stage and arguments, kept in a file.

    Args:
        path: The file; what it holds already is not made again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scores: dict[tuple[str, str, str], float] = {}
        if path.exists():
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    key = (row["method"], row["stage"], row["arguments"])
                    self._scores[key] = float(row["anytime_performance"])
        else:
            self._append(["method", "stage", "arguments", "anytime_performance"])

    def _append(self, row: Sequence[Any]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)

    def score(self, name: str, stage: str, arguments: Mapping[str, Any], seeds: range) -> float:
        """Score of a trial, from the file or made now."""
        key = (name, stage, json.dumps(arguments))
        if key not in self._scores:
            self._scores[key] = score(name, arguments, seeds)
            self._append([*key, f"{self._scores[key]:.5f}"])
        return self._scores[key]


def tuned(name: str, trials: Trials) -> tuple[dict[str, Any], float, float]:
    """Arguments that differ from the defaults, their score in the final, and that of the defaults.

    The defaults are in the final whatever their place, so that both scores are of the same seeds.
    """
    points = SPACES[name].points()
    screened = [trials.score(name, "screening", point, _SCREENING) for point in points]
    best = sorted(range(1, len(points)), key=lambda place: -screened[place])[:_FINALISTS]
    final = {place: trials.score(name, "final", points[place], _FINAL) for place in (0, *best)}
    winner = max(final, key=lambda place: final[place])
    return points[winner], final[winner], final[0]


def main() -> None:
    """Tunes the methods, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("methods", nargs="*", help="names; all that have a space if absent")
    parser.add_argument("--trials", type=Path, required=True, help="file that keeps the trials")
    options = parser.parse_args()
    trials = Trials(options.trials)
    print("| method | present defaults | best | its arguments |\n|---|---|---|---|")
    for name in options.methods or SPACES:
        arguments, best, present = tuned(name, trials)
        print(f"| `{name}` | {present:.4f} | {best:.4f} | `{arguments}` |", flush=True)


if __name__ == "__main__":
    main()
