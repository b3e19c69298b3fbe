"""How often verdicts are wrong when one looks after every batch of seeds.

    python benchmarks/peeking.py

Simulated paired differences of anytime performance: normal with a standard deviation of 0.1, and
the same with a share of collapsed runs, of either method alike, that cost 0.7. One looks after
every ten seeds from 20 to 500 and stops at the first verdict.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from atn_gym.eval.metrics.verdict import FEWEST_SEEDS, Verdict, confidence_sequence, verdict

_SPREAD, _COLLAPSE, _MARGIN = 0.1, 0.7, 0.01


def _differences(
    rng: np.random.Generator, mean: float, collapses: float, seeds: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values = rng.normal(mean, _SPREAD, (1, seeds))
    values -= _COLLAPSE * (rng.random((1, seeds)) < collapses)
    values += _COLLAPSE * (rng.random((1, seeds)) < collapses)
    return values


def _first_verdict(
    rng: np.random.Generator, mean: float, collapses: float, most: int
) -> tuple[Verdict, int]:
    values = _differences(rng, mean, collapses, most)
    for seeds in range(FEWEST_SEEDS, most + 1, 10):
        seen = values[:, :seeds]
        found = verdict(confidence_sequence(seen, np.zeros_like(seen)), _MARGIN)
        if found != Verdict.UNDECIDED:
            return found, seeds
    return Verdict.UNDECIDED, most


def main() -> None:
    """Prints a row for each true difference and share of collapses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=500)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    names = [found.value for found in Verdict]
    print(f"| true difference | collapsed runs | {' | '.join(names)} | median seeds |")
    print("|" + "---|" * (len(names) + 3))
    for mean in (0.0, _MARGIN, 0.03, 0.1):
        for collapses in (0.0, 0.02, 0.05):
            trials = [
                _first_verdict(rng, mean, collapses, arguments.seeds)
                for _ in range(arguments.trials)
            ]
            counts = Counter(found for found, _ in trials)
            shares = " | ".join(f"{100 * counts[f] / len(trials):.1f} %" for f in Verdict)
            median = int(np.median([seeds for _, seeds in trials]))
            print(f"| {mean:g} | {100 * collapses:g} % | {shares} | {median} |")


if __name__ == "__main__":
    main()
