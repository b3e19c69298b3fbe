"""Draws docs/noisy_quadratic.png: learning rates and losses of references under three regimes.

python docs/make_noisy_quadratic.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import atn_gym

PICTURE = Path(__file__).parent / "noisy_quadratic.png"
TRIGGER = 12
REGIMES: dict[str, dict[str, Any]] = {
    "Stationary": {},
    "DataShift": {"kind": "rotation", "trigger": TRIGGER},
    "CurriculumShift": {"kind": "classes", "trigger": TRIGGER},
}
STYLES = {
    "optimal": {"color": "black", "linewidth": 2},
    "greedy_optimal": {"color": "tab:red"},
    "cosine": {"color": "tab:blue", "linestyle": "--"},
}


def draw(axes: Any, regime: str, seeds: list[int]) -> None:
    """Draws one regime, and prints the anytime performances."""
    rates, losses = axes
    for name, style in STYLES.items():
        env = f"atn_gym/NoisyQuadratic-{regime}-v0"
        made = atn_gym.evaluate(name, env, seeds=seeds, twins=False, **REGIMES[regime])
        print(f"| {regime} | `{name}` | {made.mean('anytime_performance'):.3f} |", flush=True)
        logs = [
            [
                (np.log10(row["learning_rate"] / (1 - row["momentum"])), np.log10(row["val_loss"]))
                for row in run.trace
            ]
            for run in made.runs
        ]
        mean = 10 ** np.mean(logs, axis=0)
        epochs = np.arange(1, len(mean) + 1)
        rates.semilogy(epochs, mean[:, 0], label=name, **style)
        losses.semilogy(epochs, mean[:, 1], **style)
    rates.set_title(regime, fontsize=9)
    losses.set_xlabel("epoch")
    if REGIMES[regime]:
        for one in axes:
            one.axvline(TRIGGER + 0.5, color="0.7", linewidth=0.8)


def main() -> None:
    """Makes the runs and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(2, len(REGIMES), figsize=(10, 5), sharex=True, sharey="row")
    for column, regime in zip(axes.T, REGIMES, strict=True):
        draw(column, regime, list(range(10_000, 10_000 + arguments.seeds)))
    axes[0, 0].set_ylabel("learning rate / (1 - momentum)")
    axes[1, 0].set_ylabel("validation loss (nats)")
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=90)


if __name__ == "__main__":
    main()
