"""Prints the tables and draws the figures of docs/agents/ from stored results.

python docs/make_agent_results.py --trainings results/train_ppo_digits \
    --digits results/heldout_digits --unseen results/unseen_kinds_digits \
    --mnist results/benchmark_mnist
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

from atn_gym.eval.metrics.aggregate import interquartile_mean
from atn_gym.eval.metrics.bootstrap import Estimate, bootstrap, paired_difference
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.names import name_variants
from atn_gym.eval.storage.runs import StoredRun, distinct_variants, trace_matrices
from atn_gym.training.log import LOG, STEPS, read_log

Runs = dict[str, list[StoredRun]]

FOLDER = Path(__file__).parent / "agents"
_EVALUATIONS = ("DigitsCnn-Mixture-v0", "DigitsCnnPoorInit-Mixture-v0")
_ENVS = (
    "DigitsCnn-DataShift",
    "DigitsCnn-OptimizerSensitivityShift",
    "DigitsCnn-CurriculumShift",
    "DigitsCnnPoorInit-Stationary",
)
_AGENT = "ppo_digits"
_DRAWN = (_AGENT, "autotunenet", "cosine", "fixed")
_STATIONARY = "atn_gym/DigitsCnn-Stationary-v0"
_QUANTITIES = (
    ("val_loss", "validation loss (nats)"),
    ("learning_rate", "learning rate"),
    ("momentum", "1 - momentum"),
    ("weight_decay", "weight decay"),
)


def read_runs(root: Path) -> Runs:
    """Runs of an experiment by what tables call their controllers."""
    experiment = read_experiment(root)
    configs = distinct_variants(experiment.runs, "controller")
    variants = name_variants(configs, "name", experiment.labels)
    found: Runs = {}
    for run in experiment.runs:
        label = variants[run.variant_key("controller")].label
        found.setdefault(label, []).append(run)
    return found


def scores_of(runs: Runs, metric: str) -> dict[str, np.ndarray]:
    """A metric of every controller, shape (envs, seeds), in the order of their names."""
    scores = {}
    for name, own in runs.items():
        found: dict[str, dict[int, float]] = {}
        for run in own:
            found.setdefault(run.variant("env")["id"], {})[run.seed] = run.metric(metric)
        scores[name] = np.array([[found[e][s] for s in sorted(found[e])] for e in sorted(found)])
    return scores


def print_differences(runs: Runs) -> None:
    """Prints what each controller reaches, and what the agent has above it, paired by seed."""
    anytime = scores_of(runs, "anytime_performance")
    adjusted = scores_of(runs, "compute_adjusted_performance")
    print(
        "| controller | mean | interquartile mean | agent above it | the same, compute-adjusted |"
    )
    print("|---|---|---|---|---|")
    for name in sorted(anytime, key=lambda name: -anytime[name].mean()):
        pooled = bootstrap(anytime[name], interquartile_mean, np.random.default_rng(0))
        cells = [f"{anytime[name].mean():.3f}", _shown(pooled)]
        for scores in (anytime, adjusted):
            if name == _AGENT:
                cells.append("")
                continue
            draws = np.random.default_rng(0)
            cells.append(_shown(paired_difference(scores[_AGENT], scores[name], draws)))
        print(f"| `{name}` | {' | '.join(cells)} |")
    print()


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def print_envs(runs: Runs) -> None:
    """Prints the agent on every env beside the best of the other controllers."""
    anytime = scores_of(runs, "anytime_performance")
    envs = sorted({run.variant("env")["id"] for run in runs[_AGENT]})
    print("| env | agent | best other controller | agent above it | agent above `fixed` |")
    print("|---|---|---|---|---|")
    for i, env in enumerate(envs):
        best = max((n for n in anytime if n != _AGENT), key=lambda name: anytime[name][i].mean())
        cells = [
            _shown(
                paired_difference(
                    anytime[_AGENT][i : i + 1], anytime[name][i : i + 1], np.random.default_rng(0)
                )
            )
            for name in (best, "fixed")
        ]
        print(
            f"| {env.removeprefix('atn_gym/')} | {anytime[_AGENT][i].mean():.3f} | "
            f"`{best}` {anytime[best][i].mean():.3f} | {' | '.join(cells)} |"
        )
    print()


def draw_training(trainings: list[Path]) -> None:
    """Draws anytime performance on the test split against steps, a line for each training."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharex=True, sharey=True)
    for folder in trainings:
        rows = read_log(folder / LOG)
        for axis, env in zip(axes, _EVALUATIONS, strict=True):
            key = f"eval/{env}/anytime_performance"
            found = [(row[STEPS] / 1000, row[key]) for row in rows if key in row]
            axis.plot(*np.array(found).T, marker=".", label=folder.name)
            axis.set_title(f"{env}, test split", fontsize=10)
            axis.set_xlabel("thousand steps (epochs of all networks)")
            axis.grid(alpha=0.3)
    axes[0].set_ylabel("anytime performance")
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(FOLDER / "ppo_digits_training.png", dpi=110)


def draw_shock(runs: Runs) -> None:
    """Draws what controllers do over the epochs: medians, and quartiles of the agent."""
    figure, axes = plt.subplots(
        len(_QUANTITIES), len(_ENVS), figsize=(3.3 * len(_ENVS), 9.6), sharex=True, squeeze=False
    )
    for column, env in enumerate(_ENVS):
        for name in _DRAWN:
            chosen = [r for r in runs[name] if r.variant("env")["id"] == f"atn_gym/{env}-v0"]
            for row, (quantity, _) in enumerate(_QUANTITIES):
                budget = max(run.num_epochs for run in chosen)
                values = trace_matrices(chosen, [quantity], budget)[quantity]
                if quantity == "momentum":
                    values = 1 - values
                epochs = np.arange(1, budget + 1)
                axis = axes[row, column]
                (line,) = axis.plot(epochs, np.nanmedian(values, axis=0), label=name)
                if name == _AGENT:
                    low, high = np.nanquantile(values, [0.25, 0.75], axis=0)
                    axis.fill_between(epochs, low, high, alpha=0.25, color=line.get_color())
        for axis in axes[:, column]:
            axis.set_yscale("log")
            axis.grid(alpha=0.3)
            if "Stationary" not in env:
                axis.axvline(15.5, color="black", linestyle=":", linewidth=1)
        axes[0, column].set_title(env, fontsize=9)
        axes[-1, column].set_xlabel("epoch")
    for row, (_, label) in enumerate(_QUANTITIES):
        axes[row, 0].set_ylabel(label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=len(_DRAWN), loc="upper center")
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(FOLDER / "ppo_digits_shock.png", dpi=100)


def main() -> None:
    """Prints the tables, and draws the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=Path, nargs="+", required=True)
    parser.add_argument("--digits", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--mnist", type=Path, required=True)
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    digits = read_runs(arguments.digits)
    for runs in (digits, read_runs(arguments.unseen), read_runs(arguments.mnist)):
        print_differences(runs)
        print_envs(runs)
    print(f"{_STATIONARY} alone:\n")
    print_differences(
        {
            name: [run for run in own if run.variant("env")["id"] == _STATIONARY]
            for name, own in digits.items()
        }
    )
    draw_training(arguments.trainings)
    draw_shock(digits)


if __name__ == "__main__":
    main()
