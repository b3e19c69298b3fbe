"""How much faster is one run in more threads? Epochs of one MNIST run, in turn.

python benchmarks/one_run.py
python benchmarks/one_run.py --realtime  # as root, on a machine that others use
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import gymnasium
import numpy as np
import torch
from throughput import report_machine

import atn_gym  # noqa: F401  (registers the envs)

_STAY = np.zeros(3, np.float32)


def main() -> None:
    """Prints a row for each number of threads, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--realtime", action="store_true", help="take the cores while timing")
    arguments = parser.parse_args()
    report_machine(f"medians of {arguments.epochs} alternating epochs")
    env_id = "atn_gym/MnistCnn-Stationary-v0"
    envs = {n: gymnasium.make(env_id, num_epochs=arguments.epochs + 1) for n in arguments.threads}
    seconds: dict[int, list[float]] = {n: [] for n in envs}
    rewards: dict[int, list[float]] = {n: [] for n in envs}
    for env in envs.values():
        env.reset(seed=0)
        env.step(_STAY)
    if arguments.realtime:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    for _ in range(arguments.epochs):
        for n, env in envs.items():
            torch.set_num_threads(n)
            start = time.perf_counter()
            rewards[n].append(float(env.step(_STAY)[1]))
            seconds[n].append(time.perf_counter() - start)
    medians = {n: statistics.median(times) for n, times in seconds.items()}
    first = arguments.threads[0]
    print("| threads | seconds an epoch | range | times faster | same results |")
    print("|---|---|---|---|---|")
    for n, times in seconds.items():
        same = "yes" if rewards[n] == rewards[first] else "no"
        print(
            f"| {n} | {medians[n]:.4f} | {min(times):.4f} to {max(times):.4f} "
            f"| {medians[first] / medians[n]:.2f} | {same} |"
        )


if __name__ == "__main__":
    main()
