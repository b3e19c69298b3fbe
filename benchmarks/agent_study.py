"""What does a trained agent owe to what? The shipped training, one thing changed at a time.

Trains each variant of `train_ppo_digits` on fewer steps, or reads it if it is trained already,
and evaluates it on the ten Digits envs and, without training on it, on MNIST.

    python benchmarks/agent_study.py --mnist
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import atn_gym
from atn_gym.agents import SB3Policy
from atn_gym.config import EnvConfig
from atn_gym.training.config import TrainingConfig, load_training_config
from atn_gym.training.train import train

_REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
)
_SEEDS = range(1000, 1020)
_MNIST_SEEDS = range(2)
_CHANGES: dict[str, dict[str, Any]] = {
    "reference": {},
    "reference, seed 1": {"seed": 1},
    "reference, seed 2": {"seed": 2},
    "window of 1 epoch": {"env": {"window": 1}},
    "window of 3 epochs": {"env": {"window": 3}},
    "reward `linear`": {"env": {"reward": "linear"}},
    "reward `improvement`": {"env": {"reward": "improvement"}},
    "signals of other networks": {"shuffle_signals": True},
    "signals of other networks, seed 1": {"shuffle_signals": True, "seed": 1},
    "signals of other networks, seed 2": {"shuffle_signals": True, "seed": 2},
    "batch size 64 alone": {"parts": [0, 1, 2, 3, 4, 5], "n_envs": 60},
    "no kind more often": {"parts": [0, 4, 6, 7]},
}


def variant(base: TrainingConfig, name: str, timesteps: int) -> TrainingConfig:
    """The training of a variant.

    Args:
        base: The shipped training.
        name: A key of `_CHANGES`: "env" holds arguments of all envs, "parts" the places of
            the envs that are kept; the others are fields of the config.
        timesteps: How long it is trained.
    """
    changes = dict(_CHANGES[name])
    arguments = changes.pop("env", {})
    parts = [base.envs[i] for i in changes.pop("parts", range(len(base.envs)))]
    folder = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    update = {
        "experiment": folder,
        "envs": [EnvConfig(id=env.id, **env.kwargs, **arguments) for env in parts],
        "eval_envs": [],
        "n_timesteps": timesteps,
        **changes,
    }
    return base.model_copy(update=update)


def anytime(
    agent: SB3Policy, tasks: Sequence[str], seeds: range, arguments: Mapping[str, Any]
) -> dict[str, float]:
    """Mean anytime performance on every env of some tasks."""
    found = {}
    for task in tasks:
        for regime in _REGIMES:
            env_id = f"atn_gym/{task}-{regime}-v0"
            runs = atn_gym.evaluate(agent, env_id, seeds=seeds, twins=False, **arguments)
            found[env_id] = runs.mean("anytime_performance")
    return found


def main() -> None:
    """Prints a row for each variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timesteps", type=int, default=120_000)
    parser.add_argument("--results", type=Path, default=Path("results/agent_study"))
    parser.add_argument("--only", nargs="+", choices=list(_CHANGES), default=list(_CHANGES))
    parser.add_argument("--mnist", action="store_true", help="evaluate on MnistCnn too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    base = load_training_config("train_ppo_digits")
    print("| variant | DigitsCnn | DigitsCnnPoorInit | mean | MnistCnn, zero-shot |")
    print("|---|---|---|---|---|")
    for name in arguments.only:
        config = variant(base, name, arguments.timesteps)
        agent = SB3Policy(str(train(config, arguments.results / config.experiment)))
        seen = {"window": config.envs[0].params().window}
        good = anytime(agent, ["DigitsCnn"], _SEEDS, seen)
        poor = anytime(agent, ["DigitsCnnPoorInit"], _SEEDS, seen)
        zero_shot = ""
        if arguments.mnist:
            mnist = anytime(agent, ["MnistCnn"], _MNIST_SEEDS, seen)
            zero_shot = f"{np.mean(list(mnist.values())):.3f}"
        means = [float(np.mean(list(values.values()))) for values in (good, poor)]
        print(
            f"| {name} | {means[0]:.3f} | {means[1]:.3f} | {np.mean(means):.3f} | {zero_shot} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
