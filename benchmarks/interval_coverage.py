"""Measures how often a 95 % bootstrap interval of the stratified mean covers the truth.

Two envs that share seeds: one with a single beginning, one whose odd seeds begin higher. Noise
is normal, and a run may also lose 0.8 with probability 0.05, as collapses do.

    python benchmarks/interval_coverage.py --trials 1000
"""

from __future__ import annotations

import argparse

import numpy as np

from atn_gym.eval.metrics.aggregate import mean
from atn_gym.eval.metrics.bootstrap import bootstrap
from atn_gym.eval.metrics.strata import stratify

_SEEDS = (6, 10, 20, 50, 200)
_COLLAPSE_RATES = (0.0, 0.05)
_LOSS, _NOISE, _GAP = 0.8, 0.1, 0.6


def coverage(seeds: int, collapse_rate: float, trials: int) -> tuple[float, float, float]:
    """Coverage of the stratified interval, and mean widths: stratified, beginnings pooled."""
    rng = np.random.default_rng(0)
    beginnings = np.stack([np.zeros(seeds, int), np.arange(seeds) % 2])
    # Three strata, one of them higher by the gap.
    truth = _GAP / 3 - _LOSS * collapse_rate
    covered, widths = 0, []
    for _ in range(trials):
        scores = _GAP * beginnings + _NOISE * rng.normal(size=beginnings.shape)
        scores -= _LOSS * (rng.random(beginnings.shape) < collapse_rate)
        stratified = bootstrap(stratify(scores, beginnings), mean, rng, num_resamples=1000)
        pooled = bootstrap(scores, mean, rng, num_resamples=1000)
        covered += bool(stratified.low <= truth <= stratified.high)
        widths.append((stratified.high - stratified.low, pooled.high - pooled.low))
    of_stratified, of_pooled = np.mean(widths, axis=0)
    return covered / trials, float(of_stratified), float(of_pooled)


def main() -> None:
    """Prints a row for each number of seeds and rate of collapse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print("| seeds | collapses | coverage | width, stratified | width, beginnings pooled |")
    print("|---|---|---|---|---|")
    for rate in _COLLAPSE_RATES:
        for seeds in _SEEDS:
            covered, stratified, pooled = coverage(seeds, rate, trials)
            print(f"| {seeds} | {rate:.0%} | {covered:.1%} | {stratified:.3f} | {pooled:.3f} |")


if __name__ == "__main__":
    main()
