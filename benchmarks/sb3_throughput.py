"""What does Stable-Baselines3 cost? The raw vector env, its adapter, and a PPO rollout.

All step 64 networks of the same env, one after the other in every repetition; medians are
quoted. A PPO update is timed apart: it is the algorithm's own work.

    python benchmarks/sb3_throughput.py
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor
from throughput import report_machine

from atn_gym.training import TuningVecEnv

_ENV = "atn_gym/DigitsCnn-Mixture-v0"
_STEPS = 30


class _RolloutTimer(BaseCallback):
    """Times the rollouts of PPO, apart from its updates."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._began = 0.0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._began = time.perf_counter()

    def _on_rollout_end(self) -> None:
        self.seconds += time.perf_counter() - self._began


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Prints the measurements as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=int, default=64)
    arguments = parser.parse_args()
    runs = arguments.runs
    raw: Any = gymnasium.make_vec(
        _ENV, num_envs=runs, split="train", autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
    )
    adapter = TuningVecEnv(_ENV, runs, split="train")
    model = PPO(
        "MlpPolicy",
        VecMonitor(TuningVecEnv(_ENV, runs, split="train")),
        n_steps=_STEPS,
        batch_size=480,
        policy_kwargs={"log_std_init": -5},
        seed=0,
        device="cpu",
    )
    raw.reset(seed=0)
    adapter.seed(0)
    adapter.reset()
    idle = np.zeros((runs, 3), np.float32)

    def step_raw() -> None:
        for _ in range(_STEPS):
            raw.step(idle)

    def step_adapter() -> None:
        for _ in range(_STEPS):
            adapter.step(idle)

    seconds: dict[str, list[float]] = {"raw vector env": [], "adapter": [], "PPO, rollouts": []}
    updates = []
    for _ in range(arguments.repeats + 1):
        seconds["raw vector env"].append(timed(step_raw))
        seconds["adapter"].append(timed(step_adapter))
        timer = _RolloutTimer()
        learn = functools.partial(model.learn, runs * _STEPS, timer, reset_num_timesteps=False)
        total = timed(learn)
        seconds["PPO, rollouts"].append(timer.seconds)
        updates.append(total - timer.seconds)
    report_machine(f"medians of {arguments.repeats} alternating repetitions; {runs} networks")
    print("| what | env steps / s | share of the raw env |")
    print("|---|---|---|")
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    for name, median in medians.items():
        share = medians["raw vector env"] / median
        print(f"| {name} | {runs * _STEPS / median:.1f} | {share:.1%} |")
    update = statistics.median(updates[1:])
    print(f"\n- PPO's updates take {update / medians['PPO, rollouts']:.1%} of its rollouts' time.")


if __name__ == "__main__":
    main()
