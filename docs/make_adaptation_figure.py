"""Draws the README's figure from runs that it makes: what adaptation looks like around a shock.

python docs/make_adaptation_figure.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure

import atn_gym
from atn_gym.agents import pretrained

ENV = "atn_gym/DigitsCnn-DataShift-v0"
HIDDEN = {"gain": -1.0, "trigger": 0.4, "kind": "relabelling"}
"""The rate has a tenth of its effect; the shock comes at a known time, for the eye."""
METHODS = {
    "blind": ("blind: a tuned schedule", "tab:orange"),
    "ppo_gradient": ("ppo_gradient: a trained agent", "tab:green"),
    "range_test": ("range_test: a rule that looks", "tab:blue"),
    "reactive_oracle": ("reactive_oracle: the reference", "black"),
}
OUT = Path(__file__).parent / "adaptation.png"


def main() -> None:
    """Makes the runs and draws validation accuracy and learning rate of each method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    accuracy, rate = figure.subplots(1, 2, sharex=True)
    for name, (label, color) in METHODS.items():
        policy = pretrained(name) if name == "ppo_gradient" else name
        found = atn_gym.evaluate(policy, ENV, seeds=chosen.seeds, twins=False, **HIDDEN)
        for axes, column, scale in ((accuracy, "val_accuracy", 100), (rate, "learning_rate", 1)):
            values = scale * np.array([[row[column] for row in run.trace] for run in found.runs])
            epochs = np.arange(1, values.shape[1] + 1)
            axes.plot(epochs, np.median(values, axis=0), color=color, label=label)
            low, high = np.quantile(values, [0.25, 0.75], axis=0)
            axes.fill_between(epochs, low, high, color=color, alpha=0.15, linewidth=0)
        print(f"{name:16} anytime performance {found.mean('anytime_performance'):.3f}", flush=True)
    shock = found.summaries[0]["shock_epoch"]
    for axes in (accuracy, rate):
        axes.axvline(shock + 0.5, color="0.6", linestyle="--", linewidth=1)
        axes.set_xlabel("epoch")
    accuracy.annotate(
        "all labels swap",
        (shock + 0.2, 0.04),
        xycoords=("data", "axes fraction"),
        color="0.4",
        va="bottom",
        ha="right",
    )
    accuracy.set_ylabel("validation accuracy (%)")
    rate.set_ylabel("learning rate that is set")
    rate.set_yscale("log")
    figure.legend(
        *accuracy.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=8.5,
    )
    figure.savefig(chosen.out, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
