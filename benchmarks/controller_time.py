"""Time of the controllers themselves, against that of the epochs they control.

python -m benchmarks.controller_time [--env atn_gym/MnistCnn-DataShift-v0]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import gymnasium
import numpy as np

import atn_gym  # noqa: F401
from atn_gym.agents import CONTROLLERS, Controller, ControllerPolicy, controller_factory


def epoch_seconds(env: Any, epochs: int) -> float:
    """Median time of a step of one run, seconds."""
    env.reset(seed=0)
    times = []
    for _ in range(epochs):
        began = time.perf_counter()
        env.step(np.zeros(env.action_space.shape, np.float32))
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def controller_seconds(name: str, env: Any) -> float:
    """Mean time of `predict` over the budget of one run, on a made-up loss, seconds."""
    policy = ControllerPolicy.for_env(controller_factory(name), env)
    observation, _ = env.reset(seed=0)
    budget, space = env.unwrapped.episodes.num_epochs, env.unwrapped.episodes.hyperparameters
    values = space.from_log10(observation["hyperparameters"].astype(np.float64))
    delta: Any = np.zeros(len(space))
    state, total = None, 0.0
    for epoch in range(budget):
        values = space.apply(values, delta)
        observation["hyperparameters"] = space.log10(values).astype(np.float32)
        observation["progress"][:] = epoch / budget
        observation["observed_val_loss"][-1] = 2.0 * 0.8**epoch
        began = time.perf_counter()
        delta, state = policy.predict(observation, state)
        total += time.perf_counter() - began
    return float(total / budget)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="atn_gym/MnistCnn-DataShift-v0")
    parser.add_argument("--epochs", type=int, default=3, help="epochs to time the env by")
    arguments = parser.parse_args()
    env = gymnasium.make(arguments.env)
    epoch = epoch_seconds(env, arguments.epochs)
    print(f"{arguments.env}: {1000 * epoch:.0f} ms an epoch of one run\n")
    print("| controller | ms an epoch | share of training |\n|---|---|---|")
    for name, found in CONTROLLERS.items():
        needs_more = name == "scheduler" or getattr(found, "signals", "loss") != "loss"
        if issubclass(found, Controller) and not needs_more:
            seconds = controller_seconds(name, env)
            print(f"| `{name}` | {1000 * seconds:.2f} | {100 * seconds / epoch:.3f} % |")


if __name__ == "__main__":
    main()
