"""How fast is NoisyQuadratic, and what does PPO learn on it in a minute?

An env step is one epoch of one run. Processor time is given beside wall-clock, for the latter
hangs on what else the machine does.

    OMP_NUM_THREADS=2 python benchmarks/noisy_quadratic.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from throughput import report_machine

import atn_gym
from atn_gym.training import TuningVecEnv

_ENV = "atn_gym/NoisyQuadratic-{}-v0"
_EPOCHS = 30
_FIRST_SEED = 10_000


class _Budget(BaseCallback):
    """Ends a training after some seconds of processor time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.process_time() + seconds

    def _on_step(self) -> bool:
        return time.process_time() < self._end


def measure(regime: str, runs: int, repeats: int) -> tuple[float, float]:
    """Env steps per second of wall-clock and of processor time: medians over whole runs."""
    env: Any = gymnasium.make_vec(
        _ENV.format(regime),
        num_envs=runs,
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    env.reset(seed=_FIRST_SEED)
    actions = np.random.default_rng(0).uniform(-0.1, 0.1, (runs, 3)).astype(np.float32)
    wall, processor = [], []
    for _ in range(repeats + 1):
        began = time.perf_counter(), time.process_time()
        for _ in range(_EPOCHS):
            env.step(actions)
        wall.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    steps = runs * _EPOCHS
    return steps / statistics.median(wall[1:]), steps / statistics.median(processor[1:])


def train(seconds: float) -> PPO:
    """Trains PPO on Stationary for some seconds of processor time."""
    env = TuningVecEnv(_ENV.format("Stationary"), 256)
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=_EPOCHS,
        batch_size=1920,
        gamma=0.99,
        learning_rate=1e-3,
        policy_kwargs={"net_arch": [64, 64], "log_std_init": -0.7},
        seed=0,
        device="cpu",
    )
    return model.learn(10**9, _Budget(seconds))


def main() -> None:
    """Prints the measurements as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--train-seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    report_machine(f"medians of {arguments.repeats} repetitions of {arguments.runs} runs")
    print("| regime | env steps / s | env steps / s of processor time |\n|---|---|---|")
    for regime in ("Stationary", "OptimizerSensitivityShift", "Mixture"):
        wall, processor = measure(regime, arguments.runs, arguments.repeats)
        print(f"| {regime} | {wall:,.0f} | {processor:,.0f} |", flush=True)
    model = train(arguments.train_seconds)
    print(f"\nPPO: {model.num_timesteps:,} steps.\n")
    seeds = list(range(_FIRST_SEED, _FIRST_SEED + arguments.seeds))
    print("| controller | anytime performance | regret | share of the regret of fixed |")
    print("|---|---|---|---|")
    regrets = {}
    policies: dict[str, Any] = {"fixed": "fixed", "cosine": "cosine", "PPO": model}
    for name, policy in policies.items():
        made = atn_gym.evaluate(policy, _ENV.format("Stationary"), seeds=seeds)
        regrets[name] = made.mean("regret")
        share = regrets[name] / regrets["fixed"]
        performance = made.mean("anytime_performance")
        print(f"| {name} | {performance:.3f} | {regrets[name]:.3f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
