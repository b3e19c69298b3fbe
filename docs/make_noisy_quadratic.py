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
from atn_gym.agents.blind import Blind

PICTURE = Path(__file__).parent / "noisy_quadratic.png"
TRIGGER = 12
REGIMES: dict[str, dict[str, Any]] = {
    "Stationary": {},
    "DataShift": {"kind": "rotation", "trigger": TRIGGER},
    "CurriculumShift": {"kind": "classes", "trigger": TRIGGER},
}
BLIND = Blind(schedule=str(Path(__file__).parent / "blind_noisy_quadratic.json"))
STYLES = {
    "optimal": {"color": "black", "linewidth": 2},
    "greedy_optimal": {"color": "tab:red"},
    "blind": {"color": "tab:green", "linestyle": "-."},
    "cosine": {"color": "tab:blue", "linestyle": "--"},
}
QUANTITIES = ("learning rate / (1 - momentum)", "validation loss (nats)")


def draw(axes: Any, regime: str, seeds: list[int]) -> None:
    """Draws one regime, and prints the anytime performances."""
    rates, losses = axes
    for name, style in STYLES.items():
        env = f"atn_gym/NoisyQuadratic-{regime}-v0"
        method = BLIND if name == "blind" else name
        made = atn_gym.evaluate(method, env, seeds=seeds, twins=False, **REGIMES[regime])
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
    rates.set_ylabel(regime, fontweight="bold")
    if REGIMES[regime]:
        for one in axes:
            one.axvline(TRIGGER + 0.5, color="0.7", linewidth=0.8)


def main() -> None:
    """Makes the runs and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(
        len(REGIMES), 2, figsize=(4.8, 7), sharex=True, sharey="col", layout="constrained"
    )
    for row, regime in zip(axes, REGIMES, strict=True):
        draw(row, regime, list(range(10_000, 10_000 + arguments.seeds)))
    for one, quantity in zip(axes[0], QUANTITIES, strict=True):
        one.set_title(quantity, fontsize=10)
    for one in axes[-1]:
        one.set_xlabel("epoch")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.savefig(PICTURE, dpi=170)


if __name__ == "__main__":
    main()
