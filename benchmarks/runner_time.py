"""Time that the runner adds to a run, against the same runs in a bare loop of the vector env.

The runner resolves configs, claims runs, asks the controller, keeps traces, computes metrics and
stores all runs; the loop makes the vector env, trains and tests. Both
alternate.

python -m benchmarks.runner_time [--seeds 32] [--repeats 7]
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from atn_gym.config import ExperimentConfig
from atn_gym.eval.running.experiment import run_experiment
from atn_gym.eval.running.threads import thread_count, threads
from atn_gym.eval.storage.store import ResultStore

ENVS = ("atn_gym/DigitsCnn-DataShift-v0", "atn_gym/DigitsCnn-Stationary-v0")


def bare(env_id: str, seeds: int) -> None:
    """Trains and tests a run of fixed hyperparameters for each seed."""
    env: Any = gymnasium.make_vec(env_id, num_envs=seeds, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=list(range(seeds)))
    actions = np.zeros(env.action_space.shape, env.action_space.dtype)
    running = True
    while running:
        _, _, terminations, _, _ = env.step(actions)
        running = not terminations.all()
    env.unwrapped.test_metrics()
    env.close()


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor time of a call."""
    began, busy = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - busy


def added(pairs: Sequence[tuple[float, float]]) -> str:
    """What the second of each pair takes beyond the first, in per cent."""
    shares = sorted(100 * (whole / bare - 1) for bare, whole in pairs)
    return f"{statistics.median(shares):.1f} % ({shares[0]:.1f} to {shares[-1]:.1f} %)"


def main() -> None:
    """Prints medians and what the runner adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    config = ExperimentConfig.model_validate(
        {
            "experiment": "runner_time",
            "envs": list(ENVS),
            "controllers": ["fixed"],
            "seeds": arguments.seeds,
            "twins": False,
        }
    )

    def loop() -> None:
        with threads(thread_count("compiled", 1)):
            for env_id in ENVS:
                bare(env_id, arguments.seeds)

    def runner(folder: str) -> None:
        run_experiment(config, ResultStore(Path(folder)))

    loop()
    walls, busy = [], []
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as folder:
            bare_times = seconds(loop)
            times = seconds(functools.partial(runner, folder))
        walls.append((bare_times[0], times[0]))
        busy.append((bare_times[1], times[1]))
    runs = len(ENVS) * arguments.seeds
    print(
        f"{runs} runs, {arguments.repeats} alternating repetitions, load average "
        f"{os.getloadavg()[0]:.2f}; medians and ranges:\n"
        f"a run in the loop takes {1000 * statistics.median(b for b, _ in walls) / runs:.1f} ms, "
        f"{1000 * statistics.median(b for b, _ in busy) / runs:.1f} ms of a core\n"
        f"the runner adds {added(walls)} of wall-clock and {added(busy)} of processor time"
    )


if __name__ == "__main__":
    main()
