"""Trains a controller by PPO in under five minutes, and compares it on seeds of its own.

The same as `atn-gym train --config FILE`, with the config in Python. Interrupted, it resumes
from its last checkpoint.

python examples/train_controller.py
"""

import argparse
from pathlib import Path

import atn_gym
from atn_gym.agents import SB3Policy
from atn_gym.training.config import TrainingConfig
from atn_gym.training.train import train


def main() -> None:
    """Trains, and prints a row for each controller."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timesteps", type=int, default=80_000)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of the comparison")
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    config = TrainingConfig(
        experiment="example_controller",
        algorithm="PPO",
        envs=[
            {"id": "atn_gym/DigitsCnn-Mixture-v0", "split": "train"},
            {"id": "atn_gym/DigitsCnnPoorInit-Mixture-v0", "split": "train"},
        ],
        n_envs=32,
        n_timesteps=arguments.timesteps,
        hyperparameters={
            "n_steps": 30,
            "batch_size": 240,
            "gamma": 0.95,
            "learning_rate": 1e-3,
            "policy_kwargs": {"log_std_init": -0.7},
        },
    )
    path = train(config, arguments.results / config.experiment)
    policies = {"agent": SB3Policy(str(path)), "fixed": "fixed", "cosine": "cosine"}
    for env_id in ("atn_gym/DigitsCnn-DataShift-v0", "atn_gym/DigitsCnnPoorInit-DataShift-v0"):
        for name, policy in policies.items():
            seeds = range(1000, 1000 + arguments.seeds)
            found = atn_gym.evaluate(policy, env_id, seeds=seeds, twins=False)
            print(f"{env_id} {name}: {found.mean('anytime_performance'):.3f}", flush=True)


if __name__ == "__main__":
    main()
